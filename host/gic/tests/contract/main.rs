//! The GIC as a guest and its devices use it: through frames, registers and lines only.

mod cpu_interface;
mod distributor;
mod machine;
mod messages;
mod redistributor;
mod routing;
mod saved;
mod sgis;
mod states;
