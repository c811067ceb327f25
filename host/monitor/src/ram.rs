//! Guest RAM: one allocation, mapped once, whose parts get the permissions that the image asks
//! for; and access to it by guest-physical address.
//!
//! ```text
//! RAM_BASE        + KERNEL_OFFSET                             end - FDT_SPACE   end
//!    | rw           | text r-x | rodata r-- | data rw-  | rw ...    | FDT rw     |
//! ```
//!
//! The allocation is the framework's (`hv_vm_allocate`): pages that nobody touches cost nothing.

use crate::boards::{FdtPlace, Model, Plan};
use crate::image::Image;
use crate::seam::{self, SharedMemory};
use anyvisor_abi::map::{FDT_SPACE, RAM_BASE, STAGE2_GRANULE};
use applevisor::memory::MemPerms;
use applevisor::prelude::{GicDisabled, HypervisorError, VirtualMachineInstance};

bitflags::bitflags! {
    /// Stage-2 permissions, with the bits of `hv_memory_flags_t` (and of the services' PERM_*).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Perms: u64 {
        /// Readable.
        const READ = anyvisor_abi::service::PERM_READ;
        /// Writable.
        const WRITE = anyvisor_abi::service::PERM_WRITE;
        /// Executable.
        const EXEC = anyvisor_abi::service::PERM_EXEC;
    }
}

/// Default width of a guest-physical address: Hypervisor.framework's.
const IPA_BITS: u32 = 36;

/// Where RAM is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamRange {
    /// Its first address.
    pub base: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Whose it is.
    pub plan: &'static Plan,
}

impl RamRange {
    /// The least that makes sense: a kernel at `KERNEL_OFFSET` and the FDT.
    pub const SMALLEST: u64 = 8 << 20;
    /// What fits under the default IPA size.
    pub const LARGEST: u64 = (1 << IPA_BITS) - RAM_BASE;

    /// RAM of `size` bytes, which [`crate::size`] has checked, of the board `virt`.
    pub const fn new(size: u64) -> Self {
        Self::on(Model::Virt, size)
    }

    /// RAM of `size` bytes of a board. Where RAM starts late, there is less room for it.
    pub const fn on(board: Model, size: u64) -> Self {
        let plan = board.plan();
        let most = (1 << IPA_BITS) - plan.ram;
        Self { base: plan.ram, size: if size < most { size } else { most }, plan }
    }

    /// The address after its last.
    pub const fn end(self) -> u64 {
        self.base + self.size
    }

    /// The end of the largest RAM that a guest can be given.
    pub const fn largest_end(self) -> u64 {
        1 << IPA_BITS
    }

    /// Where a kernel is loaded that does not care.
    pub fn kernel(self) -> u64 {
        self.base + self.plan.kernel_offset
    }

    /// Where the FDT is put, with a kernel that ends at `kernel_end`.
    pub fn fdt(self, kernel_end: u64) -> u64 {
        match self.plan.fdt {
            FdtPlace::End => self.end() - FDT_SPACE,
            FdtPlace::Start => self.base,
            FdtPlace::BehindKernel => kernel_end.next_multiple_of(FDT_SPACE),
        }
    }

    /// Whether all of `[ipa, ipa + size)` is RAM.
    pub fn contains(self, ipa: u64, size: u64) -> bool {
        ipa >= self.base && ipa.checked_add(size).is_some_and(|end| end <= self.end())
    }
}

impl std::fmt::Display for RamRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}..{:#x}", self.base, self.end())
    }
}

/// The guest's RAM.
#[derive(Debug)]
pub struct Ram {
    memory: SharedMemory,
    range: RamRange,
}

impl Ram {
    /// Allocates RAM and maps it, everything allowed.
    ///
    /// Reading, writing and executing is the one set of permissions that the binding's `map` is
    /// asked for: it passes the position of a `MemPerms` in its enum to the framework instead of
    /// the flags, so `ReadWrite` (4) maps memory that can be executed and nothing else (applevisor
    /// 1.0.0). The position of `ReadWriteExec` happens to be its flags. All else is
    /// [`Ram::protect`]'s, which does not go through that enum.
    ///
    /// # Errors
    /// The framework's.
    pub fn new(
        vm: &VirtualMachineInstance<GicDisabled>,
        range: RamRange,
    ) -> Result<Self, HypervisorError> {
        let size = usize::try_from(range.size).map_err(|_| HypervisorError::NoResources)?;
        let mut memory = vm.memory_create(size)?;
        memory.map(range.base, MemPerms::ReadWriteExec)?;
        Ok(Self { memory: SharedMemory::new(memory), range })
    }

    /// Where it is.
    pub fn range(&self) -> RamRange {
        self.range
    }

    /// Copies the image into RAM. What the file does not have is zero already.
    ///
    /// # Errors
    /// The framework's; a segment outside RAM, which [`Image`] has excluded.
    pub fn load(&mut self, image: &Image<'_>) -> Result<(), HypervisorError> {
        for segment in &image.segments {
            self.write(segment.ipa, segment.data)?;
        }
        Ok(())
    }

    /// Gives each segment its own permissions, and the rest of RAM reading and writing.
    ///
    /// # Errors
    /// The framework's.
    pub fn seal(&self, image: &Image<'_>) -> Result<(), HypervisorError> {
        let rest = Perms::READ | Perms::WRITE;
        self.protect(self.range.base, self.range.size, rest)?;
        for (ipa, size, perms) in plan(image) {
            self.protect(ipa, size, perms)?;
        }
        Ok(())
    }

    /// Changes stage-2 permissions of whole granules of RAM.
    ///
    /// # Errors
    /// The framework's; `BadArgument` for what is not in RAM.
    pub fn protect(&self, ipa: u64, size: u64, perms: Perms) -> Result<(), HypervisorError> {
        if !self.range.contains(ipa, size) {
            return Err(HypervisorError::BadArgument);
        }
        seam::protect(ipa, size as usize, perms)
    }

    /// Reads a little-endian word.
    pub fn read_u32(&self, ipa: u64) -> Option<u32> {
        self.memory.read_u32(ipa)
    }

    /// Reads a little-endian doubleword.
    pub fn read_u64(&self, ipa: u64) -> Option<u64> {
        self.memory.read_u64(ipa)
    }

    /// Writes bytes at a guest-physical address.
    ///
    /// # Errors
    /// `BadArgument` if not all of it is RAM.
    pub fn write(&mut self, ipa: u64, bytes: &[u8]) -> Result<(), HypervisorError> {
        self.memory.write(ipa, bytes)
    }
}

/// What to protect for an image: ranges of whole granules, in the order of addresses. A granule
/// that two segments share gets the permissions of both.
fn plan(image: &Image<'_>) -> Vec<(u64, u64, Perms)> {
    let mut ranges: Vec<(u64, u64, Perms)> = Vec::new();
    for segment in &image.segments {
        let mut from = segment.ipa & !(STAGE2_GRANULE - 1);
        let to = (segment.ipa + segment.size).next_multiple_of(STAGE2_GRANULE);
        if let Some(last) = ranges.last_mut()
            && last.0 + last.1 > from
        {
            // Segments are sorted and do not overlap: at most one granule is shared, the last one
            // of the range before.
            let shared = (from, STAGE2_GRANULE, last.2 | segment.perms);
            last.1 -= STAGE2_GRANULE;
            if last.1 == 0 {
                ranges.pop();
            }
            ranges.push(shared);
            from += STAGE2_GRANULE;
        }
        if from < to {
            ranges.push((from, to - from, segment.perms));
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Segment;

    const R: Perms = Perms::READ;
    const RW: Perms = Perms::READ.union(Perms::WRITE);
    const RX: Perms = Perms::READ.union(Perms::EXEC);

    fn image(segments: &[(u64, u64, Perms)]) -> Image<'static> {
        let segment = |&(ipa, size, perms)| Segment { ipa, linked: 0, size, data: &[], perms };
        Image { segments: segments.iter().map(segment).collect(), entry: 0 }
    }

    #[test]
    fn segments_on_their_own_granules_keep_their_permissions() {
        let plan = plan(&image(&[
            (0x4020_0000, 0x1234, RX),
            (0x4021_0000, 0x4000, R),
            (0x4022_0000, 0x4001, RW),
        ]));
        assert_eq!(
            plan,
            [(0x4020_0000, 0x4000, RX), (0x4021_0000, 0x4000, R), (0x4022_0000, 0x8000, RW)]
        );
    }

    #[test]
    fn a_shared_granule_gets_what_either_asks_for() {
        let shared = plan(&image(&[
            (0x4008_0000, 0x9000, RX),
            (0x4008_9000, 0x800, R),
            (0x4008_a000, 0x9000, RW),
        ]));
        assert_eq!(
            shared,
            [(0x4008_0000, 0x8000, RX), (0x4008_8000, 0x4000, RX | RW), (0x4008_c000, 0x8000, RW),]
        );
    }

    #[test]
    fn what_is_in_ram_is_decided_without_overflow() {
        let ram = RamRange::new(16 << 20);
        assert!(ram.contains(ram.base, ram.size));
        assert!(!ram.contains(ram.base, ram.size + 1));
        assert!(!ram.contains(ram.base - 1, 1));
        assert!(!ram.contains(u64::MAX, 2));
    }
}
