//! ESR_ELx.EC: the classes that AArch64 raises at EL1 and EL2.

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// The exception class, by the manual's EC value.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum ExceptionClass {
            $($(#[$doc])* $name = $code,)*
        }

        impl ExceptionClass {
            /// Every class.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The class of an EC value; `Err` gives the value back.
            pub const fn from_code(code: u8) -> Result<Self, u8> {
                match code {
                    $($code => Ok(Self::$name),)*
                    _ => Err(code),
                }
            }

            /// The class in words.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

classes! {
    /// UNDEFINED, and what gives no other reason.
    Unknown = 0x00, "unknown reason (undefined instruction)";
    /// WFI or WFE.
    Wait = 0x01, "trapped WFI or WFE";
    /// FP or SIMD instruction, trapped by CPACR_EL1.FPEN and the like.
    FpAccess = 0x07, "trapped FP or SIMD access";
    /// Pointer authentication instruction, trapped by HCR_EL2.API.
    PauthTrap = 0x09, "trapped pointer authentication";
    /// Branch target exception.
    BranchTarget = 0x0d, "branch target exception";
    /// PSTATE.IL was set.
    IllegalState = 0x0e, "illegal execution state";
    /// SVC.
    Svc = 0x15, "SVC";
    /// HVC.
    Hvc = 0x16, "HVC";
    /// SMC.
    Smc = 0x17, "SMC";
    /// MSR, MRS or a system instruction.
    System = 0x18, "trapped MSR, MRS or system instruction";
    /// SVE, trapped by CPACR_EL1.ZEN and the like.
    SveAccess = 0x19, "trapped SVE access";
    /// A pointer authentication that failed (FEAT_FPAC).
    PauthFail = 0x1c, "pointer authentication failure";
    /// SME, trapped.
    SmeAccess = 0x1d, "trapped SME access";
    /// Instruction abort from a lower level.
    InstructionAbortLower = 0x20, "instruction abort from a lower EL";
    /// Instruction abort from the same level.
    InstructionAbortSame = 0x21, "instruction abort from the same EL";
    /// PC alignment fault.
    PcAlignment = 0x22, "PC alignment fault";
    /// Data abort from a lower level.
    DataAbortLower = 0x24, "data abort from a lower EL";
    /// Data abort from the same level.
    DataAbortSame = 0x25, "data abort from the same EL";
    /// SP alignment fault.
    SpAlignment = 0x26, "SP alignment fault";
    /// Trapped floating-point exception.
    FpException = 0x2c, "trapped floating-point exception";
    /// SError interrupt.
    SError = 0x2f, "SError interrupt";
    /// Breakpoint from a lower level.
    BreakpointLower = 0x30, "breakpoint from a lower EL";
    /// Breakpoint from the same level.
    BreakpointSame = 0x31, "breakpoint from the same EL";
    /// Software step from a lower level.
    StepLower = 0x32, "software step from a lower EL";
    /// Software step from the same level.
    StepSame = 0x33, "software step from the same EL";
    /// Watchpoint from a lower level.
    WatchpointLower = 0x34, "watchpoint from a lower EL";
    /// Watchpoint from the same level.
    WatchpointSame = 0x35, "watchpoint from the same EL";
    /// BRK.
    Brk = 0x3c, "BRK";
}
