//! A view of memory of other code, which somebody has to vouch for.

use ze_area::{Context, Host, ZeSlice};

fn view(context: &Context, memory: *const u32) -> ze_area::Result<ZeSlice<'_, u32, Host>> {
    ZeSlice::from_raw(context, memory, 1)
}

fn main() {}
