//! What the rule of a kernel sees of a launch.

use super::args::sealed::ArgValue;
use super::plan::Plan;
use crate::buffer::Upload;

/// A launch as the rule of a kernel sees it; see [`Module::kernel_where`](crate::Module::kernel_where).
///
/// Arguments are counted from 0.
#[derive(Debug)]
pub struct Launch<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) values: &'a [ArgValue<'a>],
}

impl Launch<'_> {
    /// How many items there are, by dimension, as the kernel sees them: with those that fill up the
    /// groups of a padded grid.
    #[must_use]
    pub fn global_size(&self) -> [usize; 3] {
        self.plan.items
    }

    /// How many items there are in all.
    #[must_use]
    pub fn items(&self) -> usize {
        // The plan has made sure that there are no more than can be counted.
        self.plan.items.iter().product()
    }

    /// Whether the items are in a line, each with a global id of its own in the first dimension: there
    /// are no others in the second and third.
    ///
    /// A kernel that goes by `get_global_id(0)` alone has a data race on any other grid.
    #[must_use]
    pub fn is_line(&self) -> bool {
        let [_, y, z] = self.plan.items;
        [y, z] == [1, 1]
    }

    /// Whether there is one dimension only, and each of the `arguments` is a buffer or local memory with
    /// at least as many elements as there are items.
    ///
    /// The rule for kernels in which each item goes by `get_global_id(0)` to one element of its own.
    #[must_use]
    pub fn is_line_within(&self, arguments: &[usize]) -> bool {
        let holds = |&argument: &usize| self.len(argument).is_some_and(|len| self.items() <= len);
        self.is_line() && arguments.iter().all(holds)
    }

    /// How many items a group has, by dimension.
    #[must_use]
    pub fn group_size(&self) -> [usize; 3] {
        self.plan.group.map(|size| size as usize)
    }

    /// The number of elements of an argument that is a buffer (0 where it is null) or local memory;
    /// `None` for values, and where there is no such argument.
    #[must_use]
    pub fn len(&self, argument: usize) -> Option<usize> {
        match self.values.get(argument)? {
            ArgValue::Pointer(pointed) => Some(pointed.len),
            ArgValue::Local { len, .. } => Some(*len),
            ArgValue::Value(_) => None,
        }
    }

    /// An argument that is handed over by value; `None` for others, and where `T` has another size
    /// than the argument.
    #[must_use]
    pub fn value<T: Upload>(&self, argument: usize) -> Option<T> {
        match self.values.get(argument)? {
            ArgValue::Value(bytes) => bytemuck::try_pod_read_unaligned(bytes).ok(),
            ArgValue::Pointer(_) | ArgValue::Local { .. } => None,
        }
    }
}
