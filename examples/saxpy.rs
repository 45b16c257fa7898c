//! The smallest program with a kernel: `y += a * x` on the device, checked against plain Rust.
//!
//! ```text
//! cargo run --release --features cpu --example saxpy
//! ```
//!
//! The kernel is `examples/kernels/saxpy.cl`, compiled to SPIR-V by `examples/kernels/build`.

use std::error::Error;
use ze_area::{Context, In, InOut};

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new()?;
    let gpu = context.first_device()?;
    let queue = context.queue(gpu)?;
    let module = context
        .module(gpu)
        .spirv(include_bytes!("kernels/saxpy.spv"))?;
    // SAFETY: these are the kernel's arguments. In a line of items each touches an element of its own,
    // and the rule lets through nothing but a line of no more items than `x` and `y` have elements.
    let saxpy = unsafe {
        module.kernel_where::<(In<f32>, InOut<f32>, f32)>("saxpy", |l| l.is_line_within(&[0, 1]))
    }?;

    let a = 2.5;
    let x: Vec<f32> = (0..1_000_000).map(|i| (i % 1000) as f32).collect();
    let y = vec![1.0; x.len()];
    let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| y + a * x).collect();

    let area = context.device_area(gpu);
    let x = area.mmap_from_slice(&x)?;
    let mut y = area.mmap_from_slice(&y)?;
    queue.launch(&saxpy, x.len(), (&x, &mut y, a))?;

    if queue.to_vec(&y)? != expected {
        return Err("the device computed something else than plain Rust".into());
    }
    println!("{} elements as in plain Rust, by {}", y.len(), gpu.name());
    Ok(())
}
