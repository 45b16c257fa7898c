//! Two parts of a part, both to be written to, which may overlap.

use ze_area::{Queue, Shared, ZeBuffer};

fn both(queue: &Queue, x: &mut ZeBuffer<f32, Shared>) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        let mut half = x.slice_mut(..8)?;
        let mut first = half.slice_mut(..4)?;
        let mut second = half.slice_mut(3..)?;
        q.fill(&mut first, 1.0)?;
        q.fill(&mut second, 2.0)
    });
}

fn main() {}
