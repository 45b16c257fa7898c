//! An alignment of one's own.

use ze_area::Alignment;

#[derive(Clone, Copy, Debug)]
struct Hundred;

impl Alignment for Hundred {
    const STATIC: Option<usize> = Some(100);

    fn bytes(self) -> usize {
        100
    }
}

fn main() {}
