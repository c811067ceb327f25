//! The configurations that are known: one row each.
//!
//! The rows for KVM and for a Mac are written from the programs' documentation and sources, as they
//! were public in 2025. None of them has been run; what was not found there is said at the row.

use std::path::Path;

/// A configuration.
#[derive(Debug)]
pub struct Row {
    /// Short and unique.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// On what machine it can be.
    pub host: Host,
    /// The program's names on `PATH`; none: the monitor.
    pub programs: &'static [&'static str],
    /// The environment variable that says where it is, before `PATH`. With `_MISSING` behind it:
    /// why it is not there.
    pub variable: &'static str,
    /// What makes it say its version.
    pub version: &'static [&'static str],
    /// vCPUs of its machine.
    pub vcpus: u8,
    /// Its arguments.
    pub arguments: &'static str,
    /// See [`super::Boots::config`].
    pub config: Option<&'static str>,
    /// See [`super::Boots::append`].
    pub append: &'static str,
    /// See [`super::Boots::chatter`].
    pub chatter: &'static [&'static str],
    /// See [`super::Boots::statuses`].
    pub statuses: &'static [i32],
}

/// What a machine must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Any.
    Any,
    /// Any but a Mac, where `hv_*` is Apple's.
    NoMac,
    /// Linux on arm64, with KVM.
    Kvm,
    /// A Mac with Apple silicon.
    Mac,
}

impl Host {
    /// Whether this machine is one.
    ///
    /// # Errors
    /// What it is not.
    pub fn is_here(self) -> Result<(), String> {
        let (os, machine) = (std::env::consts::OS, std::env::consts::ARCH);
        let arm = machine == "aarch64";
        let fits = match self {
            Self::Any => true,
            Self::NoMac => os != "macos",
            Self::Kvm => os == "linux" && arm,
            Self::Mac => os == "macos" && arm,
        };
        if !fits {
            let wanted = match self {
                Self::Kvm => "arm64 Linux with KVM",
                Self::Mac => "a Mac with Apple silicon",
                Self::Any | Self::NoMac => "a system that is no Mac",
            };
            return Err(format!("needs {wanted}; this is {os} on {machine}"));
        }
        if self == Self::Kvm && !Path::new("/dev/kvm").exists() {
            return Err("there is no /dev/kvm: the kernel has no KVM, or this is a guest".into());
        }
        Ok(())
    }
}

impl Row {
    /// Whether it is the monitor, which reports by itself.
    pub fn is_monitor(&self) -> bool {
        self.programs.is_empty()
    }
}

/// What most rows have.
const ROW: Row = Row {
    id: "",
    name: "",
    host: Host::Any,
    programs: &[],
    variable: "",
    version: &["--version"],
    vcpus: 4,
    arguments: "",
    config: None,
    append: "",
    chatter: &[],
    statuses: &[0],
};

const QEMU: Row = Row { programs: &["qemu-system-aarch64"], variable: "ANYVISOR_QEMU", ..ROW };

const KVM: Row = Row { host: Host::Kvm, ..ROW };

/// All of them, in the order of the table that is printed.
pub const ROWS: &[Row] = &[
    Row { id: "software", name: "Anyvisor, the software engine", host: Host::NoMac, ..ROW },
    Row { id: "hvf", name: "Anyvisor on Apple's Hypervisor.framework", host: Host::Mac, ..ROW },
    Row {
        id: "qemu-tcg-max",
        name: "QEMU, TCG: virt, GICv3, max",
        arguments: "-M virt,gic-version=3 -cpu max -smp 4 -m 256 -nographic -nic none -no-reboot \
                    -monitor none -kernel {image} -append {append}",
        ..QEMU
    },
    Row {
        id: "qemu-tcg-max-1",
        name: "QEMU, TCG: virt, GICv3, max, one CPU",
        vcpus: 1,
        arguments: "-M virt,gic-version=3 -cpu max -smp 1 -m 256 -nographic -nic none -no-reboot \
                    -monitor none -kernel {image} -append {append}",
        ..QEMU
    },
    Row {
        id: "qemu-tcg-a72",
        name: "QEMU, TCG: virt, GICv3, Cortex-A72 (Armv8.0)",
        arguments: "-M virt,gic-version=3 -cpu cortex-a72 -smp 4 -m 256 -nographic -nic none \
                    -no-reboot -monitor none -kernel {image} -append {append}",
        ..QEMU
    },
    Row {
        id: "qemu-tcg-gicv2",
        name: "QEMU, TCG: virt, GICv2, max",
        arguments: "-M virt,gic-version=2 -cpu max -smp 4 -m 256 -nographic -nic none -no-reboot \
                    -monitor none -kernel {image} -append {append}",
        ..QEMU
    },
    Row {
        id: "qemu-tcg-el2",
        name: "QEMU, TCG: virt with EL2, GICv3, max",
        arguments: "-M virt,virtualization=on,gic-version=3 -cpu max -smp 4 -m 256 -nographic \
                    -nic none -no-reboot -monitor none -kernel {image} -append {append}",
        ..QEMU
    },
    Row {
        id: "qemu-tcg-virtio",
        name: "QEMU, TCG: virt, GICv3, max, virtio console",
        arguments: "-M virt,gic-version=3 -cpu max -smp 4 -m 256 -display none -nic none \
                    -no-reboot -monitor none -serial none \
                    -global virtio-mmio.force-legacy=false -device virtio-serial-device \
                    -chardev stdio,id=console -device virtconsole,chardev=console \
                    -kernel {image} -append {append}",
        append: "console=hvc0",
        ..QEMU
    },
    Row {
        id: "qemu-kvm",
        name: "QEMU with KVM: virt, GICv3",
        host: Host::Kvm,
        arguments: "-M virt,gic-version=3 -accel kvm -cpu host -smp 4 -m 256 -nographic -nic none \
                    -no-reboot -monitor none -kernel {image} -append {append}",
        ..QEMU
    },
    // src/crosvm/cmdline.rs; the statuses: CommandStatus in src/main.rs.
    Row {
        id: "crosvm",
        name: "crosvm, on KVM",
        programs: &["crosvm"],
        variable: "ANYVISOR_CROSVM",
        version: &["version"],
        arguments: "run --disable-sandbox --cpus 4 --mem 256 \
                    --serial type=stdout,hardware=serial,num=1,console --params {append} {image}",
        statuses: &[0, 32], // 32: the guest asked for a reset
        ..KVM
    },
    // A guest's SYSTEM_RESET does not end it (VmExit::Reset in vmm/src/cpu.rs): it boots the guest
    // again.
    Row {
        id: "cloud-hypervisor",
        name: "Cloud Hypervisor, on KVM",
        programs: &["cloud-hypervisor"],
        variable: "ANYVISOR_CLOUD_HYPERVISOR",
        arguments: "--cpus boot=4 --memory size=256M --serial tty --console off \
                    --kernel {image} --cmdline {append}",
        ..KVM
    },
    // On arm64 it makes a UART only if the boot arguments have `console=` in them
    // (attach_legacy_devices_aarch64 in src/vmm/src/device_manager/mod.rs), and adds `earlycon=` to
    // them. SYSTEM_OFF and SYSTEM_RESET end it alike. It sets its output to O_NONBLOCK: whether a
    // pipe that is full loses text is not confirmed.
    Row {
        id: "firecracker",
        name: "Firecracker, on KVM",
        programs: &["firecracker"],
        variable: "ANYVISOR_FIRECRACKER",
        arguments: "--no-api --level Error --config-file {config}",
        config: Some(
            r#"{
  "boot-source": { "kernel_image_path": "{image}", "boot_args": "{append}" },
  "drives": [],
  "machine-config": { "vcpu_count": 4, "mem_size_mib": 256 }
}
"#,
        ),
        append: "console=ttyS0",
        chatter: &["20??-??-??T*"], // its log has the same output
        ..KVM
    },
    // Without --nodefaults it adds Linux's words to the boot arguments, and a root file system in
    // the user's home. SYSTEM_OFF and SYSTEM_RESET end it alike.
    Row {
        id: "kvmtool",
        name: "kvmtool, on KVM",
        programs: &["lkvm", "kvmtool", "vm"],
        variable: "ANYVISOR_KVMTOOL",
        version: &["version"],
        arguments: "run --nodefaults --cpus 4 --mem 256 --irqchip gicv3 --console serial \
                    --network mode=none --kernel {image} --params {append}",
        chatter: &["  # *", "  Info: *", "  Warning: *"],
        ..KVM
    },
    // doc/usage.md. Several at a time need the REST service off: it has one port. `--bootloader
    // linux,...` has replaced the three options of the kernel, which are deprecated; it wants
    // quotes in its cmdline=. That the framework takes an empty initrd, and what status vfkit ends
    // with, is not confirmed.
    Row {
        id: "vz",
        name: "Apple's Virtualization.framework, by vfkit",
        host: Host::Mac,
        programs: &["vfkit"],
        variable: "ANYVISOR_VFKIT",
        arguments: "--cpus 4 --memory 512 --restful-uri none:// --kernel {image} \
                    --initrd /dev/null --kernel-cmdline {append} --device virtio-serial,stdio",
        append: "console=hvc0",
        ..ROW
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_made_of_letters_digits_and_hyphens() {
        let ids: HashSet<&str> = ROWS.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), ROWS.len());
        for id in ids {
            let fits =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(!id.is_empty() && id.bytes().all(fits), "{id}");
        }
    }

    #[test]
    fn each_program_is_told_which_kernel_to_boot_with_which_arguments() {
        for row in ROWS.iter().filter(|row| !row.is_monitor()) {
            let text = row.arguments.to_string() + row.config.unwrap_or_default();
            for place in ["{image}", "{append}"] {
                assert_eq!(text.matches(place).count(), 1, "{}: {place}", row.id);
            }
            assert_eq!(row.config.is_some(), row.arguments.contains("{config}"), "{}", row.id);
            assert!(!row.variable.is_empty() && !row.statuses.is_empty(), "{}", row.id);
        }
    }

    #[test]
    fn the_machine_that_is_here_is_of_one_kind() {
        let here = |host: Host| host.is_here().is_ok();
        assert!(here(Host::Any));
        assert!(here(Host::NoMac) != cfg!(target_os = "macos"));
        assert!(!(here(Host::Kvm) && here(Host::Mac)));
    }
}
