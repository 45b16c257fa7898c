//! The method that takes memory of a pool without checks.

use ze_area::{Area, Pool};

fn raw(pool: &Pool) {
    let _ = pool.at_hand((), 100, 64);
}

fn generic<A: Area>(area: &A) {
    let _ = area.at_hand((), 100, 64);
}

fn main() {}
