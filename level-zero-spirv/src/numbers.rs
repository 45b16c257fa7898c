//! The numbers of the specification.

/// Instructions.
pub(crate) mod op {
    pub(crate) const NAME: u16 = 5;
    pub(crate) const MEMORY_MODEL: u16 = 14;
    pub(crate) const ENTRY_POINT: u16 = 15;
    pub(crate) const EXECUTION_MODE: u16 = 16;
    pub(crate) const TYPE_VOID: u16 = 19;
    pub(crate) const TYPE_BOOL: u16 = 20;
    pub(crate) const TYPE_INT: u16 = 21;
    pub(crate) const TYPE_FLOAT: u16 = 22;
    pub(crate) const TYPE_VECTOR: u16 = 23;
    pub(crate) const TYPE_IMAGE: u16 = 25;
    pub(crate) const TYPE_SAMPLER: u16 = 26;
    pub(crate) const TYPE_SAMPLED_IMAGE: u16 = 27;
    pub(crate) const TYPE_ARRAY: u16 = 28;
    pub(crate) const TYPE_STRUCT: u16 = 30;
    pub(crate) const TYPE_OPAQUE: u16 = 31;
    pub(crate) const TYPE_POINTER: u16 = 32;
    pub(crate) const TYPE_FUNCTION: u16 = 33;
    /// Events, queues, pipes, reservations: types that no argument here can have.
    pub(crate) const TYPE_EVENT: u16 = 34;
    pub(crate) const TYPE_PIPE: u16 = 38;
    pub(crate) const TYPE_FORWARD_POINTER: u16 = 39;
    pub(crate) const CONSTANT: u16 = 43;
    pub(crate) const SPEC_CONSTANT_TRUE: u16 = 48;
    pub(crate) const SPEC_CONSTANT_FALSE: u16 = 49;
    pub(crate) const SPEC_CONSTANT: u16 = 50;
    pub(crate) const FUNCTION: u16 = 54;
    pub(crate) const FUNCTION_PARAMETER: u16 = 55;
    pub(crate) const FUNCTION_END: u16 = 56;
    pub(crate) const VARIABLE: u16 = 59;
    pub(crate) const DECORATE: u16 = 71;
    pub(crate) const GROUP_DECORATE: u16 = 74;
    pub(crate) const EXECUTION_MODE_ID: u16 = 331;
}

/// What stands in instructions.
pub(crate) mod number {
    pub(crate) const ADDRESSING_PHYSICAL64: u32 = 2;
    pub(crate) const MEMORY_OPENCL: u32 = 2;
    pub(crate) const MODEL_KERNEL: u32 = 6;
    pub(crate) const STORAGE_UNIFORM_CONSTANT: u32 = 0;
    pub(crate) const STORAGE_WORKGROUP: u32 = 4;
    pub(crate) const STORAGE_CROSS_WORKGROUP: u32 = 5;
    pub(crate) const STORAGE_FUNCTION: u32 = 7;
    pub(crate) const MODE_LOCAL_SIZE: u32 = 17;
    pub(crate) const MODE_LOCAL_SIZE_HINT: u32 = 18;
    pub(crate) const MODE_SUBGROUP_SIZE: u32 = 35;
    pub(crate) const MODE_SUBGROUPS_PER_WORKGROUP: u32 = 36;
    pub(crate) const MODE_SUBGROUPS_PER_WORKGROUP_ID: u32 = 37;
    pub(crate) const MODE_LOCAL_SIZE_ID: u32 = 38;
    pub(crate) const MODE_LOCAL_SIZE_HINT_ID: u32 = 39;
    pub(crate) const DECORATION_SPEC_ID: u32 = 1;
    pub(crate) const DECORATION_C_PACKED: u32 = 10;
    pub(crate) const DECORATION_BUILT_IN: u32 = 11;
    pub(crate) const DECORATION_FUNC_PARAM_ATTR: u32 = 38;
    pub(crate) const DECORATION_LINKAGE: u32 = 41;
    pub(crate) const ATTRIBUTE_NO_WRITE: u32 = 6;
    pub(crate) const LINKAGE_IMPORT: u32 = 1;
}
