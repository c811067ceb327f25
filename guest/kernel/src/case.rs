//! What a case is made of: the [`case!`] macro, skipping, and the small vocabulary of checks.

use core::fmt;

use crate::recovery::{self, Outcome};

/// Registers a case: its record goes to the link section that the monitor reads, and the doc
/// comment, which is the lesson, to one that is not loaded (`anyvisor_abi::lesson`).
///
/// ```ignore
/// case! {
///     /// What the manual promises, and how this case sees that it is kept.
///     "exception.svc_el1": "SVC from EL1 takes vector 0x200 with EC 0x15 and its immediate";
///     reference: "DDI 0487: ESR_ELx, ISS encoding for SVC";
///     needs: Needs::NONE;
///     fn svc_el1() { ... }
/// }
/// ```
#[macro_export]
macro_rules! case {
    ($name:literal: $($rest:tt)*) => {
        compile_error!(concat!($name, " has no doc comment: a case is a lesson"));
    };
    (
        $(#[doc = $doc:literal])+
        $name:literal: $claim:literal;
        reference: $reference:literal;
        needs: $needs:expr;
        fn $body:ident() $block:block
    ) => {
        $(#[doc = $doc])+
        fn $body() $block

        const _: () = {
            #[used]
            #[unsafe(link_section = concat!(".cases.", $name))] // the linker sorts them by name
            static RECORD: anyvisor_abi::case::CaseRecord =
                anyvisor_abi::case::CaseRecord::new($name, $claim, $reference, $needs, $body);

            const TEXT: &str = concat!($name, "\0", $($doc, "\n",)+ "\0");
            #[used]
            #[unsafe(link_section = concat!(".lessons.", $name))]
            static LESSON: [u8; TEXT.len()] = anyvisor_abi::lesson::bytes(TEXT);
        };
    };
}

/// Ends the running case as skipped: the machine turned out to lack what it is about.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => { $crate::case::skip(format_args!($($reason)*)) };
}

/// See [`skip!`].
#[track_caller]
pub fn skip(reason: fmt::Arguments<'_>) -> ! {
    recovery::abandon(Outcome::Skipped, reason);
    panic!("skipped outside a case: {reason}")
}

/// Panics with both values in hexadecimal unless they are equal: registers and addresses do not
/// read well in decimal.
#[macro_export]
macro_rules! check_eq {
    ($seen:expr, $wanted:expr, $what:literal $(, $arguments:expr)*) => {{
        let (seen, wanted): (u64, u64) = ($seen, $wanted);
        assert!(
            seen == wanted,
            concat!($what, ": {:#x}, expected {:#x}") $(, $arguments)*, seen, wanted
        );
    }};
}

/// Reports a measurement of the running case: its name (letters, digits, `_`, `.`), a value, its
/// unit. It stands before the result on the console, as `# figure NAME VALUE UNIT`, and the reports
/// show it beside the verdict: a figure never decides over one.
#[macro_export]
macro_rules! figure {
    ($name:expr, $value:expr, $unit:literal) => {
        $crate::println!("# figure {} {} {}", $name, $value, $unit)
    };
}
