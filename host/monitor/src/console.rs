//! Where the guest's console goes, and our own words.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints a line to the standard output. A reader that went away (`| head`) is no error; any
/// other failure is remembered by [`output_lost`].
macro_rules! say {
    ($($text:tt)*) => { $crate::console::line(format_args!($($text)*)) };
}

/// Something that was said is nowhere: the disk is full, say.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line to the standard output: [`say`].
pub(crate) fn line(text: Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Whether a line of the results could not be written.
pub fn output_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Prints a line to the standard error, on the same terms.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}
pub(crate) use {say, tell};

/// A guest that prints without end fills no more than this.
const CAPTURE_LIMIT: usize = 1 << 20;
/// Bytes that may wait for a newline.
const BUFFER: usize = 4096;

/// The console's far end.
#[derive(Debug)]
pub enum Console {
    /// Kept, up to 1 MiB.
    Capture(Vec<u8>),
    /// Written to the standard output, line by line or when the guest waits.
    Stdout(Vec<u8>),
}

impl Console {
    /// A console that is kept.
    pub fn capture() -> Self {
        Self::Capture(Vec::new())
    }

    /// A console that goes to the standard output.
    pub fn stdout() -> Self {
        Self::Stdout(Vec::with_capacity(BUFFER))
    }

    /// The guest printed `bytes`.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        match self {
            Self::Capture(kept) => {
                let room = CAPTURE_LIMIT.saturating_sub(kept.len()).min(bytes.len());
                kept.extend_from_slice(&bytes[..room]);
            }
            Self::Stdout(buffer) => {
                buffer.extend_from_slice(bytes);
                if bytes.contains(&b'\n') || buffer.len() >= BUFFER {
                    self.flush();
                }
            }
        }
    }

    /// Shows what waits.
    pub fn flush(&mut self) {
        if let Self::Stdout(buffer) = self
            && !buffer.is_empty()
        {
            let mut out = io::stdout().lock();
            // A reader that went away is no reason to stop the guest.
            let _ = out.write_all(buffer).and_then(|()| out.flush());
            buffer.clear();
        }
    }

    /// Whether something waits to be shown.
    #[inline]
    pub fn waits(&self) -> bool {
        matches!(self, Self::Stdout(buffer) if !buffer.is_empty())
    }

    /// What was kept behind the first `told` bytes.
    pub fn since(&self, told: usize) -> &[u8] {
        let Self::Capture(kept) = self else { return &[] };
        kept.get(told..).unwrap_or_default()
    }

    /// What was kept, as text.
    pub fn text(&self) -> String {
        let Self::Capture(kept) = self else { return String::new() };
        String::from_utf8_lossy(kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_prints_without_end_fills_no_more_than_the_limit() {
        let mut console = Console::capture();
        for _ in 0..3 {
            console.put(&vec![b'x'; CAPTURE_LIMIT - 1]);
        }
        assert_eq!(console.text().len(), CAPTURE_LIMIT);
    }
}
