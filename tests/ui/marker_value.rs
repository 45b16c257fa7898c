//! A value of a placement.

use ze_area::Device;

fn value() -> Device {
    Device
}

fn main() {}
