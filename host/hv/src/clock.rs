//! The host counter: what `mach_absolute_time` is on Apple silicon.
//!
//! CNTVCT_EL0 of a guest is this counter less the virtual timer's offset
//! (`hv_vcpu_set_vtimer_offset`), at 24 MHz. Programs for Hypervisor.framework call
//! `mach_absolute_time` to know how long to sleep for a guest; off macOS it comes from here.

/// CLOCK_MONOTONIC in ticks of 24 MHz: 3 ticks are 125 ns.
pub(crate) fn ticks() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid place for a timespec; CLOCK_MONOTONIC exists on every system that
    // this crate compiles for, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    let (seconds, nanoseconds) = (now.tv_sec as u64, now.tv_nsec as u64);
    seconds.wrapping_mul(24_000_000).wrapping_add(nanoseconds * 3 / 125)
}

/// The host counter, by the name that it has on macOS. Ticks of 24 MHz.
#[unsafe(no_mangle)]
pub extern "C" fn mach_absolute_time() -> u64 {
    ticks()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_runs_at_24_mhz() {
        let (start, before) = (std::time::Instant::now(), ticks());
        std::thread::sleep(std::time::Duration::from_millis(20));
        let (elapsed, after) = (start.elapsed().as_nanos() as u64, ticks());
        let counted = (after - before) * 125 / 3;
        assert!(counted.abs_diff(elapsed) < elapsed / 4, "{counted} ns counted of {elapsed}");
    }
}
