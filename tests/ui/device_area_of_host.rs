//! An area on a device that hands out host memory.

use ze_area::{Align, Context, DeviceArea, Host, ZeDevice};

fn area(context: &Context, device: &ZeDevice) -> DeviceArea<Align<64>, Host> {
    context.device_area(device)
}

fn main() {}
