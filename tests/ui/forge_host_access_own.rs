//! Host access for a type that is no placement.

use ze_area::HostAccess;

#[derive(Debug)]
enum Disk {}

impl HostAccess for Disk {}

fn main() {}
