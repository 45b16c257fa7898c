//! A placement of one's own.

use ze_area::{Placement, PlacementKind};

#[derive(Debug)]
enum Disk {}

impl Placement for Disk {
    const KIND: PlacementKind = PlacementKind::Host;
}

fn main() {}
