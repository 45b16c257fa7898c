//! Where a buffer's memory lives, as a type.

use core::fmt;
use static_assertions::assert_not_impl_any;

mod sealed {
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be made a placement",
        note = "`Device`, `Shared` and `Host` are all the placements there are"
    )]
    pub trait Sealed {}
}

/// The three placements of USM: [`Device`], [`Shared`] and [`Host`].
///
/// | placement | lives | the host | a kernel |
/// |---|---|---|---|
/// | [`Device`] | on the device | cannot touch it | reads and writes at full speed |
/// | [`Shared`] | moves between host and device | reads and writes | reads and writes |
/// | [`Host`] | on the host | reads and writes | reads and writes over the bus |
///
/// Sealed: these three are all there are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no placement of memory",
    label = "not `Device`, `Shared` or `Host`",
    note = "the placements are the marker types `ze_area::{{Device, Shared, Host}}`; `ZeDevice` is the handle of a device",
    note = "`System` is a slice or `Vec` of the host, which no driver allocated: kernels and fills take buffers, `q.copy` takes it to one"
)]
pub trait Placement: sealed::Sealed + fmt::Debug + Send + Sync + Unpin + 'static {
    /// The placement as a value.
    const KIND: PlacementKind;
}

/// The placements whose memory the host can touch: [`Shared`] and [`Host`].
///
/// Whatever reads or writes elements on the host asks for this bound, so that touching device
/// memory from the host does not compile.
#[diagnostic::on_unimplemented(
    message = "the host cannot touch the elements of a buffer in `{Self}` memory",
    label = "needs host access, which `{Self}` memory does not give",
    note = "to read it, copy it to a slice or a `Host` or `Shared` buffer: `queue.copy(&buffer, &mut target)?`, `queue.to_vec(&buffer)?`",
    note = "to write it: `queue.copy(&source, &mut buffer)?`, or `queue.init(buffer, &source)?` where nobody wrote it yet",
    note = "or allocate it where the host can reach it: `area.shared().mmap(len)?`, `context.host_area().mmap(len)?`"
)]
pub trait HostAccess: Placement {}

// Where `==` is refused the compiler has no message but the line of the type, with its comment.
/// Memory on the device, from `zeMemAllocDevice`. The host has no access.
///
/// The handle of a physical device is [`ZeDevice`](crate::ZeDevice).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {} // no `HostAccess`: copy to `Host` or `Shared` memory first

/// Memory that host and device share under one pointer, from `zeMemAllocShared`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shared {}

/// Memory of the host that devices reach, from `zeMemAllocHost`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host {}

impl sealed::Sealed for Device {}
impl sealed::Sealed for Shared {}
impl sealed::Sealed for Host {}

impl Placement for Device {
    const KIND: PlacementKind = PlacementKind::Device;
}
impl Placement for Shared {
    const KIND: PlacementKind = PlacementKind::Shared;
}
impl Placement for Host {
    const KIND: PlacementKind = PlacementKind::Host;
}

#[diagnostic::do_not_recommend]
impl HostAccess for Shared {}
#[diagnostic::do_not_recommend]
impl HostAccess for Host {}

assert_not_impl_any!(Device: HostAccess);

/// A [`Placement`] as a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlacementKind {
    /// [`Device`]
    Device,
    /// [`Shared`]
    Shared,
    /// [`Host`]
    Host,
}

impl PlacementKind {
    /// The call that allocates memory of this placement.
    pub(crate) const fn call(self) -> &'static str {
        match self {
            Self::Device => "zeMemAllocDevice",
            Self::Shared => "zeMemAllocShared",
            Self::Host => "zeMemAllocHost",
        }
    }
}

impl fmt::Display for PlacementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Device => "device",
            Self::Shared => "shared",
            Self::Host => "host",
        })
    }
}
