//! The generic timer's control bits, as the system registers show them.

/// CNTP_CTL_EL0, CNTV_CTL_EL0.
pub mod ctl {
    /// The timer compares.
    pub const ENABLE: u64 = 1 << 0;
    /// The timer's output is held low.
    pub const IMASK: u64 = 1 << 1;
    /// The condition is met, masked or not. Read only; reads as UNKNOWN with ENABLE = 0 (as 0
    /// here).
    pub const ISTATUS: u64 = 1 << 2;
    /// What a write changes.
    pub const WRITABLE: u64 = ENABLE | IMASK;
}

/// CNTKCTL_EL1: what EL0 may do with the timers, and the event stream.
pub mod cntkctl {
    use crate::field::Field;
    /// EL0 reads CNTPCT_EL0 (and CNTFRQ_EL0).
    pub const EL0PCTEN: u64 = 1 << 0;
    /// EL0 reads CNTVCT_EL0 (and CNTFRQ_EL0).
    pub const EL0VCTEN: u64 = 1 << 1;
    /// The event stream is on: transitions of bit EVNTI of CNTVCT_EL0 are WFE wake-up events.
    pub const EVNTEN: u64 = 1 << 2;
    /// Which transition: 0 from 0 to 1, 1 from 1 to 0.
    pub const EVNTDIR: u64 = 1 << 3;
    /// Which bit of the counter.
    pub const EVNTI: Field = Field::new(7, 4);
    /// EL0 accesses the virtual timer's registers.
    pub const EL0VTEN: u64 = 1 << 8;
    /// EL0 accesses the physical timer's registers.
    pub const EL0PTEN: u64 = 1 << 9;
    /// What a write changes.
    pub const WRITABLE: u64 =
        EL0PCTEN | EL0VCTEN | EVNTEN | EVNTDIR | EVNTI.mask() | EL0VTEN | EL0PTEN;
}
