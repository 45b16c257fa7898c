//! A clone in device memory taken for one in host memory.

use ze_area::{Device, DeviceArea, Error, Host, Queue, ZeBuffer};

fn twin(
    queue: &Queue,
    area: &DeviceArea,
    x: &ZeBuffer<f32, Device>,
) -> Result<ZeBuffer<f32, Host>, Error> {
    queue.clone_in(area, x)
}

fn main() {}
