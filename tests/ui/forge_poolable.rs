//! An area of one's own to make pools of.

use ze_area::{Context, Pool, Result};

struct Own(Context);

fn pool(own: &Own) -> Result<Pool> {
    Pool::builder(own).build()
}

fn main() {}
