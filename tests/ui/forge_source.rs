//! A source of copies of one's own.

use ze_area::Source;

struct Own(Vec<f32>);

impl Source for Own {}

fn main() {}
