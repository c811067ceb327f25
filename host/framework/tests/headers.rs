//! The headers against applevisor-sys, which was written from Apple's: every constant, type and
//! function of either is in the other, with the same value, width and prototype.
//!
//! The binding's source is read as text (cargo says where it is), so that nothing of it can be
//! left out. Where the binding differs from Apple's headers, the difference is listed below, and
//! must still be there.
#![cfg(not(target_os = "macos"))]

mod binding;
mod c;

use binding::{Binding, Function};
use c::{Link, build, compiled, compiler, lines, run};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

/// How the constants of an enumeration are called in C.
const PREFIXES: &[(&str, &str)] = &[
    ("hv_error_t", ""),
    ("hv_ipa_granule_t", ""),
    ("hv_allocate_flags_t", ""),
    ("hv_feature_reg_t", "HV_FEATURE_REG_"),
    ("hv_cache_type_t", "HV_CACHE_TYPE_"),
    ("hv_exit_reason_t", "HV_EXIT_REASON_"),
    ("hv_interrupt_type_t", "HV_INTERRUPT_TYPE_"),
    ("hv_reg_t", "HV_REG_"),
    ("hv_simd_fp_reg_t", "HV_SIMD_FP_REG_"),
    ("hv_sme_z_reg_t", "HV_SME_Z_REG_"),
    ("hv_sme_p_reg_t", "HV_SME_P_REG_"),
    ("hv_sys_reg_t", "HV_SYS_REG_"),
    ("hv_gic_intid_t", "HV_GIC_INT_"),
    ("hv_gic_distributor_reg_t", "HV_GIC_DISTRIBUTOR_REG_GICD_"),
    ("hv_gic_redistributor_reg_t", "HV_GIC_REDISTRIBUTOR_REG_GICR_"),
    ("hv_gic_icc_reg_t", "HV_GIC_ICC_REG_"),
    ("hv_gic_ich_reg_t", "HV_GIC_ICH_REG_"),
    ("hv_gic_icv_reg_t", "HV_GIC_ICV_REG_"),
    ("hv_gic_msi_reg_t", "HV_GIC_REG_GICM_"),
];

/// Constants that the binding has wrong: name, its value, Apple's.
const VALUES: &[(&str, u64, u64)] = &[
    ("HV_INTERRUPT_TYPE_FIQ", 0, 1),         // hv_vcpu_types.h
    ("HV_INTERRUPT_TYPE_IRQ", 1, 0),         // hv_vcpu_types.h
    ("HV_SYS_REG_MDCR_EL2", 0xe019, 0xe089), // hv_vcpu_types.h of macOS 26; see tests/capi
];

/// Constants that only one side has. Apple's hv_kern_types.h calls 0xfae94008 HV_EXISTS.
const BINDING_ONLY: &[&str] = &["HV_FAULT", "HV_MEMORY_NONE"];
const HEADER_ONLY: &[&str] = &["HV_EXISTS", "HV_REG_FP", "HV_REG_LR"];

/// Parameters that the binding declares otherwise: function, its type, Apple's.
const PARAMETERS: &[(&str, &str, &str)] = &[
    ("hv_vm_map", "const void *", "void *"),
    ("hv_vm_deallocate", "const void *", "void *"),
    ("hv_vcpu_create", "const hv_vcpu_exit_t * *", "hv_vcpu_exit_t * *"),
    ("hv_vcpus_exit", "const hv_vcpu_t *", "hv_vcpu_t *"),
    ("hv_vcpu_get_sme_zt0_reg", "uint8_t *", "hv_sme_zt0_uchar64_t *"),
    ("hv_vcpu_set_sme_zt0_reg", "const uint8_t *", "const hv_sme_zt0_uchar64_t *"),
];

/// Functions that C declares besides: `<mach/mach_time.h>`.
const COUNTER: &[&str] = &["mach_absolute_time", "mach_timebase_info"];

/// The width of each type in bytes (OS_ENUM and typedefs of Apple's headers).
const WIDTHS: &[(&str, usize)] = &[
    ("hv_return_t", 4),
    ("hv_memory_flags_t", 8),
    ("hv_ipa_t", 8),
    ("hv_vm_config_t", size_of::<usize>()),
    ("hv_ipa_granule_t", 4),
    ("hv_allocate_flags_t", 8),
    ("hv_vcpu_t", 8),
    ("hv_vcpu_config_t", size_of::<usize>()),
    ("hv_exit_reason_t", 4),
    ("hv_exception_syndrome_t", 8),
    ("hv_exception_address_t", 8),
    ("hv_vcpu_exit_exception_t", 24),
    ("hv_vcpu_exit_t", 32),
    ("hv_reg_t", 4),
    ("hv_simd_fp_reg_t", 4),
    ("hv_simd_fp_uchar16_t", 16),
    ("hv_vcpu_sme_state_t", 2),
    ("hv_sme_z_reg_t", 4),
    ("hv_sme_p_reg_t", 4),
    ("hv_sme_zt0_uchar64_t", 64),
    ("hv_sys_reg_t", 2),
    ("hv_interrupt_type_t", 4),
    ("hv_cache_type_t", 4),
    ("hv_feature_reg_t", 4),
    ("hv_gic_config_t", size_of::<usize>()),
    ("hv_gic_state_t", size_of::<usize>()),
    ("hv_gic_intid_t", 2),
    ("hv_gic_distributor_reg_t", 2),
    ("hv_gic_redistributor_reg_t", 4),
    ("hv_gic_icc_reg_t", 2),
    ("hv_gic_ich_reg_t", 2),
    ("hv_gic_icv_reg_t", 2),
    ("hv_gic_msi_reg_t", 2),
];

/// Where the fields of structures stand.
const FIELDS: &[(&str, &str, usize)] = &[
    ("hv_vcpu_exit_t", "reason", 0),
    ("hv_vcpu_exit_t", "exception", 8),
    ("hv_vcpu_exit_exception_t", "syndrome", 0),
    ("hv_vcpu_exit_exception_t", "virtual_address", 8),
    ("hv_vcpu_exit_exception_t", "physical_address", 16),
    ("hv_vcpu_sme_state_t", "streaming_sve_mode_enabled", 0),
    ("hv_vcpu_sme_state_t", "za_storage_enabled", 1),
];

/// The binding's constants as C has them: names with their prefix, Apple's values.
fn constants(binding: &Binding) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for (enumeration, constants) in &binding.enumerations {
        let prefix = PREFIXES.iter().find(|(name, _)| name == enumeration);
        let (_, prefix) = prefix.unwrap_or_else(|| panic!("{enumeration} is new in the binding"));
        // Z0 and P0 are HV_SME_Z_REG_0 and HV_SME_P_REG_0.
        let letters = if prefix.starts_with("HV_SME_") { 1 } else { 0 };
        all.extend(constants.iter().map(|(name, n)| (format!("{prefix}{}", &name[letters..]), *n)));
    }
    all.extend(binding.constants.iter().cloned());
    for (name, wrong, right) in VALUES {
        let (_, value) = all.iter_mut().find(|(n, _)| n == name).expect(name);
        assert_eq!(value, wrong, "{name} is mended in the binding");
        *value = *right;
    }
    all
}

/// The headers after the preprocessor, and what is declared there.
fn header_text() -> String {
    let mut cc = compiler();
    cc.args(["-E", "-P"]).arg(program("headers.c", "#include <Hypervisor/Hypervisor.h>\n"));
    String::from_utf8(compiled(cc).stdout).expect("the headers are text")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn program(name: &str, text: &str) -> PathBuf {
    let path = c::fresh(name);
    std::fs::write(&path, text).expect("the target's folder can be written");
    path
}

#[test]
fn every_constant_has_apple_s_value() {
    let constants = constants(&Binding::read());
    // The largest: 1 + 1 + 7 * 32 + 255 + 64 + 988 + 1 registers of the distributor.
    assert!(constants.len() > 1534 + 150, "{} constants were read", constants.len());
    let mut text = "#include <Hypervisor/Hypervisor.h>\n".to_owned();
    for (name, value) in constants.iter().filter(|(n, _)| !BINDING_ONLY.contains(&n.as_str())) {
        // Error codes are negative numbers; the binding has their bits.
        writeln!(text, "_Static_assert((uint32_t){name} == {value:#x}, \"{name}\");").unwrap();
    }
    let mut cc = compiler();
    cc.arg("-fsyntax-only").arg(program("constants.c", &text));
    compiled(cc);
}

#[test]
fn no_constant_is_on_one_side_only() {
    let ours = header_text();
    let names: BTreeSet<&str> = words(&ours).filter(|word| word.starts_with("HV_")).collect();
    let constants = constants(&Binding::read());
    let theirs: BTreeSet<&str> = constants.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.difference(&theirs).copied().collect::<Vec<_>>(), HEADER_ONLY);
    assert_eq!(theirs.difference(&names).copied().collect::<Vec<_>>(), BINDING_ONLY);
}

#[test]
fn every_type_has_apple_s_width() {
    let ours = header_text();
    let declared: BTreeSet<&str> =
        words(&ours).filter(|w| w.starts_with("hv_") && w.ends_with("_t")).collect();
    let listed: BTreeSet<&str> = WIDTHS.iter().map(|(name, _)| *name).collect();
    assert_eq!(declared, listed);
    let mut text = "#include <Hypervisor/Hypervisor.h>\n".to_owned();
    for (name, width) in WIDTHS {
        writeln!(text, "_Static_assert(sizeof({name}) == {width}, \"{name}\");").unwrap();
    }
    for (name, field, offset) in FIELDS {
        let place = format!("offsetof({name}, {field})");
        writeln!(text, "_Static_assert({place} == {offset}, \"{name}.{field}\");").unwrap();
    }
    let mut cc = compiler();
    cc.arg("-fsyntax-only").arg(program("types.c", &text));
    compiled(cc);
}

/// The prototype of a function as C has it, as a pointer named `p`.
fn prototype(function: &Function) -> String {
    let other = PARAMETERS.iter().find(|(name, ..)| *name == function.name);
    let mut mended = 0;
    let parameters = function.parameters.iter().map(|parameter| match other {
        Some((_, theirs, apples)) if theirs == parameter => {
            mended += 1;
            (*apples).to_owned()
        }
        _ => parameter.clone(),
    });
    let parameters: Vec<_> = parameters.collect();
    assert_eq!(mended, usize::from(other.is_some()), "{} is mended", function.name);
    let parameters = if parameters.is_empty() { "void".into() } else { parameters.join(", ") };
    format!("{} (*p)({parameters})", function.result)
}

#[test]
fn every_function_is_declared_and_exported() {
    let functions = Binding::read().functions;
    assert_eq!(functions.len(), 90);
    let mut text = "#include <Hypervisor/Hypervisor.h>\n#include <mach/mach_time.h>\n\
                    #include <stdio.h>\nint main(void) {\n    int found = 0;\n"
        .to_owned();
    for function in &functions {
        let (pointer, name) = (prototype(function), &function.name);
        writeln!(text, "    {{ {pointer} = {name}; found += p != 0; }}").unwrap();
    }
    text += "    { uint64_t (*p)(void) = mach_absolute_time; found += p != 0; }\n";
    text +=
        "    { int (*p)(struct mach_timebase_info *) = mach_timebase_info; found += p != 0; }\n";
    text += "    printf(\"%d\\n\", found);\n}\n";
    let source = program("functions.c", &text);
    for link in [Link::Shared, Link::Static] {
        let expected = functions.len() + COUNTER.len();
        assert_eq!(lines(&run(&build(&source, link), &[])), [expected.to_string()], "{link:?}");
    }
}

#[test]
fn no_function_is_declared_that_apple_has_not() {
    let ours = header_text();
    let called = |word: &&str| word.starts_with("hv_") || *word == "os_release";
    let names: BTreeSet<&str> =
        words(&ours).filter(called).filter(|w| !w.ends_with("_t") && !w.ends_with("_s")).collect();
    let functions = Binding::read().functions;
    let theirs: BTreeSet<&str> = functions.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, theirs);
}
