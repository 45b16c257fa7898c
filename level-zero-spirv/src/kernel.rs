//! Kernels and their arguments.

use std::sync::Arc;

/// An entry point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// What it is created by.
    pub name: String,
    /// Shared by the kernels that are one function.
    pub arguments: Arc<[Argument]>,
    /// The one size that its groups may have.
    pub required_group_size: Option<[u32; 3]>,
    /// The size of groups that it was written for.
    pub group_size_hint: Option<[u32; 3]>,
    /// The one size that its sub-groups may have.
    pub required_subgroup_size: Option<u32>,
    /// How many sub-groups a group must have.
    pub required_subgroups: Option<u32>,
}

/// An argument of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// As in the source, where the compiler kept it.
    pub name: Option<String>,
    /// How it is handed over.
    pub kind: ArgumentKind,
    /// Bytes of the value that is handed over; of a pointer, those of the pointer.
    pub size: u64,
    /// The kernel is known to leave what the pointer points to as it is.
    pub read_only: bool,
}

/// How an argument is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A pointer to memory of the device.
    Global,
    /// A pointer to memory that no kernel changes.
    Constant,
    /// Memory of a group, of a size that is given at the launch.
    Local,
    /// A scalar, vector or structure, by value.
    Value,
    /// An image.
    Image,
    /// A sampler.
    Sampler,
    /// Anything else: pipes, queues, structures without a known size.
    Other,
}
