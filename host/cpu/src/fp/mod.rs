//! Floating-point arithmetic.
