//! A type made an element by hand.

use ze_area::Element;

#[derive(Clone, Copy)]
struct Flag(bool);

impl Element for Flag {}

fn main() {}
