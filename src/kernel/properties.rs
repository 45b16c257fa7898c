//! What a driver says of a kernel.

use crate::error::Result;
use crate::raw::context::ContextInner;
use crate::raw::handle::KernelHandle;
use level_zero_sys as sys;

/// What a kernel needs, as compiled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ze_kernel_properties_t")]
pub struct KernelProperties {
    /// How many arguments it takes.
    pub arguments: u32,
    /// The one size that its groups may have.
    pub required_group_size: Option<[u32; 3]>,
    /// How many sub-groups a group must have.
    pub required_sub_groups: Option<u32>,
    /// The one size that its sub-groups may have.
    pub required_sub_group_size: Option<u32>,
    /// The largest size of its sub-groups.
    pub max_sub_group_size: u32,
    /// The most sub-groups of a group.
    pub max_sub_groups: u32,
    /// Bytes of local memory of each group, without that of arguments.
    pub local_memory: u32,
    /// Bytes of private memory of each item.
    pub private_memory: u32,
    /// Bytes of each thread that did not fit its registers.
    pub spill_memory: u32,
}

/// Asks the driver.
///
/// The kernel is live and of the context's driver.
pub(super) fn query(context: &ContextInner, kernel: KernelHandle) -> Result<KernelProperties> {
    let mut raw = sys::ze_kernel_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_KERNEL_PROPERTIES,
        ..Default::default()
    };
    context.driver().call("zeKernelGetProperties", |api| {
        // SAFETY: the kernel is live, as the caller says; the target outlives the call.
        unsafe { (api.zeKernelGetProperties)(kernel.as_raw(), &raw mut raw) }
    })?;
    let group = [
        raw.requiredGroupSizeX,
        raw.requiredGroupSizeY,
        raw.requiredGroupSizeZ,
    ];
    let some = |number: u32| (number != 0).then_some(number);
    Ok(KernelProperties {
        arguments: raw.numKernelArgs,
        required_group_size: (!group.contains(&0)).then_some(group),
        required_sub_groups: some(raw.requiredNumSubGroups),
        required_sub_group_size: some(raw.requiredSubgroupSize),
        max_sub_group_size: raw.maxSubgroupSize,
        max_sub_groups: raw.maxNumSubgroups,
        local_memory: raw.localMemSize,
        private_memory: raw.privateMemSize,
        spill_memory: raw.spillMemSize,
    })
}
