//! C programs against the headers and both libraries: they compile, link, run and say what they
//! should.
#![cfg(not(target_os = "macos"))]

mod c;

use c::{Link, build, lines, package, run, text};
use std::path::PathBuf;

const LINKS: [Link; 2] = [Link::Shared, Link::Static];

fn example(name: &str) -> PathBuf {
    package().join("../hv/examples").join(name)
}

fn program(name: &str) -> PathBuf {
    package().join("tests").join(name)
}

#[test]
fn a_first_guest_in_c_multiplies() {
    for link in LINKS {
        let said = lines(&run(&build(&example("first_guest.c"), link), &[]));
        assert_eq!(said, ["reason 1, syndrome 0x5a000000", "x0 = 42"], "{link:?}");
    }
}

#[test]
fn a_timer_in_c_interrupts_its_guest() {
    for link in LINKS {
        let said = lines(&run(&build(&example("timer.c"), link), &[]));
        assert_eq!(said, ["interrupt 1", "interrupt 2", "interrupt 3"], "{link:?}");
    }
}

#[test]
fn a_vector_of_c_is_the_q_register() {
    for link in LINKS {
        let said = lines(&run(&build(&program("vector.c"), link), &[]));
        let expected = [
            "code 0, syndrome 0x5a000000",
            "low 0x1716151413121110 high 0x1f1e1d1c1b1a1918",
            "back same",
            "Q32 0xfae94003",
        ];
        assert_eq!(said, expected, "{link:?}");
    }
}

/// What `refused.c` is told: which argument, which value, which rule, and the code.
const MISTAKES: [&str; 9] = [
    "WARN hv_vm_map: there is no VM in this process; create one first (HV_NO_DEVICE)",
    "WARN hv_vm_create: this process has a VM already; destroy it first (HV_BUSY)",
    "WARN hv_vm_map: ipa 0x40001000 is not a multiple of 0x4000 (HV_BAD_ARGUMENT)",
    "WARN hv_vm_map: memory flags 0x10 have bits outside read, write, execute (HV_BAD_ARGUMENT)",
    "WARN hv_vm_unmap: IPA 0x40000000 is not mapped (HV_ERROR)",
    "WARN hv_vcpu_run: there is no vCPU 7 (HV_BAD_ARGUMENT)",
    "WARN hv_vcpu_set_reg: reg has no value 0x23 (HV_BAD_ARGUMENT)",
    "WARN hv_vcpu_get_reg: value is a null pointer (HV_BAD_ARGUMENT)",
    "WARN hv_vm_destroy: the VM still has 1 vCPU(s); destroy them first (HV_BUSY)",
];
/// What it asks for that is not there, which is no mistake.
const UNSUPPORTED: &str = "DEBUG hv_sme_config_get_max_svl_bytes: SME is not supported by this \
                           engine (HV_UNSUPPORTED)";

fn told(environment: &[(&str, &str)]) -> Vec<String> {
    let output = run(&build(&program("refused.c"), Link::Shared), environment);
    assert_eq!(lines(&output), ["done"]);
    text(&output.stderr)
}

fn with_prefix<'a>(notices: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    notices.into_iter().map(|notice| format!("anyvisor: {notice}")).collect()
}

#[test]
fn a_c_program_is_told_what_was_refused_if_it_asks() {
    assert_eq!(told(&[]), [""; 0]);
    for quiet in ["off", "error"] {
        assert_eq!(told(&[("ANYVISOR_LOG", quiet)]), [""; 0], "{quiet}");
    }
    for level in ["warn", "info"] {
        assert_eq!(told(&[("ANYVISOR_LOG", level)]), with_prefix(MISTAKES), "{level}");
    }
    let mut all = MISTAKES.to_vec();
    all.insert(MISTAKES.len() - 1, UNSUPPORTED);
    assert_eq!(told(&[("ANYVISOR_LOG", "DEBUG")]), with_prefix(all));
}

#[test]
fn a_level_that_does_not_exist_is_said_once() {
    let complaint = "WARN ANYVISOR_LOG is \"loud\", which is none of: off, error, warn, info, \
                     debug, trace; taken for warn";
    let expected = with_prefix([complaint].into_iter().chain(MISTAKES));
    assert_eq!(told(&[("ANYVISOR_LOG", "loud")]), expected);
}
