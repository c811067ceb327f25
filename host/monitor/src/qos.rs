//! `--qos`: how urgent a vCPU's thread is.
//!
//! On macOS a thread has a quality-of-service class, by which the system chooses core types,
//! frequencies and priority: there the class is set for real. Linux has no such class; there it
//! becomes a nice level, and on a machine whose cores differ (`cpu_capacity` of sysfs) the two
//! urgent classes are kept to the fastest cores and the other two to the slowest.
//!
//! What the system refuses is said in the log, and the thread runs as it is.

use clap::ValueEnum;
use std::fmt;

/// A quality-of-service class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Class {
    /// Somebody waits for each single result.
    UserInteractive,
    /// Somebody waits for the end.
    UserInitiated,
    /// Nobody waits, but it should go on.
    Utility,
    /// Whenever there is nothing else.
    Background,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserInteractive => "user-interactive",
            Self::UserInitiated => "user-initiated",
            Self::Utility => "utility",
            Self::Background => "background",
        })
    }
}

impl Class {
    /// The class of vCPU `n` in a list: the last one goes for all that follow.
    pub fn of(list: &[Self], n: u8) -> Option<Self> {
        list.get(usize::from(n)).or(list.last()).copied()
    }

    /// Whether somebody waits.
    #[cfg(any(target_os = "linux", test))]
    fn is_urgent(self) -> bool {
        matches!(self, Self::UserInteractive | Self::UserInitiated)
    }

    /// Gives it to the calling thread.
    #[cfg(target_os = "macos")]
    pub fn assume(self) {
        if let Err(code) = crate::seam::set_qos_class(self) {
            log::warn!("this thread does not become {self}: error {code}");
        }
    }

    /// Gives it to the calling thread, as far as there is something like it.
    #[cfg(target_os = "linux")]
    pub fn assume(self) {
        let own = rustix::thread::gettid();
        // Linux has priorities of threads: the "process" of a thread's number is that thread.
        if let Err(error) = rustix::process::setpriority_process(Some(own), self.nice()) {
            log::warn!("this thread does not become {self}, nice {}: {error}", self.nice());
        }
        let cores = choose(&capacities(), self);
        if cores.is_empty() {
            return; // all alike
        }
        let mut set = rustix::thread::CpuSet::new();
        cores.into_iter().for_each(|core| set.set(core));
        if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
            log::warn!("this thread does not keep to the cores of {self}: {error}");
        }
    }

    /// There is nothing like it here.
    #[cfg(not(any(target_os = "macos", target_os = "linux")))]
    pub fn assume(self) {
        log::warn!("this thread does not become {self}: this system has no such thing");
    }

    /// Its nice level: a user may not go below 0.
    #[cfg(any(target_os = "linux", test))]
    fn nice(self) -> i32 {
        match self {
            Self::UserInteractive => 0,
            Self::UserInitiated => 2,
            Self::Utility => 10,
            Self::Background => 19,
        }
    }
}

/// The cores with their capacities; empty where the system does not say.
#[cfg(target_os = "linux")]
fn capacities() -> Vec<(usize, u32)> {
    let read = |core: usize| {
        let path = format!("/sys/devices/system/cpu/cpu{core}/cpu_capacity");
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    let all = 0..rustix::thread::CpuSet::MAX_CPU;
    all.map_while(|core| Some((core, read(core)?))).collect()
}

/// The cores of a class; none if all are alike.
#[cfg(any(target_os = "linux", test))]
fn choose(cores: &[(usize, u32)], class: Class) -> Vec<usize> {
    let capacities = || cores.iter().map(|(_, capacity)| *capacity);
    let (Some(least), Some(most)) = (capacities().min(), capacities().max()) else {
        return Vec::new();
    };
    let wanted = if class.is_urgent() { most } else { least };
    let fits = |core: &&(usize, u32)| least != most && core.1 == wanted;
    cores.iter().filter(fits).map(|(core, _)| *core).collect()
}

/// Lets the waits of this thread, and of those that it starts from now on, end when they should:
/// Linux may otherwise add 50 microseconds to each, to wake up for several at once.
pub fn wake_in_time() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)) {
        log::debug!("timers stay as coarse as they are: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_class_of_a_list_goes_for_all_that_follow() {
        let list = [Class::UserInteractive, Class::Utility];
        assert_eq!(Class::of(&[], 0), None);
        assert_eq!(Class::of(&list, 0), Some(Class::UserInteractive));
        assert_eq!(Class::of(&list, 1), Some(Class::Utility));
        assert_eq!(Class::of(&list, 63), Some(Class::Utility));
    }

    #[test]
    fn urgent_classes_get_the_fastest_cores_and_the_others_the_slowest() {
        let cores = [(0, 400), (1, 400), (2, 1024), (3, 700)];
        assert_eq!(choose(&cores, Class::UserInitiated), [2]);
        assert_eq!(choose(&cores, Class::Background), [0, 1]);
        assert!(choose(&[(0, 1024), (1, 1024)], Class::Utility).is_empty(), "all alike");
        assert!(choose(&[], Class::Utility).is_empty());
    }

    #[test]
    fn a_more_urgent_class_is_never_nicer() {
        let levels: Vec<i32> = Class::value_variants().iter().map(|class| class.nice()).collect();
        assert!(levels.is_sorted());
    }

    #[test]
    fn classes_are_written_as_they_are_named() {
        for class in Class::value_variants() {
            let written = class.to_possible_value().unwrap();
            assert_eq!(written.get_name(), class.to_string());
        }
    }
}
