//! A type of the user that claims to be lendable.

use ze_area::Lend;

struct Mine;

impl<'env> Lend<'env> for Mine {}

fn main() {}
