//! How late a sleeping vCPU may wake.
//!
//! Linux lets a thread's timers fire up to 50 us late to save wake-ups, unless the thread says
//! otherwise (prctl(2), PR_SET_TIMERSLACK). A guest that waits in WFI for its timer would be late by
//! that much each time, so a vCPU's thread asks for the least while it has its vCPU.

/// A thread's timers fire in time for as long as this lives.
#[derive(Debug)]
pub(crate) struct InTime {
    /// What it was before, in nanoseconds.
    #[cfg(target_os = "linux")]
    before: std::ffi::c_ulong,
}

#[cfg(target_os = "linux")]
impl InTime {
    /// For the calling thread; to be dropped there.
    pub(crate) fn new() -> Self {
        // SAFETY: PR_GET_TIMERSLACK has no further argument and touches no memory of ours.
        let before = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
        set(1);
        Self { before: before.max(0) as std::ffi::c_ulong }
    }
}

#[cfg(target_os = "linux")]
impl Drop for InTime {
    fn drop(&mut self) {
        set(self.before);
    }
}

/// 0 stands for the thread's default. A refusal leaves the timers as late as they were.
#[cfg(target_os = "linux")]
fn set(nanoseconds: std::ffi::c_ulong) {
    // SAFETY: PR_SET_TIMERSLACK takes a number and touches no memory of ours.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds) };
}

#[cfg(not(target_os = "linux"))]
impl InTime {
    /// Other systems have no such knob.
    pub(crate) fn new() -> Self {
        Self {}
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn slack() -> i32 {
        // SAFETY: as above.
        unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) }
    }

    #[test]
    fn a_thread_gets_its_slack_back() {
        let before = slack();
        let in_time = InTime::new();
        // A sandbox may refuse: then the timers stay as late as they were.
        assert!([1, before].contains(&slack()));
        drop(in_time);
        assert_eq!(slack(), before);
    }
}
