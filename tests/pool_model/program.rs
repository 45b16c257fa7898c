//! Random pools, and random programs that use them.

use crate::POOLS;
use proptest::prelude::*;
use std::time::Duration;
use ze_area::PlacementKind;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// How a pool is built.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) placement: PlacementKind,
    pub(crate) align: usize,
    pub(crate) smallest: usize,
    pub(crate) slab: usize,
    pub(crate) largest: usize,
    pub(crate) capacity: usize,
    pub(crate) erase: bool,
    pub(crate) share: bool,
    pub(crate) idle: Duration,
}

/// A step of a program. What it picks of is counted modulo how many there are.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Allocate {
        pool: usize,
        bytes: usize,
    },
    Free {
        which: usize,
    },
    /// Some in a row, as programs do.
    FreeMany {
        from: usize,
        count: usize,
    },
    /// A thread frees it, and uses the pool itself now and then.
    FreeElsewhere {
        which: usize,
    },
    Trim {
        pool: usize,
    },
    Reset {
        pool: usize,
    },
    /// Drops the handle with buffers alive, and makes another pool in its place.
    Close {
        pool: usize,
    },
    /// The thread that frees ends, and another begins.
    EndThread,
    Statistics {
        pool: usize,
    },
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    let placement = prop_oneof![
        Just(PlacementKind::Host),
        Just(PlacementKind::Shared),
        Just(PlacementKind::Device)
    ];
    let power = prop_oneof![4 => Just(6_u32), 1 => 0..17_u32, 1 => Just(21)];
    let sizes = (
        prop_oneof![4 => Just(64_usize), 1 => Just(256), 1 => Just(8 * KIB)],
        prop_oneof![4 => Just(64 * KIB), 1 => Just(256 * KIB)],
        prop_oneof![4 => Just(64 * MIB), 1 => Just(0), 1 => Just(1000), 1 => Just(128 * KIB)],
        prop_oneof![2 => Just(64 * MIB), 1 => Just(0), 2 => Just(MIB), 1 => Just(100 * KIB)],
    );
    let idle = prop_oneof![Just(Duration::ZERO), Just(Duration::from_secs(60))];
    let erase = prop_oneof![3 => Just(false), 1 => Just(true)];
    let share = prop_oneof![5 => Just(true), 1 => Just(false)];
    (placement, power, sizes, erase, share, idle).prop_map(
        |(placement, power, (smallest, slab, largest, capacity), erase, share, idle)| Plan {
            placement,
            align: 1 << power,
            smallest,
            slab,
            largest,
            capacity,
            erase,
            share,
            idle,
        },
    )
}

fn bytes() -> impl Strategy<Value = usize> {
    // Few sizes often, so that magazines fill; all of them now and then; also beside the classes.
    prop_oneof![
        4 => prop_oneof![Just(64_usize), Just(100), Just(1000), Just(4096)],
        3 => (0..18_u32, any::<prop::sample::Index>()).prop_map(|(power, at)| {
            1 + at.index(1 << power)
        }),
        2 => (6..21_u32, 0..8_usize, 0..3_usize).prop_map(|(power, eighth, beside)| {
            ((1_usize << power) + eighth * (1 << power >> 3) + beside).max(2) - 1
        }),
        1 => 1..3 * MIB,
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let pool = 0..POOLS;
    let which = any::<prop::sample::Index>().prop_map(|at| at.index(1 << 16));
    prop_oneof![
        30 => (pool.clone(), bytes()).prop_map(|(pool, bytes)| Step::Allocate { pool, bytes }),
        12 => which.clone().prop_map(|which| Step::Free { which }),
        2 => (which.clone(), 1..200_usize)
            .prop_map(|(from, count)| Step::FreeMany { from, count }),
        6 => which.prop_map(|which| Step::FreeElsewhere { which }),
        1 => pool.clone().prop_map(|pool| Step::Trim { pool }),
        1 => pool.clone().prop_map(|pool| Step::Reset { pool }),
        1 => pool.clone().prop_map(|pool| Step::Close { pool }),
        1 => Just(Step::EndThread),
        2 => pool.prop_map(|pool| Step::Statistics { pool }),
    ]
}
