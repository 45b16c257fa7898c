//! `Align` made an alignment for a number that is no power of two.

use ze_area::{Align, Alignment};

impl Alignment for Align<100> {
    const STATIC: Option<usize> = Some(100);

    fn bytes(self) -> usize {
        100
    }
}

fn main() {}
