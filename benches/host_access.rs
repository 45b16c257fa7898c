//! Checks that host access through a buffer or a view of it compiles to the same loops as through
//! a slice: runs each under valgrind and compares the numbers of instructions.
//!
//! `cargo bench --features cpu --bench host_access`; fails where they differ.

mod nothing;
mod valgrind;

use core::hint::black_box;
use std::error::Error;

/// The number of elements: many, so that what happens once counts for little.
const ELEMENTS: usize = 1 << 20;

/// What may differ, in instructions: so many of a hundred, and besides.
const PERCENT: u64 = 1;
const BESIDES: u64 = 2_000;

/// The same loops for each type.
macro_rules! loops {
    ($name:ident: $elements:ty) => {
        mod $name {
            #[inline(never)]
            fn sum_in_for(elements: &$elements) -> f32 {
                let mut sum = 0.0;
                for element in elements {
                    sum += element;
                }
                sum
            }

            #[inline(never)]
            fn sum_by_index(elements: &$elements) -> f32 {
                let mut sum = 0.0;
                for index in 0..elements.len() {
                    sum += elements[index];
                }
                sum
            }

            #[inline(never)]
            fn sum_by_get(elements: &$elements) -> f32 {
                let mut sum = 0.0;
                let mut index = 0;
                while let Some(element) = elements.get(index) {
                    sum += element;
                    index += 1;
                }
                sum
            }

            #[inline(never)]
            fn scale_in_for(elements: &mut $elements) {
                for element in elements {
                    *element *= 0.5;
                }
            }

            #[inline(never)]
            fn scale_by_index(elements: &mut $elements) {
                for index in 0..elements.len() {
                    elements[index] *= 0.5;
                }
            }

            #[inline(never)]
            fn scale_with_iter_mut(elements: &mut $elements) {
                elements.iter_mut().for_each(|element| *element *= 0.5);
            }

            /// Runs the loop of that name.
            pub(super) fn run(name: &str, elements: &mut $elements) -> Result<f32, String> {
                match name {
                    "sum in for" => return Ok(sum_in_for(elements)),
                    "sum by index" => return Ok(sum_by_index(elements)),
                    "sum by get" => return Ok(sum_by_get(elements)),
                    "scale in for" => scale_in_for(elements),
                    "scale by index" => scale_by_index(elements),
                    "scale with iter_mut" => scale_with_iter_mut(elements),
                    other => return Err(format!("no loop: {other}")),
                }
                Ok(0.0)
            }
        }
    };
}

loops!(slice: [f32]);
loops!(buffer: ze_area::ZeBuffer<f32, ze_area::Shared>);
loops!(view: ze_area::ZeSliceMut<'_, f32, ze_area::Shared>);

const LOOPS: [&str; 6] = [
    "sum in for",
    "sum by index",
    "sum by get",
    "scale in for",
    "scale by index",
    "scale with iter_mut",
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [of, name, times] => run(of, name, times.parse()?),
        _ if arguments.contains(&"--bench") => compare(),
        _ => {
            println!("nothing is compared without --bench, which `cargo bench` gives");
            Ok(())
        }
    }
}

fn compare() -> Result<(), Box<dyn Error>> {
    if !valgrind::is_there("comparison of loops")? {
        return Ok(());
    }
    println!("Instructions for {ELEMENTS} elements of f32 in shared memory");
    println!("{:20} {:>9} {:>9} {:>9}", "loop", "slice", "buffer", "view");
    let mut differ = Vec::new();
    for name in LOOPS {
        let of = |what| -> Result<u64, Box<dyn Error>> {
            let without = valgrind::instructions(&[what, name, "0"])?;
            let with = valgrind::instructions(&[what, name, "1"])?;
            Ok(with.saturating_sub(without))
        };
        let (slice, buffer, view) = (of("slice")?, of("buffer")?, of("view")?);
        println!("{name:20} {slice:>9} {buffer:>9} {view:>9}");
        if slice < ELEMENTS as u64 / 16 {
            return Err(format!("{name}: too few instructions for a loop: {slice}").into());
        }
        let allowed = slice / 100 * PERCENT + BESIDES;
        for (what, count) in [("buffer", buffer), ("view", view)] {
            if slice.abs_diff(count) > allowed {
                differ.push(format!("{name} of a {what}"));
            }
        }
    }
    if differ.is_empty() {
        Ok(())
    } else {
        Err(format!("not as of a slice: {}", differ.join(", ")).into())
    }
}

/// What runs under valgrind: a loop, so many times, on elements that are the same in all runs.
fn run(of: &str, name: &str, times: u32) -> Result<(), Box<dyn Error>> {
    // SAFETY: there is one buffer.
    let context = unsafe { nothing::context() }?;
    let device = context
        .devices()
        .first()
        .ok_or("the driver has no device")?;
    let mut buffer = context.device_area(device).shared().mmap::<f32>(ELEMENTS)?;
    buffer.as_mut_slice().fill(1.0);
    for _ in 0..times {
        let sum = match of {
            "slice" => slice::run(name, buffer.as_mut_slice())?,
            "buffer" => buffer::run(name, &mut buffer)?,
            "view" => view::run(name, &mut buffer.as_view_mut())?,
            other => return Err(format!("nothing to loop over: {other}").into()),
        };
        black_box(sum);
    }
    Ok(())
}
