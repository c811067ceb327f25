//! Where the parts of the image stand, as `linker/sections.ld` names them.

use core::ops::Range;

macro_rules! part {
    ($(#[$doc:meta])* $name:ident = $start:ident .. $end:ident) => {
        $(#[$doc])*
        pub fn $name() -> Range<u64> {
            unsafe extern "C" {
                static $start: u8;
                static $end: u8;
            }
            (&raw const $start) as u64..(&raw const $end) as u64
        }
    };
}

part!(
    /// All code, the header first.
    text = __text_start..__text_end
);
part!(
    /// The page of code that EL0 may execute (and EL1 may not).
    user_text = __user_text_start..__user_text_end
);
part!(
    /// Relocations and constants without addresses.
    rodata = __rodata_start..__rodata_end
);
part!(
    /// Constants that hold addresses: written by the boot code, read-only from then on.
    relro = __relro_start..__relro_end
);
part!(
    /// The case records.
    cases = __cases_start..__cases_end
);
part!(
    /// The stacks of the CPUs other than the first, in the order of their numbers.
    secondary_stacks = __secondary_stacks_start..__secondary_stacks_end
);
part!(
    /// The page of data that EL0 may read and write.
    user_data = __user_data_start..__user_data_end
);
part!(
    /// Stays unmapped, so that a stack that overflows faults.
    stack_guard = __stack_guard..__stack_bottom
);
part!(
    /// Memory for the kernel's translation tables.
    tables = __tables_start..__tables_end
);
part!(
    /// Memory for the cases' own tables and pages, 64 KiB aligned.
    arena = __arena_start..__arena_end
);
part!(
    /// Everything.
    whole = __text_start.._end
);
