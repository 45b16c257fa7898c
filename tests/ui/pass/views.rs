//! Views: parts, halves, one after the other, across threads, and as atomics.

use core::mem::MaybeUninit;
use core::sync::atomic::Ordering;
use ze_area::{Area, AtomicSlice, Device, Host, Queue, Result, ZeBuffer, ZeSlice};

fn parts(queue: &Queue, x: &mut ZeBuffer<f32, Device>) -> Result<()> {
    let (left, mut right) = x.split_at_mut(2)?;
    queue.copy(&left, &mut right)?;
    queue.fill(&mut x.slice_mut(1..)?, 2.0)?;
    let view = x.as_view();
    let again: ZeSlice<'_, f32, Device> = view;
    queue.copy(&view.slice(..1)?, &mut vec![0.0_f32])?;
    let _ = again.cast::<u32>()?;
    Ok(())
}

fn written_first<A: Area>(area: &A, queue: &Queue) -> Result<ZeBuffer<f32, A::Placement>> {
    let fresh: ZeBuffer<MaybeUninit<f32>, A::Placement> = area.mmap_uninit(2)?;
    queue
        .init(fresh, &[1.0_f32, 2.0])
        .map_err(|back| back.error)
}

fn written_by_host(fresh: ZeBuffer<MaybeUninit<u8>, Host>) -> bool {
    fresh.write_from_slice(b"abc").is_ok_and(|x| x == *b"abc")
}

fn across_threads(x: &mut ZeBuffer<f32, Host>, y: ZeBuffer<f32, Device>) {
    std::thread::scope(|scope| {
        scope.spawn(|| x[0] = 1.0);
        scope.spawn(move || drop(y));
    });
}

fn met(x: &mut ZeBuffer<u64, Host>) -> Result<()> {
    let all = x.as_atomics();
    let first: AtomicSlice<'_, u64, Host> = all.slice(..1)?;
    std::thread::scope(|scope| {
        scope.spawn(move || first[0].fetch_add(1, Ordering::Relaxed));
        scope.spawn(move || all[0].fetch_add(1, Ordering::Relaxed));
    });
    x[0] += 1;
    Ok(())
}

fn main() {
    let _: fn(&Queue, &mut ZeBuffer<f32, Device>) -> Result<()> = parts;
    let _: fn(&ze_area::HostArea, &Queue) -> Result<ZeBuffer<f32, Host>> = written_first;
    let _: fn(&ze_area::DeviceArea, &Queue) -> Result<ZeBuffer<f32, Device>> = written_first;
    let _: fn(ZeBuffer<MaybeUninit<u8>, Host>) -> bool = written_by_host;
    let _: fn(&mut ZeBuffer<f32, Host>, ZeBuffer<f32, Device>) = across_threads;
    let _: fn(&mut ZeBuffer<u64, Host>) -> Result<()> = met;
}
