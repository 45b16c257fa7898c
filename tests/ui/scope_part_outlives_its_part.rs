//! A part of a part, kept while the part itself is written to.

use ze_area::{Queue, Shared, ZeBuffer};

fn kept(queue: &Queue, x: &mut ZeBuffer<f32, Shared>, y: &mut ZeBuffer<f32, Shared>) {
    let _ = queue.scope(|q| {
        let (mut x, mut y) = (q.lend_mut(x), q.lend_mut(y));
        let mut half = x.slice_mut(..8)?;
        let first = half.slice(..4)?;
        q.fill(&mut half, 1.0)?;
        q.copy(&first, &mut y)
    });
}

fn main() {}
