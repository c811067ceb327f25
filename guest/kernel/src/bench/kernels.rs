//! The loops of `kernels.S`, as Rust calls them. All of them follow AAPCS64; `n` is how often to
//! go round, at least once.

core::arch::global_asm!(include_str!("kernels.S"), options(raw));

// SAFETY: the signatures are those of kernels.S. The ones declared safe use caller-saved registers
// (and, for calls, their own stack frame) only.
unsafe extern "C" {
    pub safe fn bench_alu(n: u64) -> u64;
    pub safe fn bench_flags(n: u64) -> u64;
    pub safe fn bench_call(n: u64) -> u64;
    pub safe fn bench_ind(n: u64) -> u64;
    pub safe fn bench_sysreg(n: u64) -> u64;
    pub safe fn bench_cntvct(n: u64) -> u64;
    /// Writes 0 to OSDLR_EL1, whose lock stays open.
    pub safe fn bench_osdlr(n: u64) -> u64;
    /// `buffer` is 4 KiB to read and write.
    pub fn bench_ldst(n: u64, buffer: u64) -> u64;
    /// Needs HVC to be served; returns the last PSCI_VERSION.
    pub fn bench_hvc(n: u64) -> u64;
    /// Needs [`bench_vectors`](super::traps).
    pub fn bench_svc(n: u64) -> u64;
    /// Loads a word from `address`.
    pub fn bench_load(n: u64, address: u64) -> u64;
    /// Stores a word to `address`.
    pub fn bench_store(n: u64, address: u64, value: u64) -> u64;
    /// Adds 1 to the doubleword at `address`.
    pub fn bench_ldxr(n: u64, address: u64) -> u64;
    /// Reads from `n` pages of 4 KiB.
    pub fn bench_touch(n: u64, base: u64) -> u64;
    /// Forgets a page's translation and reads from it.
    pub fn bench_tlbi_va(n: u64, address: u64, page: u64) -> u64;
    /// Forgets all translations and reads from 16 pages.
    pub fn bench_tlbi_all16(n: u64, base: u64) -> u64;
    /// Switches between ASID 1 and 2 (`ttbr0` has 1) and reads from 16 pages.
    pub fn bench_asid16(n: u64, base: u64, ttbr0: u64) -> u64;
    /// Writes code through `written`, calls it through `fetched`.
    pub fn bench_selfmod(n: u64, written: u64, fetched: u64) -> u64;
}
