//! A buffer put together from parts without vouching for them.

use ze_area::{Context, Device, RawParts, ZeBuffer};

fn put_together(context: &Context, parts: RawParts<f32>) -> ZeBuffer<f32, Device> {
    ZeBuffer::from_raw_parts(context, parts)
}

fn main() {}
