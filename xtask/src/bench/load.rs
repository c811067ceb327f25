//! Whether something else ran while a guest was timed: its numbers are then worth less.

use std::time::Instant;

/// A guest keeps one CPU busy; this much more is somebody else's.
const DISTURBED: f64 = 1.2;
/// Shorter runs cannot be judged: the kernel counts in hundredths of a second.
const SHORTEST: f64 = 0.2;

/// The host's load from a moment on.
pub struct Load {
    start: Instant,
    busy: Option<f64>,
}

impl Load {
    /// Starts looking.
    pub fn begin() -> Self {
        Self { start: Instant::now(), busy: busy_seconds() }
    }

    /// Whether more than one CPU was busy since; nothing where nobody knows.
    pub fn disturbed(&self) -> Option<bool> {
        let busy = busy_seconds()? - self.busy?;
        let wall = self.start.elapsed().as_secs_f64();
        (wall >= SHORTEST).then_some(busy / wall > DISTURBED)
    }
}

/// Seconds that all CPUs together were busy since the host started. Linux only.
fn busy_seconds() -> Option<f64> {
    busy(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// From the first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal;
/// in units of USER_HZ, which is 100 on every architecture that Rust's std runs on.
fn busy(stat: &str) -> Option<f64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let ticks: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _idle, _iowait, rest @ ..] = ticks.as_slice() else { return None };
    let rest: u64 = rest.iter().take(3).sum();
    Some((user + nice + system + rest) as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_and_guests_are_not_counted_twice() {
        let stat = "cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 1 2 3 4\n";
        assert_eq!(busy(stat), Some(1.71));
        assert_eq!(busy("cpu  1 2 3\n"), None);
        assert_eq!(busy("intr 1\n"), None);
    }
}
