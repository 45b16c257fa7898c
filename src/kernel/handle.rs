//! Kernels with their signatures.

use super::floor::KernelInner;
use super::properties::KernelProperties;
use core::fmt;
use core::marker::PhantomData;
use level_zero_sys as sys;
use std::sync::Arc;

/// A kernel that takes the parameters `S`, such as `Kernel<(In<f32>, InOut<f32>, f32)>`.
///
/// Made by [`Module::kernel`](crate::Module::kernel), launched by
/// [`Queue::launch`](crate::Queue::launch). Cheap to clone; the clones are the same kernel, and
/// threads may share it; launches of one kernel that wait follow each other, see
/// [`Queue::launch`](crate::Queue::launch).
#[doc = include_str!("example.md")]
#[doc(alias = "ze_kernel_handle_t")]
pub struct Kernel<S> {
    inner: Arc<KernelInner>,
    marker: PhantomData<fn(S)>,
}

impl<S> Kernel<S> {
    pub(super) fn new(inner: KernelInner) -> Self {
        Self {
            inner: Arc::new(inner),
            marker: PhantomData,
        }
    }

    pub(crate) fn inner(&self) -> &Arc<KernelInner> {
        &self.inner
    }

    /// The kernel's name.
    #[must_use]
    #[doc(alias = "zeKernelGetName")]
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// What the kernel needs, as compiled.
    #[must_use]
    #[doc(alias = "zeKernelGetProperties")]
    pub fn properties(&self) -> &KernelProperties {
        self.inner.properties()
    }

    /// The kernel's handle, for calls that this library does not make. It is valid for as long as
    /// the kernel lives; its arguments and group size change with every launch.
    #[must_use]
    pub fn as_raw(&self) -> sys::ze_kernel_handle_t {
        self.inner.handle().as_raw()
    }
}

impl<S> Clone for Kernel<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            marker: PhantomData,
        }
    }
}

impl<S> fmt::Debug for Kernel<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}
