//! The generic timer as a state machine: no clock, no interrupt line, no thread. Time is an
//! argument, the output is a result.
//!
//! ```text
//!                 host counter
//!                      |
//!        +-------------+-------- - offset -------+
//!        | CNTPCT                                | CNTVCT
//!        v                                       v
//!   +---------+                             +---------+
//!   |  Timer  | CNTP_CTL, CVAL, TVAL        |  Timer  | CNTV_CTL, CVAL, TVAL
//!   +---------+                             +---------+
//!        | output                                | output
//!
//!   output
//!     1                     +-------------------      IMASK = 1 or ENABLE = 0 pull it to 0
//!     0  -------------------+
//!                          CVAL                       count ->
//! ```
//!
//! The virtual timer is the physical one an offset apart, so there is one type: [`Timer`]; who
//! asks gives the count that the timer compares with. The output is level sensitive: it follows
//! its inputs, and there is nothing to acknowledge. [`EventStream`] is the other thing that a
//! counter drives.
//!
//! References: DDI 0487 (J.a), CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTP_TVAL_EL0, CNTKCTL_EL1, and the
//! pseudocode function `IsTimerConditionMet`.

#![forbid(unsafe_code)]

mod event_stream;
mod timer;

pub use event_stream::EventStream;
pub use timer::Timer;
