//! The vocabulary in which instructions are written.
//!
//! A row of `a64/` says what an instruction does in terms of [`Emit`]. Its value type is opaque:
//! a row may branch on its decoded fields with Rust's `if`, but on guest data only through
//! `Emit`. So one meaning serves every client: the interpreter, whose values are `u64`, and
//! whoever records the operations instead of doing them ([`crate::ir`], whose table of operations
//! has a row for each method here).
//!
//! Rules for rows:
//! * Everything that can fail comes before the first register write: a fault needs no undo.
//! * Operations that set flags are named as such; a row never computes N, Z, C or V.
//! * At most one branch, as the last operation.
//! * Values are 64 bits wide. A 32-bit operation takes [`Size::W`] and leaves the upper half 0.
//! * Vectors are values of their own, 128 bits wide. What FP and SIMD instructions compute is a
//!   named [`Function`] of them; a row only says which, and of what. It asks [`Emit::fp_enabled`]
//!   before anything else.

use crate::model::Feature;
use crate::vector::{Function, Shape};
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
    /// 1, 2, 4 or 8 bytes; 16 for a vector.
    pub bytes: u32,
    /// What it must be aligned to where alignment is checked: all of it, or an element.
    pub align: u32,
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
        Self { bytes, align: bytes, ordered: false, unprivileged: false, iss: 0 }
    }

    /// The same, made of elements of `1 << size` bytes each: a pair, or a structure's part.
    pub const fn elements(self, size: u32) -> Self {
        Self { align: 1 << size, ..self }
    }

    /// An access of one general register without write-back: ESR_ELx.ISS has ISV set
    /// (DDI 0487, ISS encoding for an exception from a Data Abort).
    pub const fn single(bytes: u32, rt: u32, sign_extend: bool, sf: Size) -> Self {
        let sf = matches!(sf, Size::X) as u32;
        let sas = bytes.trailing_zeros();
        let iss = 1 << 24 | sas << 22 | (sign_extend as u32) << 21 | rt << 16 | sf << 15;
        Self { bytes, align: bytes, ordered: false, unprivileged: false, iss }
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
    /// Error synchronization.
    Esb,
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
    /// UAO.
    Uao,
    /// SSBS.
    Ssbs,
    /// DIT.
    Dit,
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
    /// Exception return to an address that is authenticated first, with SP as the modifier.
    EretAuthenticated(Key),
    /// An encoding that is not allocated, or reserved in this form.
    Undefined,
}

/// How an indirect branch came about, for branch target identification (PSTATE.BTYPE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indirect {
    /// BLR and kin.
    Call,
    /// BR and kin, through this register.
    Jump(u32),
    /// RET and kin.
    Return,
}

/// The keys of pointer authentication (DDI 0487 D8.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// APIAKey: instructions, A.
    IA,
    /// APIBKey: instructions, B.
    IB,
    /// APDAKey: data, A.
    DA,
    /// APDBKey: data, B.
    DB,
}

/// What pointer authentication does with a pointer and a modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// PAC*: adds the code. Unchanged if SCTLR_EL1.En* says no.
    Add(Key),
    /// AUT*: takes it away if it is right, and poisons the pointer if not.
    Authenticate(Key),
    /// XPACD, XPACI: takes it away.
    Strip {
        /// A data pointer.
        data: bool,
    },
    /// PACGA: the generic code of any value, in bits 63:32.
    Generic,
}

/// What an atomic operation makes of memory's value and a register's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomic {
    /// LDADD.
    Add,
    /// LDCLR.
    Clear,
    /// LDEOR.
    Xor,
    /// LDSET.
    Set,
    /// LDSMAX.
    SignedMax,
    /// LDSMIN.
    SignedMin,
    /// LDUMAX.
    UnsignedMax,
    /// LDUMIN.
    UnsignedMin,
    /// SWP.
    Swap,
}

/// What a row says. See the module's head.
pub trait Emit: Sized {
    /// A 64-bit value.
    type V: Copy;
    /// A 128-bit value.
    type Q: Copy;
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

    /// N, Z, C and V in bits 31:28, the rest 0.
    fn nzcv(&mut self) -> Self::V;
    /// Sets N, Z, C and V to bits 31:28. (FP compares and FEAT_FlagM: flags that no arithmetic of
    /// this vocabulary makes.)
    fn set_nzcv(&mut self, value: Self::V);

    // --- FP and SIMD ---

    /// The manual's `CheckFPAdvSIMDEnabled64`: the trap by CPACR_EL1.
    fn fp_enabled(&mut self) -> Result<(), Self::Stop>;
    /// UNDEFINED unless the model has `feature`.
    fn requires(&mut self, feature: Feature) -> Result<(), Self::Stop>;
    /// A constant.
    fn q_imm(&mut self, value: u128) -> Self::Q;
    /// The whole of Vn.
    fn v(&mut self, n: u32) -> Self::Q;
    /// Writes the whole of Vn.
    fn set_v(&mut self, n: u32, value: Self::Q);
    /// From two halves.
    fn q_of(&mut self, low: Self::V, high: Self::V) -> Self::Q;
    /// The lower or the upper half.
    fn q_half(&mut self, value: Self::Q, upper: bool) -> Self::V;
    /// A named function; it may read FPCR and set bits of FPSR.
    fn vector(&mut self, function: Function, shape: Shape, operands: &[Self::Q]) -> Self::Q;
    /// Loads up to 16 bytes, zero-extended.
    fn load_q(&mut self, access: Access, addr: Self::V) -> Result<Self::Q, Self::Stop>;
    /// Stores the low bytes, up to 16.
    fn store_q(&mut self, access: Access, addr: Self::V, value: Self::Q) -> Result<(), Self::Stop>;

    // --- pointer authentication ---

    /// Adds, checks or strips a pointer authentication code.
    fn pointer(&mut self, what: Pointer, value: Self::V, modifier: Self::V) -> Self::V;

    // --- control flow: the last operation of a row ---

    /// Go to `target`.
    fn branch(&mut self, target: Self::V);
    /// Go to `target`, which came out of a register.
    fn branch_indirect(&mut self, target: Self::V, how: Indirect);
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
    /// Reads, computes and writes as one: the value that was there, zero-extended.
    fn atomic(
        &mut self,
        operation: Atomic,
        access: Access,
        addr: Self::V,
        value: Self::V,
    ) -> Result<Self::V, Self::Stop>;
    /// Writes `new` if memory holds `expected`, as one: what was there, zero-extended; `pair`
    /// takes two side by side as one.
    fn compare_and_swap(
        &mut self,
        access: Access,
        pair: bool,
        addr: Self::V,
        expected: (Self::V, Self::V),
        new: (Self::V, Self::V),
    ) -> Result<(Self::V, Self::V), Self::Stop>;
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
