//! What the types promise: traits, sizes, and what a buffer dereferences to.

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicI64, AtomicU8, AtomicU32};
use static_assertions::{
    assert_eq_size, assert_impl_all, assert_not_impl_any, assert_type_eq_all, const_assert,
};
use ze_area::{
    Align, Alignment, Area, AtomicElement, AtomicSlice, Awaited, Context, ContextBuilder, Device,
    DeviceArea, Driver, Element, Error, FreeError, Host, HostAccess, HostArea, InOut, Kernel,
    Module, Pending, Placement, Pool, PoolBuilder, PoolSettings, PoolSlot, PoolStats, Queue,
    RawParts, RuntimeAlign, Shared, ZeBuffer, ZeDevice, ZeSlice, ZeSliceMut,
};

/// A type that must stay on its thread.
type Local = PhantomData<*const ()>;

const WORD: usize = size_of::<usize>();

/// What holds in every placement.
macro_rules! in_placement {
    ($($placement:ty),*) => {$(
        assert_impl_all!($placement: Placement, Send, Sync, Unpin, Copy, Eq, core::hash::Hash);

        assert_impl_all!(ZeBuffer<f32, $placement>: Send, Sync, Unpin, core::fmt::Debug);
        assert_not_impl_any!(ZeBuffer<f32, $placement>: Clone, Copy);
        assert_not_impl_any!(ZeBuffer<Local, $placement>: Send, Sync);

        assert_impl_all!(ZeSlice<'static, f32, $placement>: Send, Sync, Unpin, Copy);
        assert_not_impl_any!(ZeSlice<'static, Local, $placement>: Send, Sync);

        assert_impl_all!(ZeSliceMut<'static, f32, $placement>: Send, Sync, Unpin);
        assert_not_impl_any!(ZeSliceMut<'static, f32, $placement>: Clone, Copy);
        assert_not_impl_any!(ZeSliceMut<'static, Local, $placement>: Send, Sync);
        // As `Cell`: may be given to another thread, but not shared with one.
        assert_impl_all!(ZeSliceMut<'static, core::cell::Cell<u32>, $placement>: Send);
        assert_not_impl_any!(ZeSlice<'static, core::cell::Cell<u32>, $placement>: Send);
        assert_not_impl_any!(ZeBuffer<core::cell::Cell<u32>, $placement>: Sync);

        assert_eq_size!(ZeBuffer<f32, $placement>, Option<ZeBuffer<f32, $placement>>);
        assert_eq_size!(ZeSlice<'static, u8, $placement>, Option<ZeSlice<'static, u8, $placement>>);
        assert_eq_size!(ZeBuffer<u8, $placement>, ZeBuffer<[u64; 9], $placement>);
        const_assert!(size_of::<ZeBuffer<f32, $placement>>() <= 7 * WORD);
        const_assert!(size_of::<ZeSlice<'static, f32, $placement>>() <= 3 * WORD);
        const_assert!(size_of::<ZeSliceMut<'static, f32, $placement>>() <= 3 * WORD);
    )*};
}
in_placement!(Device, Shared, Host);

assert_impl_all!(Module: Send, Sync, Clone, core::fmt::Debug);
// Whatever it is launched with: the arguments are not in it.
assert_impl_all!(Kernel<(InOut<f32>, f32)>: Send, Sync, Clone, core::fmt::Debug);
assert_impl_all!(Kernel<(Local,)>: Send, Sync);

type Ends = (ZeBuffer<f32, Device>, Vec<f32>);
assert_impl_all!(Pending<Ends>: Send, Sync, Unpin, IntoFuture, core::fmt::Debug);
assert_impl_all!(Awaited<Ends>: Send, Sync, Unpin, Future, core::fmt::Debug);
assert_not_impl_any!(Pending<Ends>: Clone, Future);
assert_not_impl_any!(Pending<(Local,)>: Send, Sync);

assert_impl_all!(Shared: HostAccess);
assert_impl_all!(Host: HostAccess);
assert_not_impl_any!(Device: HostAccess);

assert_impl_all!(ZeBuffer<f32, Shared>: Deref<Target = [f32]>, DerefMut, AsRef<[f32]>, AsMut<[f32]>);
assert_impl_all!(ZeBuffer<f32, Host>: Deref<Target = [f32]>, DerefMut, AsRef<[f32]>, AsMut<[f32]>);
assert_impl_all!(ZeSlice<'static, f32, Host>: Deref<Target = [f32]>, AsRef<[f32]>);
assert_impl_all!(ZeSliceMut<'static, f32, Host>: Deref<Target = [f32]>, DerefMut, AsMut<[f32]>);
assert_not_impl_any!(ZeSlice<'static, f32, Host>: DerefMut, AsMut<[f32]>);
assert_not_impl_any!(ZeBuffer<f32, Device>: Deref, AsRef<[f32]>, AsMut<[f32]>, PartialEq, core::ops::Index<usize>);
assert_not_impl_any!(&'static ZeBuffer<f32, Device>: IntoIterator);
assert_not_impl_any!(ZeSlice<'static, f32, Device>: Deref, AsRef<[f32]>, core::ops::Index<usize>);
assert_not_impl_any!(ZeSliceMut<'static, f32, Device>: Deref, AsRef<[f32]>, AsMut<[f32]>, core::ops::Index<usize>);

assert_impl_all!(AtomicSlice<'static, u32, Shared>: Send, Sync, Unpin, Copy, Deref<Target = [AtomicU32]>);
assert_impl_all!(AtomicSlice<'static, i64, Host>: Send, Sync, Copy, Deref<Target = [AtomicI64]>);
assert_not_impl_any!(AtomicSlice<'static, u32, Shared>: DerefMut, AsMut<[AtomicU32]>);
const_assert!(size_of::<AtomicSlice<'static, u8, Shared>>() <= 3 * WORD);
assert_impl_all!(u8: AtomicElement<Atomic = AtomicU8>);
assert_not_impl_any!(f32: AtomicElement);
assert_not_impl_any!(bool: AtomicElement);
assert_not_impl_any!([u32; 2]: AtomicElement);
assert_not_impl_any!(core::mem::MaybeUninit<u32>: AtomicElement);

assert_impl_all!(f32: Element);
assert_impl_all!([u64; 7]: Element);
assert_impl_all!(core::mem::MaybeUninit<f32>: Element);
assert_not_impl_any!(bool: Element);
assert_not_impl_any!(char: Element);
assert_not_impl_any!(String: Element);
assert_not_impl_any!(&'static u8: Element);
assert_not_impl_any!(core::num::NonZeroU32: Element);
assert_not_impl_any!(Option<Box<u8>>: Element);
assert_not_impl_any!(*const f32: Element);
assert_not_impl_any!(core::cell::Cell<u32>: Element);
assert_not_impl_any!(AtomicU32: Element);

const_assert!(size_of::<Align<4096>>() == 0);
const_assert!(size_of::<RuntimeAlign>() == WORD);
assert_impl_all!(Align<1>: Alignment);
assert_impl_all!(Align<1_073_741_824>: Alignment);
assert_impl_all!(RuntimeAlign: Alignment);
assert_not_impl_any!(Align<0>: Alignment);
assert_not_impl_any!(Align<96>: Alignment);

assert_impl_all!(DeviceArea: Area<Placement = Device, Align = Align<64>>, Send, Sync, Unpin, Clone);
assert_impl_all!(DeviceArea<Align<8>, Shared>: Area<Placement = Shared, Align = Align<8>>, Send, Sync, Clone);
assert_impl_all!(DeviceArea<RuntimeAlign>: Area<Placement = Device, Align = RuntimeAlign>, Send, Sync, Clone);
assert_impl_all!(HostArea: Area<Placement = Host, Align = Align<64>>, Send, Sync, Unpin, Clone);
assert_type_eq_all!(
    DeviceArea,
    DeviceArea<Align<64>>,
    DeviceArea<Align<64>, Device>
);
assert_type_eq_all!(HostArea, HostArea<Align<64>>);

assert_impl_all!(Pool: Area<Placement = Device, Align = Align<64>>, Send, Sync, Unpin, Clone, core::fmt::Debug);
assert_impl_all!(Pool<Align<4096>, Shared>: Area<Placement = Shared, Align = Align<4096>>, Send, Sync, Unpin, Clone);
assert_impl_all!(Pool<RuntimeAlign, Host>: Area<Placement = Host, Align = RuntimeAlign>, Send, Sync, Unpin, Clone);
assert_type_eq_all!(Pool, Pool<Align<64>>, Pool<Align<64>, Device>);
assert_impl_all!(PoolBuilder: Send, Sync, Clone, core::fmt::Debug);
assert_impl_all!(PoolBuilder<RuntimeAlign, Host>: Send, Sync, Clone);
assert_impl_all!(PoolSettings: Send, Sync, Clone, Eq, core::fmt::Debug);
assert_impl_all!(PoolStats: Send, Sync, Clone, Eq, core::fmt::Debug, core::fmt::Display);
assert_impl_all!(PoolSlot: Send, Sync, core::fmt::Debug);
// There is one of each.
assert_not_impl_any!(PoolSlot: Clone, Copy, Default);
// A pool is no area that pools are made of.
assert_impl_all!(DeviceArea: ze_area::Poolable);
assert_impl_all!(HostArea<RuntimeAlign>: ze_area::Poolable);
assert_not_impl_any!(Pool: ze_area::Poolable);

assert_impl_all!(Context: Send, Sync, Clone);
assert_impl_all!(ContextBuilder: Send, Sync, Clone);
assert_impl_all!(Driver: Send, Sync, Clone);
assert_impl_all!(Queue: Send, Sync, Clone);
assert_impl_all!(ZeDevice: Send, Sync, Clone);

assert_impl_all!(Error: std::error::Error, Send, Sync);
assert_impl_all!(FreeError<ZeBuffer<f32, Device>>: std::error::Error, Send, Sync);
assert_not_impl_any!(RawParts<f32>: Send, Sync);

/// The markers have no values: matching on one needs no arm.
#[test]
fn placements_have_no_values() {
    fn device(marker: Device) -> core::convert::Infallible {
        match marker {}
    }
    fn shared(marker: Shared) -> core::convert::Infallible {
        match marker {}
    }
    fn host(marker: Host) -> core::convert::Infallible {
        match marker {}
    }
    let _ = (device, shared, host);
    assert_eq!(size_of::<(Device, Shared, Host)>(), 0);
    assert_eq!(size_of::<Option<Device>>(), 0);
}

#[test]
fn an_error_outlives_what_it_came_from() {
    fn is_static<T: 'static>() {}
    is_static::<Error>();
    is_static::<FreeError<ZeBuffer<f32, Device>>>();
}

/// A view of a longer life serves where a shorter one is asked for, and only then.
#[test]
fn views_shrink_to_the_life_that_is_asked_for() {
    fn shorter<'short>(
        long: ZeSlice<'static, f32, Host>,
        _: &'short (),
    ) -> ZeSlice<'short, f32, Host> {
        long
    }
    fn shorter_mut<'short>(
        long: ZeSliceMut<'static, f32, Host>,
        _: &'short (),
    ) -> ZeSliceMut<'short, f32, Host> {
        long
    }
    let _ = (shorter, shorter_mut);
}
