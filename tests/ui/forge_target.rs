//! A target of copies of one's own.

use ze_area::Target;

struct Own(Vec<f32>);

impl Target for Own {}

fn main() {}
