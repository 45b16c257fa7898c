//! Host access for a placement that has none.

use ze_area::{Device, HostAccess};

impl HostAccess for Device {}

fn main() {}
