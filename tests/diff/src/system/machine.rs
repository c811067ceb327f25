//! The two machines: QEMU with a file as its RAM, and ours. Both run the executor, are given
//! records and a number in the mailbox, and are done when it is 0.

use super::image;
use super::layout::{CODE, GIC_PLACE, MAILBOX, RAM, RAM_BYTES, RECORDS, tables};
use super::record::{BYTES, Case, Outcome, WORDS};
use anyvisor_arch::esr::{Esr, ExceptionClass};
use anyvisor_arch::pstate::{DAIF, Mode};
use anyvisor_cpu::Software;
use anyvisor_cpu::model::{Model, Processor};
use anyvisor_cpu::software::Stopwatch;
use anyvisor_vm::{Engine, Exit, GicConfig, HvError, Perms, Reg, Vcpu, VcpuConfig, Vm, VmConfig};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long a batch may take: some milliseconds are usual.
const PATIENCE: Duration = Duration::from_secs(20);
/// Until QEMU's RAM is looked at again.
const GLANCE: Duration = Duration::from_micros(200);
/// The widest IPA of both.
const IPA_BITS: u32 = 36;

/// A machine does not answer.
#[derive(Debug, Error)]
pub enum MachineError {
    /// QEMU cannot be started, or its RAM not be made.
    #[error("cannot start {0}: {1}")]
    Start(PathBuf, io::Error),
    /// Its RAM cannot be read or written.
    #[error("QEMU's RAM: {0}")]
    Ram(#[from] io::Error),
    /// It hangs.
    #[error("{0} has not finished a batch in {PATIENCE:?}")]
    Hangs(&'static str),
    /// Our engine refuses something.
    #[error(transparent)]
    Engine(#[from] HvError),
    /// Our executor left the guest otherwise than by its HVC.
    #[error("the executor ended with {0:?} at {1:#x}")]
    Exit(Exit, u64),
}

/// What the RAM holds at the start: places and bytes.
fn contents() -> Vec<(u64, Vec<u8>)> {
    let code = image::words().iter().flat_map(|word| word.to_le_bytes()).collect();
    let tables = tables().into_iter().map(|(at, entry)| (at, entry.to_le_bytes().to_vec()));
    [(CODE, code)].into_iter().chain(tables).collect()
}

/// QEMU.
pub struct Theirs {
    child: Child,
    ram: File,
    path: PathBuf,
}

impl Theirs {
    /// Starts `qemu`, being `cpu`, with the file `path` as its RAM, and with a GICv3 if asked for.
    ///
    /// # Errors
    /// [`MachineError::Start`].
    pub fn start(qemu: &Path, cpu: &str, path: PathBuf, gic: bool) -> Result<Self, MachineError> {
        let failed = |error| MachineError::Start(qemu.to_owned(), error);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true);
        let mut ram = options.open(&path).map_err(failed)?;
        ram.set_len(RAM_BYTES).map_err(failed)?;
        for (at, bytes) in contents() {
            write(&mut ram, at, &bytes).map_err(failed)?;
        }
        let memory = format!(
            "memory-backend-file,id=ram,size={}M,mem-path={},share=on",
            RAM_BYTES >> 20,
            path.display()
        );
        let version = if gic { ",gic-version=3" } else { "" };
        let machine = format!("virt,memory-backend=ram{version}");
        let child = Command::new(qemu)
            .args(["-M", &machine, "-cpu", cpu, "-object", &memory])
            .args(["-m", &format!("{}M", RAM_BYTES >> 20), "-nodefaults", "-display", "none"])
            .args(["-device", &format!("loader,addr={CODE:#x},cpu-num=0")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(failed)?;
        Ok(Self { child, ram, path })
    }

    /// Hands over a batch.
    ///
    /// # Errors
    /// [`MachineError::Ram`].
    pub fn ask(&mut self, cases: &[Case]) -> Result<(), MachineError> {
        let records: Vec<u8> =
            cases.iter().flat_map(Case::encode).flat_map(u64::to_le_bytes).collect();
        write(&mut self.ram, RECORDS, &records)?;
        write(&mut self.ram, MAILBOX, &(cases.len() as u64).to_le_bytes())?;
        Ok(())
    }

    /// What came of it.
    ///
    /// # Errors
    /// [`MachineError::Ram`], [`MachineError::Hangs`].
    pub fn answer(&mut self, count: usize) -> Result<Vec<Outcome>, MachineError> {
        let began = Instant::now();
        let mut left = [0; 8];
        loop {
            read(&mut self.ram, MAILBOX, &mut left)?;
            if left == [0; 8] {
                break;
            }
            if began.elapsed() > PATIENCE {
                return Err(MachineError::Hangs("QEMU"));
            }
            std::thread::sleep(GLANCE);
        }
        let mut records = vec![0; count * BYTES as usize];
        read(&mut self.ram, RECORDS, &mut records)?;
        let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let outcome = |bytes: &[u8]| {
            let mut record = [0; WORDS];
            for (to, bytes) in record.iter_mut().zip(bytes.as_chunks().0) {
                *to = word(bytes);
            }
            Outcome::decode(&record)
        };
        Ok(records.chunks_exact(BYTES as usize).map(outcome).collect())
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

fn write(ram: &mut File, place: u64, bytes: &[u8]) -> io::Result<()> {
    ram.seek(SeekFrom::Start(place - RAM))?;
    ram.write_all(bytes)
}

fn read(ram: &mut File, place: u64, bytes: &mut [u8]) -> io::Result<()> {
    ram.seek(SeekFrom::Start(place - RAM))?;
    ram.read_exact(bytes)
}

/// Our machine. The fields are dropped in this order: the RAM last.
pub struct Ours {
    vcpu: Box<dyn Vcpu>,
    _vm: Arc<dyn Vm>,
    ram: Ram,
}

/// Memory that starts at a page.
struct Ram {
    words: Vec<AtomicU64>,
    first: usize,
}

impl Ram {
    const PAGE: usize = 0x4000;

    fn new() -> Self {
        let count = (RAM_BYTES as usize + Self::PAGE) / 8;
        let words: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
        let first = words.as_ptr().align_offset(Self::PAGE);
        Self { words, first }
    }

    fn at(&self, place: u64) -> &AtomicU64 {
        &self.words[self.first + ((place - RAM) / 8) as usize]
    }

    fn put(&self, place: u64, value: u64) {
        self.at(place).store(value.to_le(), Ordering::Relaxed);
    }

    fn get(&self, place: u64) -> u64 {
        u64::from_le(self.at(place).load(Ordering::Relaxed))
    }
}

impl Ours {
    /// A VM with one vCPU at the start of the executor, and with a GIC if asked for.
    ///
    /// # Errors
    /// What the engine refuses.
    pub fn start(gic: bool) -> Result<Self, MachineError> {
        let ram = Ram::new();
        for (at, bytes) in contents() {
            for (i, eight) in bytes.chunks(8).enumerate() {
                let mut word = [0; 8];
                word[..eight.len()].copy_from_slice(eight);
                ram.put(at + 8 * i as u64, u64::from_le_bytes(word));
            }
        }
        let stopwatch = Stopwatch { read: || 0, nanoseconds: |_| 0 };
        let processor = Processor { model: Model::M2, pmu: false };
        let engine = Software { clock: || 0, stopwatch, processor };
        let vm = engine.create_vm(&VmConfig { ipa_bits: IPA_BITS, granule: 0x4000 })?;
        vm.map(ram.words[ram.first..].as_ptr() as usize, RAM, RAM_BYTES, Perms::all())?;
        if gic {
            let redistributors = GIC_PLACE + 0xa_0000;
            let config = GicConfig { distributor: GIC_PLACE, redistributors, messages: None };
            vm.create_gic(&config)?;
        }
        let mut vcpu = vm.create_vcpu(0, &VcpuConfig { ipa_bits: IPA_BITS })?;
        vcpu.set_reg(Reg::Pc, CODE);
        vcpu.set_reg(Reg::Cpsr, DAIF | Mode::El1h.bits());
        Ok(Self { vcpu, _vm: vm, ram })
    }

    /// Runs a batch.
    ///
    /// # Errors
    /// [`MachineError::Engine`], [`MachineError::Exit`].
    pub fn run(&mut self, cases: &[Case]) -> Result<Vec<Outcome>, MachineError> {
        let place = |i: usize| RECORDS + BYTES * i as u64;
        for (i, case) in cases.iter().enumerate() {
            for (n, word) in case.encode().into_iter().enumerate() {
                self.ram.put(place(i) + 8 * n as u64, word);
            }
        }
        self.ram.put(MAILBOX, cases.len() as u64);
        loop {
            let exit = self.vcpu.run()?;
            let class = match &exit {
                Exit::Exception(exception) => Esr(exception.syndrome).class().ok(),
                _ => None,
            };
            match class {
                Some(ExceptionClass::Hvc) if self.ram.get(MAILBOX) == 0 => break,
                Some(ExceptionClass::Hvc) => {}
                // A hypervisor that has nothing else to do goes on after the wait.
                Some(ExceptionClass::Wait) => {
                    let pc = self.vcpu.reg(Reg::Pc);
                    self.vcpu.set_reg(Reg::Pc, pc + 4);
                }
                _ => return Err(MachineError::Exit(exit, self.vcpu.reg(Reg::Pc))),
            }
        }
        let record = |i| std::array::from_fn(|n| self.ram.get(place(i) + 8 * n as u64));
        Ok((0..cases.len()).map(|i| Outcome::decode(&record(i))).collect())
    }
}
