//! The functions of the API as C sees them, for other tests that call them with any argument. What
//! is tested of them here is in `main.rs`.

#![deny(unsafe_code)] // allowed in `raw`: it declares the C functions

#[allow(unsafe_code)]
#[allow(missing_docs)] // Apple's headers say what the functions do
pub mod raw;

#[cfg(not(target_os = "macos"))]
use anyvisor_hv as _; // defines the functions that Apple's framework defines on a Mac
