//! What the host writes, kept while the next operation reads it.

use ze_area::{Host, Queue, Shared, ZeBuffer};

fn run(queue: &Queue, x: &mut ZeBuffer<f32, Host>, y: &mut ZeBuffer<f32, Shared>) {
    let _ = queue.scope(|q| {
        let mut x = q.lend_mut(x);
        let elements = x.write()?;
        q.copy(&x, &mut q.lend_mut(y))?;
        elements[0] = 1.0;
        Ok(())
    });
}

fn main() {}
