//! When something is wrong: say it, fail the running case, go on with the next; or, outside a
//! case, end the VM.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::cell::OneCpu;
use crate::recovery::{self, Outcome};
use crate::{console, hypercall, smp};

static PANICKING: OneCpu<bool> = OneCpu::new(false);

/// The first line of what is written to it.
struct FirstLine<'a> {
    to: &'a mut dyn Write,
    done: bool,
}

impl Write for FirstLine<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        if self.done {
            return Ok(());
        }
        self.done = s.contains('\n');
        self.to.write_str(s.split('\n').next().unwrap_or(""))
    }
}

/// Displays the first line of the panic's message.
struct Summary<'a>(&'a PanicInfo<'a>);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(FirstLine { to: f, done: false }, "{}", self.0.message())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    if smp::is_secondary() {
        smp::fail(format_args!("{}", Summary(info)));
    }
    console::seize();
    if PANICKING.replace(true) {
        // A panic while reporting one: say the least that can be said, and stop.
        console::write(format_args!("Bail out! panicked while panicking\n"));
        hypercall::system_off();
    }
    console::diagnose(format_args!("{}", info.message()));
    if let Some(location) = info.location() {
        console::diagnose(format_args!("at {location}"));
    }
    PANICKING.set(false);
    recovery::abandon(Outcome::Failed, format_args!("{}", Summary(info)));
    // Nobody to go back to: the kernel itself is at fault.
    console::write(format_args!("Bail out! {}\n", Summary(info)));
    hypercall::system_off()
}
