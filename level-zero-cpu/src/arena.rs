//! Address space from the operating system: where allocations lie.
//!
//! Device memory is a sparse file in memory, mapped twice: at the addresses that users get, without
//! any access, and once more for the driver to read and write. Host and shared memory is one
//! mapping without access whose pages are opened and closed. Neither uses memory until touched.
#![allow(unsafe_code, reason = "maps memory and writes through it")]

use std::collections::BTreeMap;
use std::io;
use std::sync::RwLock;

use crate::registry::{read, write};

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use unsupported as system;

/// Addresses of arenas are multiples of this, so that offsets have the alignment of addresses.
const BASE_ALIGNMENT: usize = 2 << 20;

/// First and past-the-end addresses of all arenas of the process, also of other instances: memory
/// that looks like the program's own must not be in there.
static RANGES: RwLock<BTreeMap<usize, usize>> = RwLock::new(BTreeMap::new());

/// Whether a range of addresses meets an arena of any instance.
pub(crate) fn meets_an_arena(start: usize, end: usize) -> bool {
    read(&RANGES)
        .range(..end)
        .next_back()
        .is_some_and(|(_, range_end)| *range_end > start)
}

/// A page of the system in bytes.
pub(crate) fn page() -> usize {
    system::page()
}

/// A range of addresses, unmapped in the end.
struct Reservation {
    address: usize,
    len: usize,
}

impl Reservation {
    /// Takes ownership of a mapping.
    fn adopt(address: usize, len: usize) -> Self {
        write(&RANGES).insert(address, address + len);
        Self { address, len }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Before the unmapping: the next mapping of any thread may get the addresses.
        write(&RANGES).remove(&self.address);
        // SAFETY:
        // - the mapping is this reservation's own, from `adopt`
        // - it ends with its arena, of which nobody holds pointers: users' pointers end with the
        //   instance, as `Instance` says
        unsafe { system::unmap(self.address, self.len) };
    }
}

/// The address space of one kind of memory.
///
/// Invariant: `user..user + len` lies in `reserved`, is page-aligned, and `working..working + len`
/// is mapped as long as `self` lives: in a second reservation for device memory, at `user` itself
/// for the rest.
pub(crate) struct Arena {
    user: usize,
    working: usize,
    len: usize,
    hidden: bool,
    _reserved: Reservation,
    _view: Option<Reservation>,
}

impl Arena {
    /// Memory that the host cannot touch at the addresses that users get.
    pub(crate) fn device(len: usize) -> io::Result<Self> {
        let file = system::file(len)?;
        let reserved = Self::reserve(len)?;
        let user = reserved.address.next_multiple_of(BASE_ALIGNMENT);
        // SAFETY: the range lies in `reserved`, which has room for `len` after rounding up, and
        // nothing is there yet.
        unsafe { system::map_file_without_access(&file, user, len) }?;
        let view = Reservation::adopt(system::map_file(&file, len)?, len);
        let working = view.address;
        Ok(Self {
            user,
            working,
            len,
            hidden: true,
            _reserved: reserved,
            _view: Some(view),
        })
    }

    /// Memory that the host can use once it is [opened](Self::open).
    pub(crate) fn host(len: usize) -> io::Result<Self> {
        let reserved = Self::reserve(len)?;
        let user = reserved.address.next_multiple_of(BASE_ALIGNMENT);
        Ok(Self {
            user,
            working: user,
            len,
            hidden: false,
            _reserved: reserved,
            _view: None,
        })
    }

    fn reserve(len: usize) -> io::Result<Reservation> {
        let room = len
            .checked_add(BASE_ALIGNMENT)
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Reservation::adopt(system::reserve(room)?, room))
    }

    /// The first address that users get.
    pub(crate) fn base(&self) -> usize {
        self.user
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where an address of this arena lies in it.
    pub(crate) fn offset_of(&self, address: usize) -> Option<usize> {
        address
            .checked_sub(self.user)
            .filter(|offset| *offset < self.len)
    }

    /// Whether this is device memory.
    pub(crate) fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// Where the driver reads and writes what users know as `base() + offset`. To be dereferenced
    /// only in ranges that are allocated.
    pub(crate) fn working(&self, offset: usize) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.working + offset)
    }

    /// Gives the host access to pages.
    pub(crate) fn open(&self, offset: usize, len: usize) -> io::Result<()> {
        self.check(offset, len);
        if self.hidden {
            return Ok(());
        }
        // SAFETY: pages of this arena, by the check; more access breaks nothing.
        unsafe { system::protect(self.user + offset, len, true) }
    }

    /// Gives access to pages of device memory at the addresses that users have, or takes it away.
    pub(crate) fn expose(&self, offset: usize, len: usize, open: bool) -> io::Result<()> {
        self.check(offset, len);
        // SAFETY: pages of this arena, by the check. The driver itself works through the other
        // mapping.
        unsafe { system::protect(self.user + offset, len, open) }
    }

    /// Takes the host's access to pages away, and their memory too if `discard` says so.
    ///
    /// # Errors
    ///
    /// The system may have too many mappings to split one more. The pages are then still open, and
    /// hold what they held.
    ///
    /// # Safety
    ///
    /// The range is page-aligned and not allocated.
    pub(crate) unsafe fn close(&self, offset: usize, len: usize, discard: bool) -> io::Result<()> {
        self.check(offset, len);
        // SAFETY: in this arena by the check; nobody uses it, as the caller says.
        unsafe { system::protect(self.user + offset, len, false) }?;
        if discard {
            // SAFETY: as above.
            unsafe { system::discard_private(self.user + offset, len) };
        }
        Ok(())
    }

    /// Gives the memory behind pages of device memory back to the system; they read as zero.
    ///
    /// # Safety
    ///
    /// The range is page-aligned and not allocated.
    pub(crate) unsafe fn discard(&self, offset: usize, len: usize) {
        self.check(offset, len);
        // SAFETY: in this arena by the check; nobody uses it, as the caller says.
        unsafe { system::discard_file(self.working + offset, len) };
    }

    /// Overwrites a range.
    ///
    /// # Safety
    ///
    /// The range is open or device memory, and the caller alone uses it.
    pub(crate) unsafe fn fill(&self, offset: usize, len: usize, byte: u8) {
        self.check(offset, len);
        if len >= 1 << 20 {
            // SAFETY: in this arena by the check; faulting pages in changes no content.
            unsafe { system::populate(self.working + offset, len) };
        }
        // SAFETY:
        // - valid for writes: in this arena by the check, mapped by its invariant, and accessible
        //   as the caller says
        // - no reference to it exists: the caller alone uses it
        unsafe { self.working(offset).write_bytes(byte, len) };
    }

    fn check(&self, offset: usize, len: usize) {
        assert!(
            offset <= self.len && len <= self.len - offset,
            "outside of the arena"
        );
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::ptr::{self, with_exposed_provenance_mut};
    use std::sync::atomic::{AtomicUsize, Ordering};

    pub(super) fn page() -> usize {
        // Threads that find it 0 all ask, and are told the same.
        static PAGE: AtomicUsize = AtomicUsize::new(0);
        let known = PAGE.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        // SAFETY: no preconditions.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let size = usize::try_from(size).unwrap_or(4096);
        PAGE.store(size, Ordering::Relaxed);
        size
    }

    fn check(result: libc::c_int) -> io::Result<()> {
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn mapped(address: *mut libc::c_void) -> io::Result<usize> {
        if ptr::eq(address, libc::MAP_FAILED) {
            Err(io::Error::last_os_error())
        } else {
            Ok(address.expose_provenance())
        }
    }

    /// A file in memory of that length, sparse.
    pub(super) fn file(len: usize) -> io::Result<OwnedFd> {
        // SAFETY: the name is a C string; the flag is one that exists.
        let fd = unsafe { libc::memfd_create(c"level-zero-cpu".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and owned by nobody else.
        let file = unsafe { OwnedFd::from_raw_fd(fd) };
        let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: `file` is open.
        check(unsafe { libc::ftruncate(file.as_raw_fd(), len) })?;
        Ok(file)
    }

    /// Addresses without access.
    pub(super) fn reserve(len: usize) -> io::Result<usize> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address that the system picks touches no other.
        mapped(unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) })
    }

    /// Replaces addresses by the file, without access.
    ///
    /// # Safety
    ///
    /// The range is the caller's own mapping, and nobody uses it.
    pub(super) unsafe fn map_file_without_access(
        file: &OwnedFd,
        address: usize,
        len: usize,
    ) -> io::Result<()> {
        let flags = libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_NORESERVE;
        let address = with_exposed_provenance_mut(address);
        // SAFETY: MAP_FIXED replaces what is there, which is the caller's own.
        mapped(unsafe { libc::mmap(address, len, libc::PROT_NONE, flags, file.as_raw_fd(), 0) })
            .map(drop)
    }

    /// Maps the file to be read and written.
    pub(super) fn map_file(file: &OwnedFd, len: usize) -> io::Result<usize> {
        let flags = libc::MAP_SHARED | libc::MAP_NORESERVE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address that the system picks touches no other.
        mapped(unsafe { libc::mmap(ptr::null_mut(), len, access, flags, file.as_raw_fd(), 0) })
    }

    /// # Safety
    ///
    /// The range is the caller's own mapping, and is used no more.
    pub(super) unsafe fn unmap(address: usize, len: usize) {
        // SAFETY: as the caller says.
        unsafe { libc::munmap(with_exposed_provenance_mut(address), len) };
    }

    /// # Safety
    ///
    /// The range is the caller's own mapping; nobody uses it if access is taken away.
    pub(super) unsafe fn protect(address: usize, len: usize, open: bool) -> io::Result<()> {
        let access = if open {
            libc::PROT_READ | libc::PROT_WRITE
        } else {
            libc::PROT_NONE
        };
        // SAFETY: as the caller says.
        check(unsafe { libc::mprotect(with_exposed_provenance_mut(address), len, access) })
    }

    /// # Safety
    ///
    /// The range is the caller's own private mapping, and nobody uses it.
    pub(super) unsafe fn discard_private(address: usize, len: usize) {
        // SAFETY: as the caller says. A failure leaves the content, which costs memory only.
        unsafe {
            libc::madvise(
                with_exposed_provenance_mut(address),
                len,
                libc::MADV_DONTNEED,
            )
        };
    }

    /// # Safety
    ///
    /// The range is the caller's own mapping of a file, and nobody uses it.
    pub(super) unsafe fn discard_file(address: usize, len: usize) {
        // SAFETY: as the caller says. A failure leaves the content, which costs memory only.
        unsafe { libc::madvise(with_exposed_provenance_mut(address), len, libc::MADV_REMOVE) };
    }

    /// # Safety
    ///
    /// The range is the caller's own mapping, with access.
    pub(super) unsafe fn populate(address: usize, len: usize) {
        let start = address.next_multiple_of(page());
        let end = (address + len) / page() * page();
        // SAFETY: whole pages of the range. Kernels before 5.14 refuse the advice, and pages then
        // come one by one.
        unsafe {
            libc::madvise(
                with_exposed_provenance_mut(start),
                end.saturating_sub(start),
                libc::MADV_POPULATE_WRITE,
            )
        };
    }
}

/// Other systems build, and have no instances.
#[cfg(not(target_os = "linux"))]
mod unsupported {
    use std::io;

    pub(super) struct NoFile;

    fn unsupported<T>() -> io::Result<T> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the CPU driver runs on Linux only",
        ))
    }

    pub(super) fn page() -> usize {
        4096
    }

    pub(super) fn file(_: usize) -> io::Result<NoFile> {
        unsupported()
    }

    pub(super) fn reserve(_: usize) -> io::Result<usize> {
        unsupported()
    }

    pub(super) fn map_file(_: &NoFile, _: usize) -> io::Result<usize> {
        unsupported()
    }

    pub(super) unsafe fn map_file_without_access(_: &NoFile, _: usize, _: usize) -> io::Result<()> {
        unsupported()
    }

    pub(super) unsafe fn unmap(_: usize, _: usize) {}

    pub(super) unsafe fn protect(_: usize, _: usize, _: bool) -> io::Result<()> {
        unsupported()
    }

    pub(super) unsafe fn discard_private(_: usize, _: usize) {}

    pub(super) unsafe fn discard_file(_: usize, _: usize) {}

    pub(super) unsafe fn populate(_: usize, _: usize) {}
}
