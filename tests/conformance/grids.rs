//! Grids: which items there are, in which groups.

use crate::drivers::Subject;
use crate::kernels::{kernel, ran};
use crate::modules::setup;
use crate::promises;
use std::sync::{Arc, Mutex};
use ze_area::{Error, Grid, Host, InOut, Kernel, Module, Out, Queue, ZeBuffer};

promises![
    grids_of_one_to_three_dimensions_have_the_items_asked_for,
    a_grid_of_prime_length_can_be_padded,
    a_grid_without_items_launches_nothing,
    a_required_group_size_is_taken_and_another_refused,
    a_grid_beyond_the_limits_is_refused,
    each_launch_of_a_kernel_has_its_own_grid,
    a_rule_may_launch_the_kernel_that_it_is_asked_for,
];

/// Launches the kernel that writes where each item is, and checks it.
fn place(subject: &Subject, queue: &Queue, module: &Module, grid: Grid, seen: [u32; 3]) {
    let place = kernel::<(Out<[u32; 6]>,)>(module, "place");
    let items: u32 = seen.iter().product();
    let host = module.context().host_area();
    let mut out = host.mmap::<[u32; 6]>(items as usize).unwrap();
    queue.launch(&place, grid, (&mut out,)).unwrap();
    if !ran(subject) {
        return;
    }
    let mut written = out.iter();
    for z in 0..seen[2] {
        for y in 0..seen[1] {
            for x in 0..seen[0] {
                let [at @ .., gx, gy, gz] = written.next().unwrap();
                assert_eq!(*at, [x, y, z], "{grid}");
                for (size, group) in seen.into_iter().zip([gx, gy, gz]) {
                    assert!(*group > 0 && size % group == 0, "{grid} in {gx}x{gy}x{gz}");
                }
            }
        }
    }
}

fn grids_of_one_to_three_dimensions_have_the_items_asked_for(subject: &Subject) {
    let Some((_context, queue, module)) = setup(subject) else {
        return;
    };
    let check = |grid: Grid, seen| place(subject, &queue, &module, grid, seen);
    check(Grid::from(1), [1, 1, 1]);
    check(Grid::from(1009), [1009, 1, 1]);
    check(Grid::from([640]), [640, 1, 1]);
    check(Grid::from([30, 7]), [30, 7, 1]);
    check(Grid::from([5, 6, 7]), [5, 6, 7]);
    check(Grid::from([1, 1, 31]), [1, 1, 31]);
    check(Grid::from([64, 8]).group_size([16, 2]), [64, 8, 1]);
    check(Grid::from([8, 8, 8]).group_size([2, 4, 8]), [8, 8, 8]);
    check(Grid::from([10, 10]).group_size(5), [10, 10, 1]);
    check(Grid::from([10, 3]).group_size([4, 2]).padded(), [12, 4, 1]);
}

fn a_grid_of_prime_length_can_be_padded(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let iota = kernel::<(Out<u32>, u32)>(&module, "iota");
    for grid in [
        Grid::from(1009).group_size(64).padded(),
        Grid::from(1009).padded(),
    ] {
        let mut out = context.host_area().mmap_from_slice(&[9; 1010]).unwrap();
        queue.launch(&iota, grid, (&mut out, 1009)).unwrap();
        if ran(subject) {
            assert!(out[..1009].iter().copied().eq(0..1009));
            assert_eq!(out[1009], 9);
        }
    }
    let mut out = context.host_area().mmap::<u32>(1009).unwrap();
    let uneven = Grid::from(1009).group_size(64);
    let error = queue.launch(&iota, uneven, (&mut out, 1009)).unwrap_err();
    assert!(matches!(error, Error::BadGrid { .. }), "{error}");
    let text = error.to_string();
    for part in ["1009x1x1", "64x1x1", "iota", ".padded()"] {
        assert!(text.contains(part), "{text}");
    }
}

fn a_grid_without_items_launches_nothing(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let twice = kernel::<(InOut<u32>,)>(&module, "twice");
    let mut x = context.host_area().mmap_from_slice(&[21]).unwrap();
    queue.launch(&twice, 0, (&mut x,)).unwrap();
    queue.launch(&twice, [1, 0], (&mut x,)).unwrap();
    queue.launch(&twice, [0, 7, 1], (&mut x,)).unwrap();
    let mut empty = context.host_area().mmap::<u32>(0).unwrap();
    queue
        .launch(&twice, Grid::from(0).padded(), (&mut empty,))
        .unwrap();
    if ran(subject) {
        assert_eq!(x, [21]);
    }
}

fn a_required_group_size_is_taken_and_another_refused(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let required = kernel::<(Out<u32>,)>(&module, "required");
    assert_eq!(required.properties().required_group_size, Some([4, 2, 1]));
    let mut out = context.host_area().mmap::<u32>(32).unwrap();
    queue.launch(&required, [8, 4], (&mut out,)).unwrap();
    if ran(subject) {
        assert_eq!(out, [42; 32]);
    }
    let given = Grid::from([8, 4]).group_size([4, 2]);
    queue.launch(&required, given, (&mut out,)).unwrap();
    for wrong in [
        Grid::from([8, 4]).group_size([8]),
        Grid::from([7, 4]),
        Grid::from(32),
    ] {
        let error = queue.launch(&required, wrong, (&mut out,)).unwrap_err();
        assert!(matches!(error, Error::BadGrid { .. }), "{error}");
        assert!(error.to_string().contains("4x2x1"), "{error}");
    }
}

fn a_grid_beyond_the_limits_is_refused(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let twice = kernel::<(InOut<u32>,)>(&module, "twice");
    let mut x = context.host_area().mmap_from_slice(&[1; 64]).unwrap();
    let total = subject.device().compute_limits().max_total_group_size as usize;
    for grid in [
        Grid::from(total * 2).group_size(total * 2),
        Grid::from([total, 2]).group_size([total, 2]),
        Grid::from(64).group_size(1 << 40),
        Grid::from(64).group_size(0),
        Grid::from(usize::MAX).group_size(1),
        Grid::from(usize::MAX - 2).group_size(64).padded(),
        Grid::from([1 << 33, 1 << 31]),
        Grid::from([usize::MAX, usize::MAX, usize::MAX]),
    ] {
        let error = queue.launch(&twice, grid, (&mut x,)).unwrap_err();
        assert!(matches!(error, Error::BadGrid { .. }), "{error}");
    }
    queue.launch(&twice, 64, (&mut x,)).unwrap();
    if ran(subject) {
        assert_eq!(x, [2; 64]);
    }
}

fn each_launch_of_a_kernel_has_its_own_grid(subject: &Subject) {
    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let place = kernel::<(Out<[u32; 6]>,)>(&module, "place");
    let launch = |grid: Grid, items: [u32; 3], group: Option<[u32; 3]>| {
        let host = context.host_area();
        let count: u32 = items.iter().product();
        let mut out = host.mmap_from_slice(&[[u32::MAX; 6]; 512]).unwrap();
        queue.launch(&place, grid, (&mut out,)).unwrap();
        if !ran(subject) {
            return;
        }
        let [x, y, z, groups @ ..] = out[count as usize - 1];
        assert_eq!([x, y, z], items.map(|n| n - 1), "{grid}");
        assert!(group.is_none_or(|group| group == groups), "{grid}");
        assert_eq!(out[count as usize], [u32::MAX; 6], "{grid}");
    };
    for _ in 0..2 {
        launch(Grid::from(64).group_size(8), [64, 1, 1], Some([8, 1, 1]));
        launch(Grid::from(64).group_size(8), [64, 1, 1], Some([8, 1, 1]));
        launch(Grid::from(64).group_size(4), [64, 1, 1], Some([4, 1, 1]));
        launch(Grid::from(128).group_size(4), [128, 1, 1], Some([4, 1, 1]));
        launch(Grid::from([8, 8]), [8, 8, 1], None);
        // As many items, in other dimensions.
        launch(Grid::from([4, 16]), [4, 16, 1], None);
        let uneven = Grid::from(63).group_size(8);
        let mut out = context.host_area().mmap::<[u32; 6]>(64).unwrap();
        let error = queue.launch(&place, uneven, (&mut out,)).unwrap_err();
        assert!(matches!(error, Error::BadGrid { .. }), "{error}");
        // What was refused is not what is launched next.
        launch(uneven.padded(), [64, 1, 1], Some([8, 1, 1]));
        let error = queue.launch(&place, uneven, (&mut out,)).unwrap_err();
        assert!(matches!(error, Error::BadGrid { .. }), "{error}");
        queue.launch(&place, 0, (&mut out,)).unwrap();
        launch(Grid::from(64).group_size(8), [64, 1, 1], Some([8, 1, 1]));
    }
}

fn a_rule_may_launch_the_kernel_that_it_is_asked_for(subject: &Subject) {
    type Again = Mutex<Option<(Queue, Kernel<(InOut<u32>,)>, ZeBuffer<u32, Host>)>>;

    let Some((context, queue, module)) = setup(subject) else {
        return;
    };
    let again: Arc<Again> = Arc::default();
    let inside = Arc::clone(&again);
    // SAFETY: that is its signature, and every launch has as many items as elements.
    let twice = unsafe {
        module.kernel_where("twice", move |launch| {
            if launch.items() == 64 {
                let mut again = inside.lock().unwrap();
                let Some((queue, twice, x)) = &mut *again else {
                    return false;
                };
                let grid = Grid::from(8).group_size(2);
                queue.launch(twice, grid, (x,)).unwrap();
            }
            true
        })
    }
    .unwrap();
    let mut x = context.host_area().mmap_from_slice(&[1_u32; 64]).unwrap();
    let other = context.host_area().mmap_from_slice(&[1_u32; 8]).unwrap();
    *again.lock().unwrap() = Some((queue.clone(), twice.clone(), other));
    for _ in 0..3 {
        queue.launch(&twice, 64, (&mut x,)).unwrap();
    }
    let (_, _, other) = again.lock().unwrap().take().unwrap();
    if ran(subject) {
        assert_eq!(x, [8; 64]);
        assert_eq!(other, [8; 8]);
    }
    let error = queue.launch(&twice, 64, (&mut x,)).unwrap_err();
    assert!(matches!(error, Error::LaunchRefused { .. }), "{error}");
}
