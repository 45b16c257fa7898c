//! Device memory passed where host access is asked for.

use ze_area::{Device, HostAccess, ZeBuffer};

fn sum<P: HostAccess>(x: &ZeBuffer<f32, P>) -> f32 {
    x.iter().sum()
}

fn sum_of_buffer(x: &ZeBuffer<f32, Device>) -> f32 {
    sum(x)
}

fn main() {}
