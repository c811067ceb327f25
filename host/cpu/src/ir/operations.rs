//! The operations, as a table: for each method of [`Emit`] that does something its row here.
//!
//! Whatever must know them all is made from this table, so that an operation is added in two
//! places: in the trait, and in the half of the table to which it belongs. Until it is here, the
//! recorder does not compile.
//!
//! * `computed`: [`Definitions`] says what comes out. Functions of their operands and of the
//!   flags, the register file as bits, and the decision of a conditional branch.
//! * `machine`: what reaches beyond that, and is asked of the machine that the block runs on.
//!
//! A row: the variant of [`Op`], the method, what it takes, what it leaves, and `stops` if it may
//! stop. The names of operands are those that a listing shows (`print.rs`). Not in the table are
//! `imm`, `pc` and `q_imm`, which are operands and no operations, and `vector`, whose operands
//! are a list: each client of the table writes its own line for it.
//!
//! [`Emit`]: crate::emit::Emit
//! [`Op`]: super::Op
//! [`Definitions`]: super::Definitions

/// Hands the table to the macro `$client`.
macro_rules! operations {
    ($client:ident) => {
        $client! {
            computed {
                /// Xn or Wn; 31 is the zero register.
                Reg reg(size: Size, x: u32) -> V;
                /// Writes Xn or Wn, zero-extended; 31 is the zero register.
                SetReg set_reg(size: Size, x: u32, value: V) -> ();
                /// Xn or Wn; 31 is SP.
                RegSp reg_sp(size: Size, xsp: u32) -> V;
                /// Writes Xn or Wn, zero-extended; 31 is SP.
                SetRegSp set_reg_sp(size: Size, xsp: u32, value: V) -> ();

                /// Sum.
                Add add(size: Size, a: V, b: V) -> V;
                /// Difference.
                Sub sub(size: Size, a: V, b: V) -> V;
                /// Bitwise and.
                And and(a: V, b: V) -> V;
                /// Bitwise or.
                Or or(a: V, b: V) -> V;
                /// Bitwise exclusive or.
                Xor xor(a: V, b: V) -> V;
                /// Bitwise not.
                Not not(size: Size, a: V) -> V;
                /// Shift left, by an amount modulo the size.
                Lsl lsl(size: Size, a: V, by: V) -> V;
                /// Shift right, by an amount modulo the size.
                Lsr lsr(size: Size, a: V, by: V) -> V;
                /// Arithmetic shift right, by an amount modulo the size.
                Asr asr(size: Size, a: V, by: V) -> V;
                /// Rotate right, by an amount modulo the size.
                Ror ror(size: Size, a: V, by: V) -> V;
                /// The low bits, sign-extended to the size.
                SignExtend sign_extend(size: Size, a: V, bits: u32) -> V;
                /// The low bits, zero-extended.
                ZeroExtend zero_extend(a: V, bits: u32) -> V;
                /// Product, low half.
                Mul mul(size: Size, a: V, b: V) -> V;
                /// High half of the 128-bit product.
                MulHigh mul_high(signed: bool, a: V, b: V) -> V;
                /// Quotient: x/0 = 0, MIN/-1 = MIN.
                Div div(size: Size, signed: bool, a: V, b: V) -> V;
                /// Leading zeros.
                Clz clz(size: Size, a: V) -> V;
                /// Bits in reverse order.
                ReverseBits reverse_bits(size: Size, a: V) -> V;
                /// Bytes in reverse order inside each container.
                ReverseBytes reverse_bytes(size: Size, bytes: u32, a: V) -> V;
                /// CRC-32 or CRC-32C.
                Crc32 crc32(castagnoli: bool, bytes: u32, acc: V, data: V) -> V;
                /// A vector from two halves.
                QOf q_of(low: V, high: V) -> Q;
                /// The lower or the upper half of a vector.
                QHalf q_half(value: Q, upper: bool) -> V;

                /// Sum and carry: reads C.
                AddWithCarry add_with_carry(size: Size, a: V, b: V) -> V;
                /// If the condition holds the one, else the other: reads the flags.
                Select select(cond: u32, a: V, b: V) -> V;
                /// Sum that sets the flags.
                Adds adds(size: Size, a: V, b: V) -> V;
                /// Difference that sets the flags.
                Subs subs(size: Size, a: V, b: V) -> V;
                /// Sum and carry that sets the flags: reads C.
                Adcs adcs(size: Size, a: V, b: V) -> V;
                /// Bitwise and that sets the flags.
                Ands ands(size: Size, a: V, b: V) -> V;
                /// The flags of a comparison if the condition holds, else these.
                CompareIf compare_if(cond: u32, size: Size, negate: bool, a: V, b: V, nzcv: u32) -> ();

                /// Branch if the condition holds.
                BranchCond branch_cond(cond: u32, offset: i64) -> ();
                /// Branch if a value is zero, or is not.
                BranchZero branch_zero(size: Size, a: V, zero: bool, offset: i64) -> ();
                /// Branch if a bit is set, or is not.
                BranchBit branch_bit(a: V, bit: u32, set: bool, offset: i64) -> ();
            }
            machine {
                /// Xn, or SP after the check of its alignment.
                Base base(xsp: u32) -> V stops;
                /// N, Z, C and V in bits 31:28.
                Nzcv nzcv() -> V;
                /// Sets N, Z, C and V to bits 31:28.
                SetNzcv set_nzcv(value: V) -> ();

                /// The trap of FP and SIMD by CPACR_EL1.
                FpEnabled fp_enabled() -> () stops;
                /// UNDEFINED unless the model has the feature.
                Requires requires(feature: Feature) -> () stops;
                /// The whole of Vn.
                Vn v(vn: u32) -> Q;
                /// Writes the whole of Vn.
                SetVn set_v(vn: u32, value: Q) -> ();
                /// Pointer authentication.
                PointerCode pointer(what: Pointer, value: V, modifier: V) -> V;

                /// Go there.
                Branch branch(target: V) -> ();
                /// Go there; the target came out of a register.
                BranchIndirect branch_indirect(target: V, how: Indirect) -> ();
                /// An exception, a wait or an exception return.
                System call(call: Call) -> () stops;

                /// Loads, zero-extended.
                Load load(access: Access, addr: V) -> V stops;
                /// Stores the low bytes.
                Store store(access: Access, addr: V, value: V) -> () stops;
                /// Loads two values side by side.
                LoadPair load_pair(access: Access, addr: V) -> (V, V) stops;
                /// Stores two values side by side.
                StorePair store_pair(access: Access, addr: V, values: (V, V)) -> () stops;
                /// Loads up to 16 bytes, zero-extended.
                LoadQ load_q(access: Access, addr: V) -> Q stops;
                /// Stores up to 16 low bytes.
                StoreQ store_q(access: Access, addr: V, value: Q) -> () stops;
                /// Loads and marks for exclusive access.
                LoadExclusive load_exclusive(access: Access, pair: bool, addr: V) -> (V, V) stops;
                /// Stores if the mark is still there: the status.
                StoreExclusive store_exclusive(access: Access, pair: bool, addr: V, values: (V, V)) -> V stops;
                /// Forgets the mark.
                ClearExclusive clear_exclusive() -> ();
                /// Reads, computes and writes as one: what was there.
                AtomicUpdate atomic(operation: Atomic, access: Access, addr: V, value: V) -> V stops;
                /// Compares and writes as one: what was there.
                CompareAndSwap compare_and_swap(access: Access, pair: bool, addr: V, expected: (V, V), new: (V, V)) -> (V, V) stops;

                /// Reads a system register.
                Mrs mrs(encoding: Encoding, rt: u32) -> V stops;
                /// Writes a system register.
                Msr msr(encoding: Encoding, rt: u32, value: V) -> () stops;
                /// Writes a field of PSTATE.
                MsrImm msr_imm(field: PstateField, imm: u32) -> () stops;
                /// Cache, TLB and address translation operations.
                Sys sys(encoding: Encoding, rt: u32, value: V) -> () stops;
                /// Orders memory or instructions.
                Order barrier(barrier: Barrier) -> ();
                /// SEV or SEVL.
                SendEvent send_event(local: bool) -> ();
            }
        }
    };
}
pub(super) use operations;
