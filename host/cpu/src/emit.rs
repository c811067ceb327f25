//! The vocabulary in which instructions are written.
//!
//! A row of `a64/` says what an instruction does in terms of [`Emit`]. Its value type is opaque:
//! a row may branch on its decoded fields with Rust's `if`, but on guest data only through
//! `Emit`. So one meaning serves every client: the interpreter, whose values are `u64`, and
//! whoever records the operations instead of doing them.
//!
//! Rules for rows:
//! * Everything that can fail comes before the first register write: a fault needs no undo.
//! * Operations that set flags are named as such; a row never computes N, Z, C or V.
//! * At most one branch, as the last operation.
//! * Values are 64 bits wide. A 32-bit operation takes [`Size::W`] and leaves the upper half 0.

use anyvisor_arch::sysreg::Encoding;

/// The width of an operation: the `sf` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 32 bits.
    W,
    /// 64 bits.
    X,
}

impl Size {
    /// From the `sf` field.
    #[inline(always)]
    pub const fn sf(sf: u32) -> Self {
        if sf == 0 { Self::W } else { Self::X }
    }

    /// 32 or 64.
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        match self {
            Self::W => 32,
            Self::X => 64,
        }
    }

    /// The bits that count.
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        match self {
            Self::W => 0xffff_ffff,
            Self::X => u64::MAX,
        }
    }
}

/// What an instruction wants of memory, beyond the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// 1, 2, 4 or 8 bytes (16 for a pair of 8 accessed as one).
    pub bytes: u32,
    /// Load-acquire or store-release.
    pub ordered: bool,
    /// LDTR, STTR: as EL0 would.
    pub unprivileged: bool,
    /// Bits 24:14 of the ISS of a data abort that goes to the hypervisor (ISV, SAS, SSE, SRT,
    /// SF, AR); 0 where the manual gives no valid syndrome.
    pub iss: u32,
}

impl Access {
    /// An access whose syndrome the manual leaves invalid: pairs, exclusives, write-back.
    pub const fn opaque(bytes: u32) -> Self {
        Self { bytes, ordered: false, unprivileged: false, iss: 0 }
    }

    /// An access of one general register without write-back: ESR_ELx.ISS has ISV set
    /// (DDI 0487, ISS encoding for an exception from a Data Abort).
    pub const fn single(bytes: u32, rt: u32, sign_extend: bool, sf: Size) -> Self {
        let sf = matches!(sf, Size::X) as u32;
        let sas = bytes.trailing_zeros();
        let iss = 1 << 24 | sas << 22 | (sign_extend as u32) << 21 | rt << 16 | sf << 15;
        Self { bytes, ordered: false, unprivileged: false, iss }
    }

    /// The same with acquire or release semantics: ISS.AR is set where the syndrome is valid.
    pub const fn ordered(self) -> Self {
        let ar = if self.iss != 0 { 1 << 14 } else { 0 };
        Self { ordered: true, iss: self.iss | ar, ..self }
    }

    /// The same as EL0 would do it.
    pub const fn unprivileged(self) -> Self {
        Self { unprivileged: true, ..self }
    }
}

/// Barriers (DDI 0487 C3.2.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// DMB with its domain and types.
    Dmb(u32),
    /// DSB with its domain and types.
    Dsb(u32),
    /// Instruction synchronization.
    Isb,
}

/// What MSR (immediate) writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PstateField {
    /// SPSel.
    SpSel,
    /// DAIFSet.
    DaifSet,
    /// DAIFClr.
    DaifClr,
    /// PAN.
    Pan,
}

/// Instructions whose whole effect is an exception or a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Supervisor call.
    Svc(u32),
    /// Hypervisor call.
    Hvc(u32),
    /// Secure monitor call.
    Smc(u32),
    /// Breakpoint.
    Brk(u32),
    /// Wait for interrupt.
    Wfi,
    /// Wait for event.
    Wfe,
    /// Exception return.
    Eret,
    /// An encoding that is not allocated, or reserved in this form.
    Undefined,
    /// An FP or SIMD encoding: trapped by CPACR_EL1 or else UNDEFINED as long as the CPU has none.
    SimdFp,
}

/// What a row says. See the module's head.
pub trait Emit: Sized {
    /// A 64-bit value.
    type V: Copy;
    /// Why an instruction did not complete.
    type Stop;

    // --- constants and registers ---

    /// A constant.
    fn imm(&mut self, value: u64) -> Self::V;
    /// The address of this instruction.
    fn pc(&mut self) -> Self::V;
    /// Xn or Wn; 31 is the zero register.
    fn reg(&mut self, size: Size, n: u32) -> Self::V;
    /// Writes Xn or Wn (zero-extended); 31 is the zero register.
    fn set_reg(&mut self, size: Size, n: u32, value: Self::V);
    /// Xn or Wn; 31 is SP.
    fn reg_sp(&mut self, size: Size, n: u32) -> Self::V;
    /// Writes Xn or Wn (zero-extended); 31 is SP.
    fn set_reg_sp(&mut self, size: Size, n: u32, value: Self::V);
    /// The base of an address: Xn, or SP after the check of its alignment (SCTLR_EL1.SA, SA0).
    fn base(&mut self, n: u32) -> Result<Self::V, Self::Stop>;

    // --- arithmetic without flags ---

    /// Sum.
    fn add(&mut self, size: Size, a: Self::V, b: Self::V) -> Self::V;
    /// Difference.
    fn sub(&mut self, size: Size, a: Self::V, b: Self::V) -> Self::V;
    /// Sum and carry (ADC).
    fn add_with_carry(&mut self, size: Size, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise and.
    fn and(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise or.
    fn or(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise exclusive or.
    fn xor(&mut self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise not.
    fn not(&mut self, size: Size, a: Self::V) -> Self::V;
    /// Shift left; the amount is taken modulo the size.
    fn lsl(&mut self, size: Size, a: Self::V, by: Self::V) -> Self::V;
    /// Shift right; the amount is taken modulo the size.
    fn lsr(&mut self, size: Size, a: Self::V, by: Self::V) -> Self::V;
    /// Arithmetic shift right; the amount is taken modulo the size.
    fn asr(&mut self, size: Size, a: Self::V, by: Self::V) -> Self::V;
    /// Rotate right; the amount is taken modulo the size.
    fn ror(&mut self, size: Size, a: Self::V, by: Self::V) -> Self::V;
    /// The low `bits` bits, sign-extended to `size`.
    fn sign_extend(&mut self, size: Size, a: Self::V, bits: u32) -> Self::V;
    /// The low `bits` bits, zero-extended.
    fn zero_extend(&mut self, a: Self::V, bits: u32) -> Self::V;
    /// Product, low half.
    fn mul(&mut self, size: Size, a: Self::V, b: Self::V) -> Self::V;
    /// High half of the 128-bit product.
    fn mul_high(&mut self, signed: bool, a: Self::V, b: Self::V) -> Self::V;
    /// Quotient as UDIV and SDIV define it: x/0 = 0, MIN/-1 = MIN.
    fn div(&mut self, size: Size, signed: bool, a: Self::V, b: Self::V) -> Self::V;
    /// Leading zeros.
    fn clz(&mut self, size: Size, a: Self::V) -> Self::V;
    /// Bits in reverse order.
    fn reverse_bits(&mut self, size: Size, a: Self::V) -> Self::V;
    /// Bytes in reverse order inside each container of `bytes` bytes.
    fn reverse_bytes(&mut self, size: Size, bytes: u32, a: Self::V) -> Self::V;
    /// CRC-32 (or CRC-32C) of `bytes` bytes of `data` into `acc`.
    fn crc32(&mut self, castagnoli: bool, bytes: u32, acc: Self::V, data: Self::V) -> Self::V;

    // --- flags ---

    /// Sum that sets N, Z, C, V.
    fn adds(&mut self, size: Size, a: Self::V, b: Self::V) -> Self::V;
    /// Difference that sets N, Z, C, V.
    fn subs(&mut self, size: Size, a: Self::V, b: Self::V) -> Self::V;
    /// Sum and carry that sets N, Z, C, V.
    fn adcs(&mut self, size: Size, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise and that sets N, Z and clears C, V.
    fn ands(&mut self, size: Size, a: Self::V, b: Self::V) -> Self::V;
    /// If `cond`, the flags of a - b (or of a + b if `negate`), else `nzcv`.
    fn compare_if(
        &mut self,
        cond: u32,
        size: Size,
        negate: bool,
        a: Self::V,
        b: Self::V,
        nzcv: u32,
    );
    /// `a` if the condition holds, else `b`.
    fn select(&mut self, cond: u32, a: Self::V, b: Self::V) -> Self::V;

    // --- control flow: the last operation of a row ---

    /// Go to `target`.
    fn branch(&mut self, target: Self::V);
    /// Go to this instruction + `offset` if the condition holds.
    fn branch_cond(&mut self, cond: u32, offset: i64);
    /// Go to this instruction + `offset` if `a` is zero (or is not).
    fn branch_zero(&mut self, size: Size, a: Self::V, zero: bool, offset: i64);
    /// Go to this instruction + `offset` if bit `bit` of `a` is `set`.
    fn branch_bit(&mut self, a: Self::V, bit: u32, set: bool, offset: i64);
    /// An exception, a wait or an exception return.
    fn call(&mut self, call: Call) -> Result<(), Self::Stop>;

    // --- memory ---

    /// Loads, zero-extended.
    fn load(&mut self, access: Access, addr: Self::V) -> Result<Self::V, Self::Stop>;
    /// Stores the low bytes.
    fn store(&mut self, access: Access, addr: Self::V, value: Self::V) -> Result<(), Self::Stop>;
    /// Loads two values that stand side by side.
    fn load_pair(
        &mut self,
        access: Access,
        addr: Self::V,
    ) -> Result<(Self::V, Self::V), Self::Stop>;
    /// Stores two values side by side.
    fn store_pair(
        &mut self,
        access: Access,
        addr: Self::V,
        values: (Self::V, Self::V),
    ) -> Result<(), Self::Stop>;
    /// Loads and marks for exclusive access; `pair` loads two side by side as one.
    fn load_exclusive(
        &mut self,
        access: Access,
        pair: bool,
        addr: Self::V,
    ) -> Result<(Self::V, Self::V), Self::Stop>;
    /// Stores if the mark is still there; the status: 0 stored, 1 not.
    fn store_exclusive(
        &mut self,
        access: Access,
        pair: bool,
        addr: Self::V,
        values: (Self::V, Self::V),
    ) -> Result<Self::V, Self::Stop>;
    /// Forgets the mark.
    fn clear_exclusive(&mut self);

    // --- system ---

    /// Reads a system register by its packed encoding into `rt` (which the syndrome needs).
    fn mrs(&mut self, encoding: Encoding, rt: u32) -> Result<Self::V, Self::Stop>;
    /// Writes a system register by its packed encoding.
    fn msr(&mut self, encoding: Encoding, rt: u32, value: Self::V) -> Result<(), Self::Stop>;
    /// Writes a field of PSTATE.
    fn msr_imm(&mut self, field: PstateField, imm: u32) -> Result<(), Self::Stop>;
    /// SYS: cache, TLB and address translation operations by their packed encoding (op0 = 1).
    fn sys(&mut self, encoding: Encoding, rt: u32, value: Self::V) -> Result<(), Self::Stop>;
    /// Orders memory or instructions.
    fn barrier(&mut self, barrier: Barrier);
    /// SEV or SEVL.
    fn send_event(&mut self, local: bool);
}
