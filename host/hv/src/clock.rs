//! The host counter: what `mach_absolute_time` is on Apple silicon.
//!
//! CNTVCT_EL0 of a guest is this counter less the virtual timer's offset
//! (`hv_vcpu_set_vtimer_offset`), at 24 MHz. Programs for Hypervisor.framework call
//! `mach_absolute_time` to know how long to sleep for a guest; off macOS it comes from here.

use crate::pointer::Out;

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

/// What a tick is in nanoseconds, as a fraction: `<mach/mach_time.h>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct mach_timebase_info {
    /// Nanoseconds in [`mach_timebase_info::denom`] ticks.
    pub numer: u32,
    /// Ticks.
    pub denom: u32,
}

/// Of `<mach/kern_return.h>`.
const KERN_SUCCESS: i32 = 0;
const KERN_INVALID_ARGUMENT: i32 = 4;

/// Writes 125 / 3, which is what Apple silicon answers: 24 MHz. Returns a `kern_return_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mach_timebase_info(info: *mut mach_timebase_info) -> i32 {
    // SAFETY: the caller's promise.
    match unsafe { Out::new("info", info) } {
        Ok(out) => {
            out.put(mach_timebase_info { numer: 125, denom: 3 });
            KERN_SUCCESS
        }
        Err(_) => KERN_INVALID_ARGUMENT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_125_thirds_of_a_nanosecond() {
        let mut base = mach_timebase_info { numer: 0, denom: 0 };
        // SAFETY: `base` is there to be written.
        assert_eq!(unsafe { mach_timebase_info(&mut base) }, KERN_SUCCESS);
        let hertz = 1_000_000_000 * u64::from(base.denom) / u64::from(base.numer);
        assert_eq!(hertz, 24_000_000);
        // SAFETY: null is refused before anything is written.
        let refused = unsafe { mach_timebase_info(std::ptr::null_mut()) };
        assert_eq!(refused, KERN_INVALID_ARGUMENT);
    }

    #[test]
    fn the_counter_runs_at_24_mhz() {
        // The clock that is known is read outside and inside of the counter.
        let (outer, before, inner) =
            (std::time::Instant::now(), ticks(), std::time::Instant::now());
        std::thread::sleep(std::time::Duration::from_millis(20));
        let (inner, after, outer) = (inner.elapsed(), ticks(), outer.elapsed());
        let counted = u128::from(after - before) * 125 / 3;
        // A tick at each end.
        let (least, most) = (inner.as_nanos() - 84, outer.as_nanos() + 84);
        assert!((least..=most).contains(&counted), "{counted} ns counted of {least} to {most}");
    }
}
