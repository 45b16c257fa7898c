//! An allocation from what is no area.

use ze_area::{Area, Context};

fn table(area: &impl Area) {
    let _ = area.mmap::<f32>(3);
}

fn table_in(context: &Context) {
    table(context);
}

fn main() {}
