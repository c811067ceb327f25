use super::*;
use crate::sysreg::SysReg;
extern crate std;
use std::string::ToString;

#[test]
fn known_values() {
    // From the API's facts and from what hardware reports.
    assert_eq!(Esr::immediate(ExceptionClass::Hvc, 0).0, 0x5a00_0000);
    assert_eq!(Esr::immediate(ExceptionClass::Svc, 0x123).0, 0x5600_0123);
    assert_eq!(Esr::immediate(ExceptionClass::Brk, 1).0, 0xf200_0001);
    assert_eq!(Esr::wait(Wait::Interrupt).0, 0x07e0_0000);
    assert_eq!(Esr::wait(Wait::Event).0, 0x07e0_0001);
    assert_eq!(Esr::fp_access().0, 0x1fe0_0000);
    assert_eq!(Esr::unknown().0, 0x0200_0000);
    let abort = DataAbort::new(FaultStatus::Translation(2), true);
    assert_eq!(Esr::new(ExceptionClass::DataAbortSame, abort.iss()).0, 0x9600_0046);
    let str_w1 = Access {
        size_log2: 2,
        sign_extend: false,
        register: 1,
        register_64: false,
        ordered: false,
    };
    let abort = DataAbort { access: Some(str_w1), ..abort };
    assert_eq!(Esr::new(ExceptionClass::DataAbortLower, abort.iss()).0, 0x9381_0046);
}

#[test]
fn aborts_read_back() {
    for code in 0..64 {
        assert_eq!(FaultStatus::from_code(code).code(), code);
    }
    for iss in (0..1 << 25).step_by(97) {
        let (vncr_set, isv) = (0x3800, 1 << 24);
        let valid = if iss & isv != 0 { 0x1ff_ffff } else { 0x7ff } & !vncr_set;
        assert_eq!(DataAbort::from_iss(iss).iss(), iss & valid);
        assert_eq!(InstructionAbort::from_iss(iss).iss(), iss & 0x6bf);
    }
}

#[test]
fn system_accesses_read_back() {
    for register in SysReg::ALL {
        for (rt, read) in [(0, true), (31, false), (17, true)] {
            let access = SystemAccess { encoding: register.encoding(), rt, read };
            assert_eq!(Esr::system(access).system_access(), Some(access));
        }
    }
    assert_eq!(Esr::unknown().system_access(), None);
}

#[test]
fn loads_extend_as_the_syndrome_says() {
    let access = |size_log2, sign_extend, register_64| Access {
        size_log2,
        sign_extend,
        register: 0,
        register_64,
        ordered: false,
    };
    assert_eq!(access(0, false, false).extend(0x1_80), 0x80);
    assert_eq!(access(0, true, false).extend(0x80), 0xffff_ff80);
    assert_eq!(access(1, true, true).extend(0x8000), 0xffff_ffff_ffff_8000);
    assert_eq!(access(2, true, true).extend(0x7fff_ffff), 0x7fff_ffff);
    assert_eq!(access(3, false, true).extend(u64::MAX), u64::MAX);
}

#[test]
fn people_can_read_it() {
    let text = |esr: u64| Esr(esr).to_string();
    assert_eq!(text(0x5a00_0000), "0x5a000000 HVC #0x0");
    assert_eq!(
        text(0x9600_0046),
        "0x96000046 data abort from the same EL: translation fault at level 2, write"
    );
    assert_eq!(
        text(0x9381_0046),
        "0x93810046 data abort from a lower EL: translation fault at level 2, write, 4 bytes, w1"
    );
    assert_eq!(
        text(0x8600_000f),
        "0x8600000f instruction abort from the same EL: permission fault at level 3"
    );
    let access = SystemAccess { encoding: SysReg::PMCR_EL0.encoding(), rt: 3, read: true };
    assert!(Esr::system(access).to_string().ends_with("instruction: mrs x3, PMCR_EL0"));
    let access = SystemAccess { encoding: Encoding::new(3, 1, 15, 2, 0), rt: 31, read: false };
    assert!(Esr::system(access).to_string().ends_with("instruction: msr S3_1_C15_C2_0, xzr"));
    assert_eq!(text(0xfc00_0001), "0xfc000001 EC 0x3f, ISS 0x1");
}
