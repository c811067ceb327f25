//! Register models of the machine's devices.
//!
//! * [`pl011`]: the console's UART; [`ns16550`]: another kind of UART, that of other boards;
//! * [`pl031`]: the real-time clock;
//! * [`scratch`]: a page of bytes that remember, for testing accesses.
//!
//! A model is a state machine and nothing else: it does no I/O, starts no thread and reads no
//! clock. What a register access does to the world (a byte to send, the level of the interrupt
//! line) is returned to the caller; what the world does (a byte that came in, the time) is an
//! argument. So a driver's view of a device can be tested, replayed and fuzzed without any.

#![forbid(unsafe_code)]

mod fifo;
pub mod ns16550;
pub mod pl011;
pub mod pl031;
pub mod scratch;

pub use ns16550::Ns16550;
pub use pl011::Pl011;
pub use pl031::Pl031;
pub use scratch::Scratch;
