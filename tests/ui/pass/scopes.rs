//! Scopes as they are meant to be used.

use ze_area::{Device, Host, LentMut, Placement, Queue, Result, ScopeQueue, Shared, ZeBuffer};

fn chain(
    queue: &Queue,
    other: &Queue,
    x: &ZeBuffer<f32, Device>,
    y: &mut ZeBuffer<f32, Device>,
    s: &mut ZeBuffer<f32, Shared>,
    h: &mut ZeBuffer<f32, Host>,
) -> Result<f32> {
    let input = vec![1.0_f32; 8];
    let mut output = [0.0_f32; 8];
    let first = queue.scope(|q| {
        let input = q.lend(&input);
        let mut output = q.lend_mut(&mut output);
        let x = q.lend(x);
        let copy_of_x = x;
        let mut y = q.lend_mut(&mut *y);
        let mut s = q.lend_mut(&mut *s);
        let mut h = q.lend_mut(h.slice_mut(..8)?);
        q.copy(&input, &mut y)?;
        halve(q, &mut y)?;
        q.copy(&y, &mut s)?;
        let read = s.read()?;
        // Read by the device and by the host.
        q.copy(&s, &mut h)?;
        let first = read[0];
        q.on(other)?.copy(&copy_of_x, &mut h)?;
        let (low, mut high) = y.split_at_mut(4)?;
        q.copy(&low, &mut high)?;
        q.copy(&y.slice(..2)?, &mut s.slice_mut(2..4)?)?;
        q.copy(&h, &mut output)?;
        s.write()?[0] = 2.0;
        q.wait()?;
        Ok(first)
    })?;
    parts(queue, y)?;
    Ok(first + output[0] + s[0] + h[0])
}

fn halve<'scope, P: Placement>(
    q: &ScopeQueue<'scope>,
    y: &mut LentMut<'scope, f32, P>,
) -> Result<()> {
    q.fill(y, 0.5)
}

fn parts(queue: &Queue, y: &mut ZeBuffer<f32, Device>) -> Result<()> {
    let (low, high) = y.split_at_mut(3)?;
    queue.scope(|q| {
        q.fill(&mut q.lend_mut(low), 1.0)?;
        q.fill(&mut q.lend_mut(high), 2.0)
    })
}

fn main() {
    let _ = (chain, parts);
}
