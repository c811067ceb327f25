//! Which engine serves the API.

use crate::{clock, stopwatch};
use anyvisor_cpu::Software;
use anyvisor_cpu::model::Model;
use anyvisor_cpu::software::Stopwatch;
use anyvisor_vm::Engine;

/// The software engine: it runs on every machine.
static SOFTWARE: Software = Software {
    clock: clock::ticks,
    stopwatch: Stopwatch { read: stopwatch::read, nanoseconds: stopwatch::nanoseconds },
    model: Model::M1,
};

/// The engine of this process.
pub(crate) fn engine() -> &'static dyn Engine {
    stopwatch::start();
    &SOFTWARE
}
