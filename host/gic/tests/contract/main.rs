//! The GIC as a guest and its devices use it: through frames, registers and lines only.

mod cpu_interface;
mod distributor;
mod machine;
mod messages;
mod random;
mod redistributor;
mod reference;
mod routing;
mod saved;
mod sgis;
mod states;
