//! A shared library with C functions that uses device memory, as a plugin of a larger program does.
//!
//! ```text
//! cargo build --release --features cpu --example plugin   # target/release/examples/libplugin.so
//! ```

use std::ffi::c_long;
use ze_area::{Context, Result};

/// Moves `count` numbers through device memory and returns how many came back; -1 for an error,
/// which it prints.
#[allow(unsafe_code, reason = "a name for C")]
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
pub extern "C" fn round_trip(count: c_long) -> c_long {
    let came_back = usize::try_from(count)
        .map_err(|error| error.to_string())
        .and_then(|count| through_device(count).map_err(|error| error.to_string()));
    match came_back {
        Ok(numbers) => c_long::try_from(numbers).unwrap_or(c_long::MAX),
        Err(error) => {
            eprintln!("plugin: {error}");
            -1
        }
    }
}

fn through_device(count: usize) -> Result<usize> {
    let context = Context::new()?;
    let queue = context.queue(context.first_device()?)?;
    let numbers: Vec<u64> = (0..count as u64).collect();
    let on_device = context.default_device_area()?.mmap_from_slice(&numbers)?;
    let back = queue.to_vec(&on_device)?;
    Ok(back.iter().zip(&numbers).filter(|(a, b)| a == b).count())
}
