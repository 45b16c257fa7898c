//! A grid cut into groups that a device takes.

use super::grid::{Grid, GridProblem};
use crate::device::ComputeLimits;
use crate::error::Result;

/// What a launch is appended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What the kernel sees as its global size: `groups` times `group`.
    pub(crate) items: [usize; 3],
    pub(crate) group: [u32; 3],
    pub(crate) groups: [u32; 3],
}

/// Dimensions are padded to multiples of this where no group size is given.
const PADDING: usize = 64;

/// The most items of a group that is looked for here; devices take fewer, whatever drivers say.
const LARGEST: u32 = 1 << 14;

impl Plan {
    /// Cuts a grid without empty dimensions.
    ///
    /// `suggest` asks the driver for a group size; what it says is taken where it fits.
    pub(super) fn new(
        grid: &Grid,
        required: Option<[u32; 3]>,
        limits: &ComputeLimits,
        suggest: impl FnOnce([u32; 3]) -> Result<[u32; 3]>,
    ) -> Result<Result<Self, GridProblem>> {
        let group = match Self::given(grid, required) {
            Ok(group) => group,
            Err(problem) => return Ok(Err(problem)),
        };
        let mut items = grid.items;
        let group = match group {
            Some(group) => group,
            None => {
                if grid.padded && items[0] > 1 {
                    let multiple = items[0].min(1 << 62).next_power_of_two().min(PADDING);
                    match items[0].checked_next_multiple_of(multiple) {
                        Some(width) => items[0] = width,
                        None => return Ok(Err(GridProblem::ManyItems)),
                    }
                }
                let suggested = match narrow(items) {
                    Some(sizes) => Some(suggest(sizes)?),
                    None => None,
                };
                suggested
                    .filter(|group| divides(*group, items) && fits(*group, limits))
                    .unwrap_or_else(|| largest(items, limits))
            }
        };
        Ok(Self::cut(items, group, grid.padded, limits))
    }

    /// The size of groups that the grid or the kernel asks for.
    fn given(grid: &Grid, required: Option<[u32; 3]>) -> Result<Option<[u32; 3]>, GridProblem> {
        let Some(sizes) = grid.group else {
            return Ok(required);
        };
        // A size beyond 32 bits is beyond all limits, too.
        let group = sizes.map(|size| u32::try_from(size).unwrap_or(u32::MAX));
        match required {
            Some(required) if required != group => Err(GridProblem::Required { group: required }),
            _ => Ok(Some(group)),
        }
    }

    fn cut(
        mut items: [usize; 3],
        group: [u32; 3],
        padded: bool,
        limits: &ComputeLimits,
    ) -> Result<Self, GridProblem> {
        if group.contains(&0) {
            return Err(GridProblem::EmptyGroup);
        }
        if !fits(group, limits) {
            return Err(GridProblem::LargeGroup {
                limit: limits.max_group_size,
                total: limits.max_total_group_size,
            });
        }
        let mut groups = [0; 3];
        let mut all = 1_usize;
        for (axis, size) in group.into_iter().enumerate() {
            let size = size as usize;
            if !items[axis].is_multiple_of(size) {
                if !padded {
                    return Err(GridProblem::NotWhole { group });
                }
                let whole = items[axis].checked_next_multiple_of(size);
                items[axis] = whole.ok_or(GridProblem::ManyItems)?;
            }
            all = all.checked_mul(items[axis]).ok_or(GridProblem::ManyItems)?;
            groups[axis] = u32::try_from(items[axis] / size)
                .ok()
                .filter(|count| *count <= limits.max_group_count[axis])
                .ok_or(GridProblem::ManyGroups {
                    limit: limits.max_group_count,
                })?;
        }
        Ok(Self {
            items,
            group,
            groups,
        })
    }
}

/// The items as the driver counts them, where it can.
fn narrow(items: [usize; 3]) -> Option<[u32; 3]> {
    let mut sizes = [0; 3];
    for (size, items) in sizes.iter_mut().zip(items) {
        *size = u32::try_from(items).ok()?;
    }
    Some(sizes)
}

fn divides(group: [u32; 3], items: [usize; 3]) -> bool {
    let mut pairs = group.into_iter().zip(items);
    pairs.all(|(size, items)| size > 0 && items.is_multiple_of(size as usize))
}

fn fits(group: [u32; 3], limits: &ComputeLimits) -> bool {
    let mut pairs = group.into_iter().zip(limits.max_group_size);
    let total: u128 = group.into_iter().map(u128::from).product();
    pairs.all(|(size, most)| size <= most) && total <= u128::from(limits.max_total_group_size)
}

/// The largest groups that divide the items, as wide as possible.
fn largest(items: [usize; 3], limits: &ComputeLimits) -> [u32; 3] {
    let mut left = limits.max_total_group_size.clamp(1, LARGEST);
    let mut group = [1; 3];
    for (axis, size) in group.iter_mut().enumerate() {
        let most = left.min(limits.max_group_size[axis]);
        let divisor = |size: &u32| items[axis].is_multiple_of(*size as usize);
        *size = (1..=most).rev().find(divisor).unwrap_or(1);
        left /= *size;
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn limits() -> ComputeLimits {
        ComputeLimits {
            max_total_group_size: 256,
            max_group_size: [256, 256, 16],
            max_group_count: [u32::MAX, 1000, 1000],
            max_shared_local_memory: 0,
            sub_group_sizes: Vec::new(),
        }
    }

    fn plan(grid: impl Into<Grid>, suggested: [u32; 3]) -> Result<Plan, GridProblem> {
        Plan::new(&grid.into(), None, &limits(), |_| Ok(suggested)).unwrap()
    }

    #[test]
    fn a_suggestion_that_does_not_divide_or_fit_is_not_taken() {
        for wrong in [[64, 1, 1], [0, 1, 1], [1000, 1, 1], [500, 1, 1]] {
            let plan = plan(1000, wrong).unwrap();
            assert_eq!((plan.group, plan.groups), ([250, 1, 1], [4, 1, 1]));
        }
        assert_eq!(plan(1000, [8, 1, 1]).unwrap().groups, [125, 1, 1]);
        let plan = plan([100, 3, 32], [0; 3]).unwrap();
        assert_eq!(plan.group, [100, 1, 2]);
    }

    #[test]
    fn absurd_limits_of_a_driver_are_not_searched() {
        let limits = ComputeLimits {
            max_total_group_size: u32::MAX,
            max_group_size: [u32::MAX; 3],
            max_group_count: [u32::MAX; 3],
            ..limits()
        };
        let grid = Grid::from(1 << 20);
        let plan = Plan::new(&grid, None, &limits, |_| Ok([0; 3]));
        assert_eq!(plan.unwrap().unwrap().group, [LARGEST, 1, 1]);
    }

    #[test]
    fn more_items_than_the_driver_can_count_are_cut_without_it() {
        let grid = Grid::from(1_usize << 33);
        let plan = Plan::new(&grid, None, &limits(), |_| {
            Err(Error::Exiting { call: "asked" })
        });
        let plan = plan.unwrap().unwrap();
        assert_eq!((plan.group[0], plan.groups[0]), (256, 1 << 25));
    }

    #[test]
    fn padding_makes_whole_groups() {
        let grid = Grid::from([1009, 5]);
        let given = plan(grid.group_size([64, 2]).padded(), [1; 3]).unwrap();
        assert_eq!(given.items, [1024, 6, 1]);
        let found = plan(grid.padded(), [64, 1, 1]).unwrap();
        assert_eq!((found.items, found.group), ([1024, 5, 1], [64, 1, 1]));
        let most = Grid::from(usize::MAX).padded();
        assert_eq!(plan(most, [1; 3]), Err(GridProblem::ManyItems));
    }

    #[test]
    fn what_is_beyond_the_limits_is_refused() {
        let group =
            |items: usize, size: [usize; 3]| plan(Grid::from(items).group_size(size), [1; 3]);
        let large = |problem| matches!(problem, Err(GridProblem::LargeGroup { total: 256, .. }));
        assert!(large(group(1024, [512, 1, 1])));
        assert!(large(group(1024, [1, 1, 32])));
        assert!(large(group(1024, [32, 16, 1])));
        assert!(large(group(1024, [1 << 40, 1, 1])));
        assert_eq!(group(8, [0, 1, 1]), Err(GridProblem::EmptyGroup));
        assert_eq!(
            group(9, [2, 1, 1]),
            Err(GridProblem::NotWhole { group: [2, 1, 1] })
        );
        let many = plan(Grid::from([1, 1001]).group_size(1), [1; 3]);
        assert!(matches!(many, Err(GridProblem::ManyGroups { .. })));
        let many = plan([1 << 40, 1000, 1 << 20], [1; 3]);
        assert!(many.is_err());
        let counted = plan(
            Grid::from([1 << 32, 1 << 20, 1 << 20]).group_size(1),
            [1; 3],
        );
        assert!(counted.is_err());
    }

    #[test]
    fn the_group_size_that_a_kernel_requires_is_taken_or_asked_for() {
        let required = Some([4, 2, 1]);
        let cut = |grid: Grid| Plan::new(&grid, required, &limits(), |_| Ok([1; 3])).unwrap();
        assert_eq!(cut(Grid::from([8, 8])).unwrap().groups, [2, 4, 1]);
        assert!(cut(Grid::from([8, 8]).group_size([4, 2])).is_ok());
        let other = cut(Grid::from([8, 8]).group_size([8]));
        assert_eq!(other, Err(GridProblem::Required { group: [4, 2, 1] }));
        assert!(matches!(
            cut(Grid::from([9, 8])),
            Err(GridProblem::NotWhole { .. })
        ));
        assert_eq!(cut(Grid::from([9, 7]).padded()).unwrap().items, [12, 8, 1]);
    }
}
