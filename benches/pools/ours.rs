//! The areas of each placement, and their pools.

use core::fmt::Debug;
use ze_area::{Align, Area, Context, Device, DeviceArea, Host, HostArea, Pool, Shared};
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
    ($placement:ty, $area:ty, |$context:ident, $device:ident| $make:expr) => {
        impl Place for $placement {
            type Area = $area;
            type Pool = Pool<Align<64>, $placement>;

            fn area($context: &Context, $device: &ZeDevice) -> Self::Area {
                $make
            }

            fn pool(area: &Self::Area, kept: Option<usize>) -> Result<Self::Pool> {
                match kept {
                    None => area.pool(),
                    Some(kept) => Pool::builder(area).kept_capacity(kept).build(),
                }
            }
        }
    };
}

type SharedArea = DeviceArea<Align<64>, Shared>;

place!(Device, DeviceArea, |context, device| context
    .device_area(device));
place!(Shared, SharedArea, |context, device| context
    .device_area(device)
    .shared());
place!(Host, HostArea, |context, _device| context.host_area());
