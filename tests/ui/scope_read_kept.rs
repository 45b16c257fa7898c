//! What the host reads, kept while the next operation writes it.

use ze_area::{Host, Queue, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Host>) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        let elements = x.read()?;
        q.fill(&mut x, 1.0)?;
        assert_eq!(elements[0], 0.0);
        Ok(())
    });
}

fn main() {}
