//! Reads the interface of a SPIR-V module for OpenCL and Level Zero: which kernels there are, what
//! arguments they take, what can be specialised, what is linked by name.
//!
//! It reads what a host program must know before it has the module compiled, and checks as much as
//! that takes. Input of any kind is safe: time and memory are linear in its length, and nothing is
//! trusted to be in order. What the code of the kernels does is not looked at.
//!
//! ```no_run
//! use level_zero_spirv::{Module, words};
//!
//! let bytes = std::fs::read("kernels.spv")?;
//! let module = Module::parse(&words(&bytes)?)?;
//! for kernel in &module.kernels {
//!     println!("{} takes {} arguments", kernel.name, kernel.arguments.len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From the [specification](https://registry.khronos.org/SPIR-V/specs/unified1/SPIRV.html) and the
//! [environment of OpenCL](https://registry.khronos.org/OpenCL/specs/3.0-unified/html/OpenCL_Env.html).
#![forbid(unsafe_code)]

mod decorations;
mod interface;
mod kernel;
mod layout;
mod malformed;
mod module;
mod numbers;
mod operands;
mod reader;
#[cfg(test)]
mod tests;
mod words;

pub use kernel::{Argument, ArgumentKind, Kernel};
pub use malformed::Malformed;
pub use module::{Module, SpecConstant, Symbol};
pub use words::words;
