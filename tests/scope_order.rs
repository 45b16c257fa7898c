//! Scopes on a driver that orders nothing it does not have to: their contents are those of the same
//! program run one operation after the other.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "scope_order/cases.rs"]
mod cases;
#[path = "scope_order/model.rs"]
mod model;
#[path = "scope_order/program.rs"]
mod program;

use model::Faults;
use program::{World, check, shortest_failure};

/// How many random programs of a kind are run.
const PROGRAMS: u64 = 400;

fn all_programs(first: u64, operations: usize, faults: Faults) {
    for seed in first..first + PROGRAMS {
        let world = World::new(seed, faults);
        if let Err(why) = check(&world, seed, operations) {
            let (operations, why) =
                shortest_failure(seed, operations, faults).unwrap_or((operations, why));
            panic!("seed {seed}, {operations} operations: {why}");
        }
    }
}

#[test]
fn a_scope_does_what_its_operations_do_one_after_the_other() {
    all_programs(0, 40, Faults::None);
    all_programs(1_000_000, 8, Faults::None);
}

#[test]
fn a_scope_does_what_those_of_its_operations_do_that_do_not_fail() {
    all_programs(2_000_000, 40, Faults::Some);
}

#[test]
fn an_operation_waits_however_many_queues_depend_on_each_other() {
    // One of them is where the events are used again, and nothing follows it.
    for dependencies in 511..=515 {
        for seed in 0..8 {
            World::new(seed, Faults::None).ping_pong(dependencies);
        }
    }
    World::new(1, Faults::None).ping_pong(3000);
}

#[test]
fn operations_on_different_buffers_do_not_wait_for_each_other() {
    let world = World::new(3, Faults::None);
    let (fences, signals) = world.independent(20);
    assert_eq!((fences, signals), (0, 1), "the end of the scope waits once");
}

#[test]
fn each_operation_of_a_chain_waits_once() {
    for links in [1, 2, 3, 50] {
        let world = World::new(4, Faults::None);
        assert_eq!(world.chain(links), (links - 1, 1), "{links} operations");
    }
}

#[test]
fn operations_that_read_one_buffer_do_not_wait_for_each_other() {
    let world = World::new(5, Faults::None);
    assert_eq!(world.readers(10), (1, 1), "all wait for what wrote it");
}

#[test]
fn a_write_waits_for_the_reads_of_all_queues() {
    for seed in 0..100 {
        World::new(seed, Faults::None).reads_of_all_queues();
    }
}

#[test]
fn a_wait_for_one_buffer_leaves_other_queues_alone() {
    World::new(6, Faults::None).reads_one_queue();
}

#[test]
fn all_is_done_when_the_closure_fails_or_panics() {
    for seed in 0..20 {
        World::new(seed, Faults::None).ends_early();
    }
}

#[test]
fn a_fill_that_is_written_out_is_in_order() {
    for seed in 0..10 {
        World::new(seed, Faults::None).fill_in_pieces();
    }
}

#[test]
fn a_fill_that_is_started_and_written_out_is_in_order() {
    for seed in 0..10 {
        World::new(seed, Faults::None).started_fills();
    }
}

#[test]
fn patterns_are_kept_until_the_scope_is_over() {
    World::new(7, Faults::None).many_patterns(600);
}

#[test]
fn a_scope_in_which_nothing_is_done_makes_no_call() {
    let world = World::new(8, Faults::None);
    assert_eq!(world.nothing(), 0);
}
