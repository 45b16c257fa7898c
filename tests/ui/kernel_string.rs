//! A `String` by value.

use ze_area::{Error, Kernel, Module};

fn kernel(module: &Module) -> Result<Kernel<(String,)>, Error> {
    // SAFETY: it is never launched.
    unsafe { module.kernel("greet") }
}

fn main() {}
