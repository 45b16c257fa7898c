//! A type of the user's that says it is shared memory.

use ze_area::{DriverMemory, Shared, SharedMemory};

struct Mine;

impl DriverMemory for Mine {
    type Placement = Shared;
}

impl SharedMemory for Mine {}

fn main() {}
