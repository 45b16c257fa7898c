//! Kernels: modules, the signatures of their kernels, what a launch hands over.

mod args;
mod build_log;
mod builder;
mod floor;
mod grid;
mod handle;
mod launch;
mod module;
mod now;
mod plan;
mod properties;
mod signature;
mod verify;

pub(crate) use args::sealed::{ArgValue, Pointed, RawArg};
pub use args::{Arg, Args, LocalMemory, local};
pub use builder::ModuleBuilder;
pub(crate) use floor::Armed;
pub use grid::{Dimensions, Grid, GridProblem};
pub use handle::Kernel;
pub use launch::Launch;
pub use module::Module;
pub use now::Now;
pub(crate) use now::atomic;
pub use properties::KernelProperties;
pub use signature::{Atomic, In, InOut, Local, Nullable, Out, Parameter, Signature};
