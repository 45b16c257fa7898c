//! A `bool` by value.

use ze_area::{Error, InOut, Kernel, Module};

fn kernel(module: &Module) -> Result<Kernel<(InOut<f32>, bool)>, Error> {
    // SAFETY: it is never launched.
    unsafe { module.kernel("scale") }
}

fn main() {}
