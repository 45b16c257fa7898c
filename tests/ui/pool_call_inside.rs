//! The method that takes memory of a pool without checks.

use ze_area::{Area, Error, Pool};

fn raw(pool: &Pool, error: &mut Option<Error>) {
    let _ = pool.pooled((), 100, 64, error);
}

fn generic<A: Area>(area: &A, error: &mut Option<Error>) {
    let _ = area.pooled((), 100, 64, error);
}

fn main() {}
