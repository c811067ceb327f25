//! Which pages has the guest written? Take its right to write away, and see who asks for it.
//!
//! ```text
//!   all pages read-only  --store-->  permission fault  -->  note the page, allow it to write,
//!          ^                         (the guest stands       run on: the store is done again
//!          |                          at the store)
//!          +------------- next round -------------+
//! ```
//!
//!     cargo run -p anyvisor-hv --example dirty_pages

#[cfg(not(target_os = "macos"))]
use anyvisor_hv as _; // off macOS: the hv_* functions
use applevisor::prelude::*;

const CODE: u64 = 0x4000_0000;
const DATA: u64 = 0x4010_0000;
const PAGES: u64 = 8;
/// Stores into `x2` pages from `x0` on, `x1` bytes apart.
const PROGRAM: [u32; 5] = [
    0xf900_0002, // str x2, [x0]
    0x8b01_0000, // add x0, x0, x1
    0xf100_0442, // subs x2, x2, #1
    0x54ff_ffa1, // b.ne -12
    0xd400_0002, // hvc #0
];
const DONE: u64 = 0x5a00_0000;

/// Whether a syndrome is that of a store without permission: EC 0x24 (data abort), WnR, and DFSC
/// 0b0011xx, a permission fault at whatever level.
fn is_forbidden_store(syndrome: u64) -> bool {
    syndrome >> 26 == 0x24 && syndrome & 1 << 6 != 0 && syndrome & 0b111100 == 0b001100
}

fn main() -> Result<()> {
    let size = PAGE_SIZE as u64;
    let vm = VirtualMachine::new()?;
    let mut code = vm.memory_create(PAGE_SIZE)?;
    code.map(CODE, MemPerms::ReadExec)?;
    code.write(CODE, &PROGRAM.map(u32::to_le_bytes).concat())?;
    // applevisor changes the permissions of a whole allocation: so each page is one.
    let mut pages = Vec::new();
    for n in 0..PAGES {
        let mut page = vm.memory_create(PAGE_SIZE)?;
        page.map(DATA + n * size, MemPerms::Read)?;
        pages.push(page);
    }
    let vcpu = vm.vcpu_create()?;

    // First page, step in pages, how many.
    for (first, step, count) in [(1, 3, 3), (2, 4, 2), (0, 1, PAGES)] {
        let mut dirty = Vec::new();
        vcpu.set_reg(Reg::PC, CODE)?;
        for (register, value) in
            [(Reg::X0, DATA + first * size), (Reg::X1, step * size), (Reg::X2, count)]
        {
            vcpu.set_reg(register, value)?;
        }
        loop {
            vcpu.run()?;
            let exception = vcpu.get_exit_info().exception;
            if exception.syndrome == DONE {
                break;
            }
            assert!(is_forbidden_store(exception.syndrome), "{:#x}", exception.syndrome);
            let page = (exception.physical_address - DATA) / size;
            pages[page as usize].protect(MemPerms::ReadWriteExec)?;
            dirty.push(page);
        }
        println!("written: {dirty:?}");
        for &page in &dirty {
            pages[page as usize].protect(MemPerms::Read)?;
        }
    }
    Ok(())
}
