//! A view of memory of other code that outlives its context.

use ze_area::{Context, Host, ZeSlice};

fn dangling<'a>(context: Context, memory: *const u32) -> ZeSlice<'a, u32, Host> {
    unsafe { ZeSlice::from_raw(&context, memory, 1) }.unwrap()
}

fn main() {}
