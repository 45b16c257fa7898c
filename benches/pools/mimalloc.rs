//! mimalloc on host memory: what an allocator without a driver costs.

use crate::contender::{Contender, Failure};
use crate::driver::Memory;
use core::ptr::NonNull;

/// `mi_malloc` and `mi_free`.
pub(crate) struct Mimalloc;

impl Contender for Mimalloc {
    type Handle = Memory;
    type Error = Failure;

    #[inline(always)]
    fn allocate(&self, bytes: usize) -> Result<Memory, Failure> {
        // SAFETY: any size may be asked for.
        let base = unsafe { libmimalloc_sys::mi_malloc(bytes) };
        let base = NonNull::new(base).ok_or("mi_malloc returned null")?;
        Ok(Memory(base))
    }

    #[inline(always)]
    fn address(handle: &Memory) -> usize {
        handle.0.addr().get()
    }

    #[inline(always)]
    fn free(&self, handle: Memory) -> Result<(), Failure> {
        // SAFETY: `allocate` made it, and the handle is consumed.
        unsafe { libmimalloc_sys::mi_free(handle.0.as_ptr()) };
        Ok(())
    }
}
