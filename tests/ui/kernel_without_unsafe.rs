//! A kernel whose signature nobody vouches for.

use ze_area::{Error, InOut, Kernel, Module};

fn kernel(module: &Module) -> Result<Kernel<(InOut<f32>,)>, Error> {
    module.kernel("scale")
}

fn main() {}
