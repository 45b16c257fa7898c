//! Which atomic accesses programs want on which allocation.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::device::DeviceId;
use crate::registry::lock;

/// An allocation, and a device by its root and part.
type Key = (u64, u32, Option<u32>);

/// Attributes by allocation and device. No allocation has the number of another, so that those of
/// freed ones do no harm.
#[derive(Default)]
pub(crate) struct Atomics(Mutex<HashMap<Key, u32>>);

fn key(serial: u64, device: DeviceId) -> Key {
    (serial, device.root, device.sub)
}

impl Atomics {
    pub(crate) fn set(&self, serial: u64, device: DeviceId, attributes: u32) {
        lock(&self.0).insert(key(serial, device), attributes);
    }

    pub(crate) fn get(&self, serial: u64, device: DeviceId) -> u32 {
        let attributes = lock(&self.0);
        attributes.get(&key(serial, device)).copied().unwrap_or(0)
    }
}
