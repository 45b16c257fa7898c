//! An argument of a type of the user's own.

use ze_area::{Arg, In, Now};

struct Mine;

impl Arg<Now, In<f32>> for Mine {}

fn main() {}
