//! The monitor's own hypercalls: the control by which a case steers the monitor and asks what
//! it saw from the outside. Vendor-specific hypervisor service range of SMCCC (owner 6).
//!
//! A guest finds out whether they exist by [`UID`]: four words in W0..W3 that nobody else
//! answers. On a hypervisor without them a case that needs them is skipped, by name.
//!
//! Every call is `HVC #0` with the identifier in W0 and arguments in X1..X7. X0 returns 0 or a
//! negative code of [`crate::smccc`]; results, where there are any, stand in X1..X7.

/// SMCCC general service query: `Call UID` of the owner.
pub const CALL_UID: u32 = 0x8600_ff01;
/// SMCCC general service query: `Revision` of the owner (major in W0, minor in W1).
pub const CALL_REVISION: u32 = 0x8600_ff03;
/// What `CALL_UID` returns in W0..W3: a random UUID, 5e7a3c10-91d4-4f0b-a6c8-2b7f44d1e693, in
/// SMCCC's byte order (word i holds bytes 4i..4i+3, lowest first).
pub const UID: [u32; 4] = [0x103c_7a5e, 0x0b4f_d491, 0x7f2b_c8a6, 0x93e6_d144];
/// Major and minor revision of the services.
pub const REVISION: (u32, u32) = (1, 1);

/// Announce the next exit that is not a hypercall and say how to go on after it.
///
/// X1 = EC, X2 = ISS value, X3 = ISS mask (bits of the ISS that count), X4 = FAR, X5 = IPA,
/// X6 = PC, X7 = what then ([`AFTER_SKIP`], ...). [`ANY`] in X1, X4, X5 or X6: do not compare.
/// One expectation at a time; a new one replaces it. The outcome is read by [`EXIT_RECORD`].
pub const EXPECT_EXIT: u32 = 0xc600_0001;
/// "Do not compare this field."
pub const ANY: u64 = u64::MAX;
/// After the expected exit: step over the instruction (PC + 4); a load's register reads 0.
pub const AFTER_SKIP: u64 = 0;
/// After the expected exit: give the page (of the stage-2 granule) read, write and execute, and
/// run the instruction again.
pub const AFTER_GRANT: u64 = 1;
/// After the expected exit: handle it as if it had not been announced (emulate the device, ...).
pub const AFTER_HANDLE: u64 = 2;

/// Read back what the monitor recorded of the last announced exit.
///
/// X1 = ESR, X2 = FAR, X3 = IPA, X4 = PC, X5 = verdict ([`VERDICT_NONE`], ...), X6 = a mask of
/// the fields that differed (bit 0 EC, 1 ISS, 2 FAR, 3 IPA, 4 PC). Reading clears the record
/// and drops an expectation that nothing met.
pub const EXIT_RECORD: u32 = 0xc600_0002;
/// No exit came since it was announced.
pub const VERDICT_NONE: u64 = 0;
/// The exit came and agreed.
pub const VERDICT_MATCH: u64 = 1;
/// An exit came and differed.
pub const VERDICT_MISMATCH: u64 = 2;

/// Change stage-2 permissions: X1 = IPA, X2 = size (both multiples of the stage-2 granule,
/// inside RAM), X3 = permissions ([`PERM_READ`] | ...).
pub const PROTECT: u32 = 0xc600_0003;
/// Readable.
pub const PERM_READ: u64 = 1;
/// Writable.
pub const PERM_WRITE: u64 = 2;
/// Executable.
pub const PERM_EXEC: u64 = 4;

/// Drive an interrupt line of the calling vCPU: X1 = line ([`LINE_IRQ`], [`LINE_FIQ`]),
/// X2 = level ([`LEVEL_LOW`], ...), X3 = delay in nanoseconds before it takes effect (0: before
/// the call returns).
///
/// The lines are level sensitive: a line that is high is presented again at every entry until
/// the guest lowers it. With a GIC the lines are its outputs, and the call is NOT_SUPPORTED.
pub const INJECT: u32 = 0xc600_0004;
/// The IRQ line.
pub const LINE_IRQ: u64 = 0;
/// The FIQ line.
pub const LINE_FIQ: u64 = 1;
/// Lower the line.
pub const LEVEL_LOW: u64 = 0;
/// Raise the line until it is lowered.
pub const LEVEL_HIGH: u64 = 1;
/// Present the line at one entry only.
pub const LEVEL_PULSE: u64 = 2;

/// The virtual timer as the hypervisor has it: X1 = operation, X2 = value. Offset operations
/// return the offset before the call in X1.
pub const VTIMER: u32 = 0xc600_0005;
/// Set the virtual counter's offset (CNTVCT = host counter - offset).
pub const VTIMER_SET_OFFSET: u64 = 0;
/// Read the offset.
pub const VTIMER_GET_OFFSET: u64 = 1;
/// Mask (1) or unmask (0) the virtual timer's exit; the mask before the call in X1.
pub const VTIMER_SET_MASK: u64 = 2;
/// X1 = how many times the virtual timer's exit came since the VM started.
pub const VTIMER_COUNT: u64 = 3;

/// Cancel the calling vCPU's next entry (`hv_vcpus_exit`) after X1 nanoseconds (0: now).
/// X1 returns how many entries were cancelled so far.
pub const CANCEL: u32 = 0xc600_0006;

/// X1 = host monotonic time in nanoseconds.
pub const HOST_TIME: u32 = 0xc600_0007;

/// Drive the line of an SPI, as a device would: X1 = INTID, X2 = level ([`LEVEL_LOW`], ...; a
/// pulse is high and at once low again), X3 = delay in nanoseconds (0: before the call returns).
///
/// An INTID that is no SPI, or is a message's, is INVALID_PARAMETERS; so is a device's own. Without
/// a GIC the call is NOT_SUPPORTED.
pub const INJECT_SPI: u32 = 0xc600_0008;

/// Send a message to the MSI frame, as a device would: X1 = INTID, X2 = delay in nanoseconds (0:
/// before the call returns).
///
/// An INTID outside the frame's range is INVALID_PARAMETERS. Without an MSI frame the call is
/// NOT_SUPPORTED.
pub const INJECT_MSI: u32 = 0xc600_0009;
