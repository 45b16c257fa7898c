//! The usual way: fill on the host, compute on the device, read back on the host.

use ze_area::{Align, Context, Device, Host, HostAccess, Queue, Result, Shared, ZeBuffer};

fn chain(context: &Context, queue: &Queue) -> Result<f32> {
    let area = context.device_area(queue.device()).align::<4096>();
    let x: ZeBuffer<f32, Device> = area.mmap_from_slice(&[1.0, 2.0])?;
    let mut y: ZeBuffer<f32, Device> = area.mmap(2)?;
    let mut s: ZeBuffer<f32, Shared> = area.shared().mmap_from_fn(2, |index| index as f32)?;
    let mut h: ZeBuffer<f32, Host> = context.host_area().align::<128>().mmap(2)?;

    queue.copy(&x, &mut y)?;
    queue.copy(&y, &mut s)?;
    queue.copy(&s, &mut h)?;
    queue.copy(&[3.0_f32, 4.0], &mut y)?;
    queue.fill(&mut y, 1.0)?;
    queue.copy(
        &y.slice(..1)?,
        &mut x
            .into_cast::<f32>()
            .map_err(|back| back.error)?
            .slice_mut(1..)?,
    )?;

    s[0] = 1.0;
    h.iter_mut().for_each(|element| *element += 1.0);
    let sum = sum(&s) + sum(&h) + queue.to_vec(&y)?[0];
    h.free().map_err(|back| back.error)?;
    Ok(sum)
}

fn sum<P: HostAccess>(x: &ZeBuffer<f32, P>) -> f32 {
    x.iter().sum()
}

fn aligned_enough(context: &Context) -> Result<()> {
    let area = context.host_area().align::<8>();
    let _: Align<8> = area.alignment();
    let x: ZeBuffer<f64, Host> = area.mmap(1)?;
    let _ = x.cast::<[u8; 4]>()?;
    let _ = context.host_area().runtime_align(1)?.mmap::<f64>(1)?;
    Ok(())
}

fn main() {
    let _: fn(&Context, &Queue) -> Result<f32> = chain;
    let _: fn(&Context) -> Result<()> = aligned_enough;
}
