//! What an allocator has to be able to do to be compared, and who takes part.

use core::hint::black_box;
use core::mem::MaybeUninit;
use core::num::NonZeroUsize;
use ze_area::{Area, ZeBuffer};

/// Why an allocator could not go on.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An allocator that is compared. What it holds of the driver, and how often it calls it, is counted
/// below it, by [`counting`](crate::counting).
pub(crate) trait Contender: Sync {
    /// What was allocated. Buffers free themselves when dropped, the others are given to `free`.
    type Handle: Send;
    /// Its own errors: to make them into others would cost time where there is none.
    type Error: Into<Failure>;

    /// Allocates that many bytes; nobody writes them.
    fn allocate(&self, bytes: usize) -> Result<Self::Handle, Self::Error>;

    /// Where it begins: what a program uses it by.
    fn address(handle: &Self::Handle) -> usize;

    /// Frees what this contender allocated.
    fn free(&self, handle: Self::Handle) -> Result<(), Self::Error>;
}

/// Who is compared, in the order of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// mimalloc on host memory, as the limit.
    Mimalloc,
    /// The driver's calls.
    Raw,
    /// An area without a pool: AML's pattern.
    Area,
    /// UMF's disjoint pool with the parameters of Intel's SYCL runtime.
    UmfSycl,
    /// UMF's disjoint pool with its own parameters.
    Umf,
    /// The pool of an area with its default settings.
    Pool,
    /// The same, with `kept_capacity` as large as what the pattern works on.
    PoolKept,
    /// Nobody: what a pattern costs itself. Not a column.
    Nobody,
}

impl Who {
    /// The columns.
    pub(crate) const COLUMNS: [Self; 7] = [
        Self::Mimalloc,
        Self::Raw,
        Self::Area,
        Self::UmfSycl,
        Self::Umf,
        Self::Pool,
        Self::PoolKept,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mimalloc => "mimalloc",
            Self::Raw => "raw",
            Self::Area => "area",
            Self::UmfSycl => "UMF, SYCL's",
            Self::Umf => "UMF, default",
            Self::Pool => "pool",
            Self::PoolKept => "pool, keeps all",
            Self::Nobody => "nobody",
        }
    }
}

/// An area, with a pool or without.
pub(crate) struct Buffers<A>(pub(crate) A);

impl<A: Area + Sync> Contender for Buffers<A> {
    type Handle = ZeBuffer<MaybeUninit<u8>, A::Placement>;
    type Error = ze_area::Error;

    #[inline(always)]
    fn allocate(&self, bytes: usize) -> ze_area::Result<Self::Handle> {
        self.0.mmap_uninit::<u8>(bytes)
    }

    #[inline(always)]
    fn address(handle: &Self::Handle) -> usize {
        handle.device_ptr().addr()
    }

    #[inline(always)]
    fn free(&self, handle: Self::Handle) -> ze_area::Result<()> {
        drop(handle);
        Ok(())
    }
}

/// Allocates nothing.
pub(crate) struct Nobody;

impl Contender for Nobody {
    type Handle = NonZeroUsize;
    type Error = Failure;

    #[inline(always)]
    fn allocate(&self, bytes: usize) -> Result<NonZeroUsize, Failure> {
        Ok(NonZeroUsize::MIN.saturating_add(bytes))
    }

    #[inline(always)]
    fn address(handle: &NonZeroUsize) -> usize {
        handle.get()
    }

    #[inline(always)]
    fn free(&self, handle: NonZeroUsize) -> Result<(), Failure> {
        black_box(handle);
        Ok(())
    }
}
