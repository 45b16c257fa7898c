//! How many items a launch has, and in which groups.

use core::fmt;

pub(crate) mod sealed {
    pub trait Extent {
        /// By dimension, 1 for those that are not named.
        fn extent(self) -> [usize; 3];
    }
}

/// Sizes in one to three dimensions: `n`, `[x]`, `[x, y]`, `[x, y, z]`.
///
/// Sealed: these are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no size in one to three dimensions",
    note = "sizes are `usize`: `n`, `[x]`, `[x, y]` or `[x, y, z]`"
)]
pub trait Dimensions: sealed::Extent {}

macro_rules! dimensions {
    ($($type:ty: $sizes:ident => $extent:expr;)*) => {$(
        impl sealed::Extent for $type {
            fn extent(self) -> [usize; 3] {
                let $sizes = self;
                $extent
            }
        }

        impl Dimensions for $type {}

        impl From<$type> for Grid {
            fn from(items: $type) -> Self {
                Self {
                    items: sealed::Extent::extent(items),
                    group: None,
                    padded: false,
                }
            }
        }
    )*};
}

dimensions! {
    usize: n => [n, 1, 1];
    [usize; 1]: n => [n[0], 1, 1];
    [usize; 2]: n => [n[0], n[1], 1];
    [usize; 3]: n => n;
}

/// How many items a launch has (work-items, the global size), and in which groups.
///
/// Made from the number of items; the group size is found where none is given: the one that the
/// kernel requires, or else one that divides the items.
///
/// ```
/// use ze_area::Grid;
///
/// let line = Grid::from(1000);
/// let image = Grid::from([1920, 1080]).group_size([16, 8]);
/// // 1009 is prime: its only divisors make poor groups. The kernel sees 1024 items, and has to
/// // check its bounds.
/// let prime = Grid::from([1009]).group_size([64]).padded();
/// # let _ = (line, image, prime);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "ze_group_count_t")]
pub struct Grid {
    pub(super) items: [usize; 3],
    pub(super) group: Option<[usize; 3]>,
    pub(super) padded: bool,
}

impl Grid {
    /// The items of a group, by dimension; 1 for those that are not named.
    #[must_use]
    #[doc(alias = "zeKernelSetGroupSize")]
    pub fn group_size(mut self, size: impl Dimensions) -> Self {
        self.group = Some(size.extent());
        self
    }

    /// Rounds the items up to whole groups. The kernel sees the larger number, and has to leave out
    /// the items beyond the end by itself.
    #[must_use]
    pub fn padded(mut self) -> Self {
        self.padded = true;
        self
    }
}

/// `1000x3x7 items`, and the size of groups where one was given.
impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x, y, z] = self.items;
        write!(f, "{x}x{y}x{z} items")?;
        if let Some([x, y, z]) = self.group {
            write!(f, " in groups of {x}x{y}x{z}")?;
        }
        Ok(())
    }
}

/// Why a grid cannot be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GridProblem {
    /// The items are not whole groups.
    NotWhole {
        /// The size of groups.
        group: [u32; 3],
    },
    /// The kernel requires another size of groups.
    Required {
        /// The required size.
        group: [u32; 3],
    },
    /// A group has no items in some dimension.
    EmptyGroup,
    /// A group has more items than the device allows.
    LargeGroup {
        /// The most items of a group, by dimension.
        limit: [u32; 3],
        /// The most items of a group.
        total: u32,
    },
    /// There are more groups than the device allows.
    ManyGroups {
        /// The most groups, by dimension.
        limit: [u32; 3],
    },
    /// There are more items than can be counted.
    ManyItems,
}

impl fmt::Display for GridProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = |[x, y, z]: [u32; 3]| format!("{x}x{y}x{z}");
        match *self {
            Self::NotWhole { group } => write!(
                f,
                "that is no multiple of the group size {}: choose a group size that divides the \
                 items, or `.padded()` with a kernel that checks its bounds",
                sizes(group)
            ),
            Self::Required { group } => write!(
                f,
                "the kernel requires groups of {}: leave the group size out, or give this one",
                sizes(group)
            ),
            Self::EmptyGroup => f.write_str("a group has no items: give 1 or more"),
            Self::LargeGroup { limit, total } => write!(
                f,
                "the device takes groups of at most {}, and {total} items in all: choose a smaller \
                 group size",
                sizes(limit)
            ),
            Self::ManyGroups { limit } => write!(
                f,
                "the device takes at most {} groups: choose larger groups, or launch several times",
                sizes(limit)
            ),
            Self::ManyItems => {
                f.write_str("that is more than can be counted: launch several times")
            }
        }
    }
}
