//! The areas of each placement, and their pools.

use core::fmt::Debug;
use ze_area::{Align, Area, Context, Device, DeviceArea, Host, HostArea, Shared};
use ze_area::{Placement, Result, ZeDevice};

/// A placement, with the areas that have it.
pub(crate) trait Place: Placement + Debug + Sync {
    /// The area without a pool.
    type Area: Area<Placement = Self> + Sync;
    /// The area with one.
    type Pool: Area<Placement = Self> + Sync;

    fn area(context: &Context, device: &ZeDevice) -> Self::Area;

    /// A pool over the area with its default settings, but for the most bytes that it keeps for
    /// reuse, where they are given.
    fn pool(area: &Self::Area, kept: Option<usize>) -> Result<Self::Pool>;
}

macro_rules! place {
    ($placement:ty, $area:ty, $pool:ty, |$context:ident, $device:ident| $make:expr) => {
        impl Place for $placement {
            type Area = $area;
            type Pool = $pool;

            fn area($context: &Context, $device: &ZeDevice) -> Self::Area {
                $make
            }

            fn pool(area: &Self::Area, kept: Option<usize>) -> Result<Self::Pool> {
                // There is no pool yet: the area stands in for it.
                let _ = kept;
                Ok(area.clone())
            }
        }
    };
}

type SharedArea = DeviceArea<Align<64>, Shared>;

place!(Device, DeviceArea, DeviceArea, |context, device| context
    .device_area(device));
place!(Shared, SharedArea, SharedArea, |context, device| context
    .device_area(device)
    .shared());
place!(Host, HostArea, HostArea, |context, _device| context
    .host_area());
