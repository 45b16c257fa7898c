//! Hints on host memory for an area of device memory.

use ze_area::{DeviceArea, HostMemFlags};

fn hinted(area: &DeviceArea) {
    let _ = area.host_flags(HostMemFlags::BIAS_CACHED);
}

fn main() {}
