//! What the TLB may keep and what it must forget.
//!
//! The TLB is allowed to forget at any time, so the cases never check that an old translation is
//! still used; they check that it is not used where the manual forbids it. The PE's own TLB does
//! this in hardware, with the VMID in each entry so that a guest's TLBI forgets only what is the
//! guest's. An emulator's TLB, and a hypervisor's shadow tables, are caches of the same kind and
//! owe the guest the same.
//!
//! ```text
//!   store --> DSB ISHST --> TLBI --> DSB ISH --> ISB
//!             walks see it           done for all  done here
//! ```

use core::arch::asm;

use anyvisor_abi::case::Needs;
use anyvisor_arch::descriptor::{AF, AP_READ_ONLY, Granule, NG, PXN, UXN};
use anyvisor_arch::esr::FaultStatus;
use anyvisor_arch::tcr;

use crate::access::{El, data_abort, load, store};
use crate::mmu::table::{invalidate, page};
use crate::mmu::window::Window;
use crate::mmu::{DATA, NORMAL};
use crate::{case, check_eq};

const VA: u64 = 0x7000;

/// A window, and two pages that hold 1 and 2, the first of them mapped at `VA`.
fn two_pages(attributes: u64) -> (Window, u64, [u64; 2]) {
    let mut window = Window::open(Granule::K4, 39);
    let pages = [1, 2].map(|value| {
        let pa = window.tables.take(Granule::K4.size());
        store(El::El1, pa, value).value();
        pa
    });
    let va = window.base() + VA;
    window.tables.map(va, pages[0], 3, attributes);
    (window, va, pages)
}

case! {
    /// An entry that gives a translation, address size or access flag fault is never held in a TLB.
    /// So a descriptor that goes from invalid to valid, or from AF = 0 to AF = 1, needs a barrier
    /// and no TLBI. Operating systems depend on it: each page that is filled in on demand would
    /// else cost an invalidation on all CPUs.
    ///
    /// The case faults on a missing page, maps it with AF = 0, wants the access flag fault, sets
    /// AF, and wants the word, without a TLBI in between.
    ///
    /// ```text
    ///   0 --> fault     AF=0 --> fault     AF=1 --> data
    ///      no TLBI           no TLBI
    /// ```
    ///
    /// An emulator that remembers "this page faults" to be quick about repeated faults breaks it,
    /// and so does a hypervisor with shadow tables that does not look at the guest's descriptor
    /// again on each fault. Linux then takes the same page fault for ever: one process at 100 % in
    /// the kernel, and nothing in the log.
    "mmu.faults_not_cached": "invalid to valid, and AF 0 to 1, need no TLBI";
    reference: "DDI 0487: TLB maintenance requirements; entries that fault are not cached";
    needs: Needs::NONE;
    fn faults_not_cached() {
        let (mut window, va, pages) = two_pages(DATA);
        let next = va + Granule::K4.size();
        load(El::El1, next).fault();
        window.tables.map(next, pages[1], 3, DATA & !AF);
        let status = FaultStatus::AccessFlag(3);
        let wanted = data_abort(El::El1, status, false);
        check_eq!(load(El::El1, next).fault().esr.0, wanted, "ESR_EL1 with AF = 0");
        window.tables.map(next, pages[1], 3, DATA);
        check_eq!(load(El::El1, next).value(), 2, "the word behind the new page");
    }
}

case! {
    /// After TLBI and DSB no access uses the old translation: not for reading, not for writing, not
    /// at all. The store to the descriptor comes first and is made visible to walks by a DSB; TLBI;
    /// a DSB waits until it is complete; ISB makes this CPU's next instruction see it.
    ///
    /// The case changes one page three times: to another page, to read-only, to nothing. After each
    /// it tries at once: the new word, a permission fault for a store, a translation fault.
    ///
    /// ```text
    ///   VA --> page 1     TLBI     VA --> page 2     TLBI     VA --> r--  ...
    /// ```
    ///
    /// The step to read-only is the one that is forgotten: it leaves the address as it was and
    /// takes only a right away. An emulator whose fast path for stores has its own cache must drop
    /// that too. If it does not, copy-on-write fails after `fork`: parent and child write into the
    /// same page, which shows as corrupted heaps and not as a fault.
    "mmu.tlbi": "after TLBI, DSB, ISB: a new page, a read-only page, no page; at once";
    reference: "DDI 0487: TLBI VAAE1; ordering and completion of TLB maintenance instructions";
    needs: Needs::NONE;
    fn tlbi() {
        let (mut window, va, pages) = two_pages(DATA);
        check_eq!(load(El::El1, va).value(), 1, "the word behind the old page");
        store(El::El1, va + 8, 5).value();
        window.tables.set(va, 3, 0);
        invalidate(va);
        window.tables.map(va, pages[1], 3, DATA);
        check_eq!(load(El::El1, va).value(), 2, "the word behind the new page");
        window.tables.map(va, pages[1], 3, NORMAL | AF | AP_READ_ONLY | PXN | UXN);
        invalidate(va);
        let wanted = data_abort(El::El1, FaultStatus::Permission(3), true);
        check_eq!(store(El::El1, va, 7).fault().esr.0, wanted, "ESR_EL1 of a store to read-only");
        window.tables.set(va, 3, 0);
        invalidate(va);
        let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
        check_eq!(load(El::El1, va).fault().esr.0, wanted, "ESR_EL1 of a load from nothing");
    }
}

/// One form of TLBI: its name, the instruction with the barriers around it, and how its operand
/// is made of address and ASID.
struct Form {
    name: &'static str,
    run: fn(operand: u64),
    operand: fn(va: u64, asid: u64) -> u64,
}

macro_rules! form {
    ($name:literal) => {
        Form {
            name: $name,
            // SAFETY: what is forgotten is read again from the tables.
            run: |_| unsafe {
                asm!("dsb ishst", concat!("tlbi ", $name), "dsb ish", "isb", options(nostack));
            },
            operand: |_, _| 0,
        }
    };
    ($name:literal, $operand:expr) => {
        Form {
            name: $name,
            // SAFETY: as above.
            run: |operand| unsafe {
                asm!("dsb ishst", concat!("tlbi ", $name, ", {}"), "dsb ish", "isb",
                    in(reg) operand, options(nostack));
            },
            operand: $operand,
        }
    };
}

fn by_asid(_va: u64, asid: u64) -> u64 {
    asid << 48
}

fn by_address(va: u64, asid: u64) -> u64 {
    page(va) | asid << 48
}

fn by_address_of_all(va: u64, _asid: u64) -> u64 {
    page(va)
}

static FORMS: [Form; 12] = [
    form!("vmalle1"),
    form!("vmalle1is"),
    form!("aside1", by_asid),
    form!("aside1is", by_asid),
    form!("vae1", by_address),
    form!("vae1is", by_address),
    form!("vale1", by_address),
    form!("vale1is", by_address),
    form!("vaae1", by_address_of_all),
    form!("vaae1is", by_address_of_all),
    form!("vaale1", by_address_of_all),
    form!("vaale1is", by_address_of_all),
];

case! {
    /// TLBI has many forms: everything (VMALLE1), an ASID (ASIDE1), an address in an ASID (VAE1),
    /// the same for last-level entries only (VALE1), an address in all ASIDs (VAAE1, VAALE1), and
    /// each of them broadcast to the Inner Shareable domain (IS). The operand packs VA bits 55:12
    /// into bits 43:0 and the ASID into 63:48.
    ///
    /// The case maps a non-global page in ASID 3, loads through it, clears its descriptor and
    /// invalidates it by one form: all twelve in turn. Each must leave a translation fault of
    /// level 3.
    ///
    /// ```text
    ///   63:48   47:44   43:0
    ///   ASID    TTL     VA[55:12]
    /// ```
    ///
    /// A hypervisor lets them run (HCR_EL2.TTLB = 0; FB = 1 makes the local forms broadcast, so
    /// that a vCPU may move between cores). One that traps and emulates them decodes all twelve.
    /// What it usually gets wrong is the operand: not shifted by 12, or sign-extended wrongly for
    /// the upper half, so that it forgets a page that nobody asked about.
    "mmu.tlbi_forms": "VAE1, VAAE1, VALE1, VAALE1, ASIDE1, VMALLE1 and their IS forms all work";
    reference: "DDI 0487: TLBI VAE1, VAAE1, VALE1, VAALE1, ASIDE1, VMALLE1, and IS";
    needs: Needs::NONE;
    fn tlbi_forms() {
        const ASID: u64 = 3;
        for form in &FORMS {
            let (mut window, va, _) = two_pages(DATA | NG);
            window.control(0, tcr::A1); // the ASID is TTBR1's
            window.switch(window.tables.root(), ASID);
            check_eq!(load(El::El1, va).value(), 1, "the word before {}", form.name);
            window.tables.set(va, 3, 0);
            (form.run)((form.operand)(va, ASID));
            let wanted = data_abort(El::El1, FaultStatus::Translation(3), false);
            check_eq!(load(El::El1, va).fault().esr.0, wanted, "ESR_EL1 after {}", form.name);
        }
    }
}

case! {
    /// To change a block into pages, software must break (write an invalid descriptor), invalidate,
    /// and only then make the new ones. Without the break a TLB could hold the block and a page for
    /// one address, and the manual allows strange outcomes, up to a TLB conflict abort.
    ///
    /// The case reads through a 2 MiB block, breaks it, and wants the translation fault of level 2
    /// while it is broken. Then it maps one page of another memory, read-only, at the same address,
    /// and wants that page's word, a permission fault of level 3 for a store, and a fault on the
    /// next page.
    ///
    /// ```text
    ///   L2: block --> L2: 0 --> TLBI, DSB --> L2: table --> L3: one page
    /// ```
    ///
    /// The level in the fault changes from 2 to 3 with it. Caches that hold large entries apart
    /// from small ones and search the large first fail here if TLBI clears only one kind. Linux
    /// splits its huge pages this way, and hypervisors do the same at stage 2 for dirty logging.
    "mmu.break_before_make": "a 2 MiB block is broken into pages of other permissions and places";
    reference: "DDI 0487: using break-before-make when updating translation table entries";
    needs: Needs::NONE;
    fn break_before_make() {
        let (mut window, _, pages) = two_pages(DATA);
        let va = window.block(1 << 32, pages[0], 2, DATA);
        check_eq!(load(El::El1, va).value(), 1, "the word by the block");
        window.tables.set(va, 2, 0);
        invalidate(va);
        let wanted = data_abort(El::El1, FaultStatus::Translation(2), false);
        check_eq!(load(El::El1, va).fault().esr.0, wanted, "ESR_EL1 while broken");
        window.tables.map(va, pages[1], 3, NORMAL | AF | AP_READ_ONLY | PXN | UXN);
        check_eq!(load(El::El1, va).value(), 2, "the word by the page");
        let wanted = data_abort(El::El1, FaultStatus::Permission(3), true);
        check_eq!(store(El::El1, va, 0).fault().esr.0, wanted, "ESR_EL1 of a store to the page");
        load(El::El1, va + Granule::K4.size()).fault();
    }
}

case! {
    /// TLBI by address invalidates the entries that translate that address. If the entry is a
    /// block, all of the block goes: afterwards no other address in it may use the old translation
    /// either.
    ///
    /// The case loads at five places of a 2 MiB block, so that an implementation that caches it in
    /// small pieces has several, removes the block, invalidates one of the five addresses, and
    /// wants a fault of level 2 at all five.
    ///
    /// ```text
    ///   2 MiB block   |x....x.....x.........x..x............|
    ///   TLBI of one                ^
    ///   must fault     x    x     x         x  x
    /// ```
    ///
    /// Emulators and shadow tables break large mappings into pages of their own, often because
    /// stage 2 or the host's granule is smaller. They must remember that the pieces came from one
    /// block. One that drops only the named page leaves the others reachable: Linux frees a huge
    /// page with a single TLBI, gives its memory to another process, and the first can still write
    /// to it.
    "mmu.tlbi_block": "TLBI of one address in a 2 MiB block forgets all of the block";
    reference: "DDI 0487: TLBI VAAE1, entries that translate the specified address";
    needs: Needs::NONE;
    fn tlbi_block() {
        let (mut window, _, pages) = two_pages(DATA);
        let va = window.block(1 << 32, pages[0], 2, DATA);
        let others = [0, 0x1000, 0x5000, 0x2_0008, 0x8_0010].map(|offset| va + offset);
        for other in others {
            load(El::El1, other).value();
        }
        window.tables.set(va, 2, 0);
        invalidate(others[2]);
        let wanted = data_abort(El::El1, FaultStatus::Translation(2), false);
        for other in others {
            check_eq!(load(El::El1, other).fault().esr.0, wanted, "ESR_EL1 at {:#x}", other);
        }
    }
}

case! {
    /// A non-global entry (nG = 1) belongs to the ASID under which it was made. Two address spaces
    /// may map other pages at one address, and to switch between them is a write of TTBR with
    /// another ASID and no TLBI. TCR_EL1.A1 says which TTBR's ASID counts.
    ///
    /// The case gives two sets of tables, of ASID 1 and 2, other pages at the same address, and
    /// switches back and forth three times. Each must read its own word every time.
    ///
    /// ```text
    ///   TTBR1 = tables 1, ASID 1     VA --> 1
    ///   TTBR1 = tables 2, ASID 2     VA --> 2     no TLBI between
    /// ```
    ///
    /// The TLB is looked up by VMID, ASID and address. An emulator that leaves the ASID out must
    /// flush at every write of TTBR, or processes see one another's memory. A hypervisor that runs
    /// two guests under one VMID has the same between guests. If A1 is ignored, all entries are
    /// tagged with the ASID in TTBR0 and the second address space reads the first one's page.
    "mmu.asid": "two ASIDs, two tables, one address: each sees its own page without TLBI";
    reference: "DDI 0487: TTBR1_EL1.ASID, TCR_EL1.A1; the nG bit";
    needs: Needs::NONE;
    fn asid() {
        let (mut window, va, pages) = two_pages(DATA | NG);
        window.control(0, tcr::A1);
        let first = window.tables.root();
        let second = window.tables.new_root();
        window.tables.map(va, pages[1], 3, DATA | NG);
        for round in 0..3 {
            window.switch(first, 1);
            check_eq!(load(El::El1, va).value(), 1, "ASID 1's word, round {}", round);
            window.switch(second, 2);
            check_eq!(load(El::El1, va).value(), 2, "ASID 2's word, round {}", round);
        }
    }
}

case! {
    /// TLBI ASIDE1 takes its ASID from its operand, bits 63:48, and not from the current TTBR. An
    /// operating system that takes a page from a process that is not running uses just that.
    ///
    /// The case reads as ASID 1, clears that page's descriptor, switches to ASID 2 and reads there,
    /// and then invalidates ASID 1 while 2 is current. Back in ASID 1 the page must be gone, and
    /// ASID 2 must still have its own. (Whether other ASIDs' entries survive cannot be seen: the
    /// TLB may forget.)
    ///
    /// ```text
    ///   ASID 1: VA --> page 1        cleared
    ///   ASID 2: VA --> page 2        current:  tlbi aside1, 1 << 48
    ///   ASID 1: VA --> fault
    /// ```
    ///
    /// Implementations that keep one TLB for the current ASID and flush it on a switch pass by
    /// luck; those that park the old entries to be quick at the next switch must search the parked
    /// ones too. If they do not, memory that was taken from a process comes back to it at its next
    /// time slice.
    "mmu.tlbi_other_asid": "TLBI ASIDE1 of an ASID that is not the current one";
    reference: "DDI 0487: TLBI ASIDE1";
    needs: Needs::NONE;
    fn tlbi_other_asid() {
        let (mut window, va, pages) = two_pages(DATA | NG);
        window.control(0, tcr::A1);
        let first = window.tables.root();
        window.switch(first, 1);
        check_eq!(load(El::El1, va).value(), 1, "ASID 1's word");
        window.tables.set(va, 3, 0);
        let second = window.tables.new_root();
        window.tables.map(va, pages[1], 3, DATA | NG);
        window.switch(second, 2);
        check_eq!(load(El::El1, va).value(), 2, "ASID 2's word");
        // SAFETY: what is forgotten is read again from the tables.
        unsafe {
            asm!("dsb ishst", "tlbi aside1, {}", "dsb ish", "isb", in(reg) 1_u64 << 48,
                options(nostack));
        }
        window.switch(first, 1);
        load(El::El1, va).fault();
        window.switch(second, 2);
        check_eq!(load(El::El1, va).value(), 2, "ASID 2's word after ASID 1 is gone");
    }
}
