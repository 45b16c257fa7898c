#![allow(unsafe_code, reason = "calls of the operating system")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, with_exposed_provenance_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Access, Identity, Range};

/// The name of the files behind the memory of devices, as the system shows it.
const ARENA: &str = "level-zero-cpu-arena";
const OTHER: &str = "level-zero-cpu";

pub(crate) fn page() -> usize {
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

fn offset(value: u64) -> io::Result<libc::off_t> {
    libc::off_t::try_from(value).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn descriptor(fd: i64) -> io::Result<OwnedFd> {
    match i32::try_from(fd) {
        // SAFETY: the system just opened it, and nobody else owns it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// An open file in memory, closed in the end and at an `exec`.
#[derive(Debug)]
pub(crate) struct File(OwnedFd);

impl File {
    /// A file of zeros that nobody can shrink or grow; sparse, until it is written to.
    pub(crate) fn create(len: usize) -> io::Result<Self> {
        Self::create_named(OTHER, len)
    }

    /// As [`create`](Self::create), for the memory of a device.
    pub(crate) fn create_arena(len: usize) -> io::Result<Self> {
        Self::create_named(ARENA, len)
    }

    fn create_named(name: &str, len: usize) -> io::Result<Self> {
        let name = CString::new(name)?;
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: the name is a C string; the flags are ones that exist.
        let file = Self(descriptor(
            unsafe { libc::memfd_create(name.as_ptr(), flags) }.into(),
        )?);
        let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: the file is open.
        check(unsafe { libc::ftruncate(file.raw(), len) })?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: as above.
        check(unsafe { libc::fcntl(file.raw(), libc::F_ADD_SEALS, seals) })?;
        Ok(file)
    }

    /// The number of its descriptor.
    pub(crate) fn raw(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Gives the descriptor away.
    pub(crate) fn into_raw(self) -> i32 {
        std::os::fd::IntoRawFd::into_raw_fd(self.0)
    }

    /// Another descriptor of what a number of this process stands for, if that is a file as
    /// [`is_fixed`](Self::is_fixed) tells.
    ///
    /// Of any other none is made, not even for a moment: its closing would end the locks that the
    /// program has on that file, as POSIX has it.
    pub(crate) fn duplicate(fd: i32) -> io::Result<Self> {
        if !is_fixed(fd) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: a number that is no open descriptor is an error.
        descriptor(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0) }.into()).map(Self)
    }

    /// A descriptor that this driver made in another process; of other files none is fetched, for
    /// the reason given at [`duplicate`](Self::duplicate).
    pub(crate) fn of_process(pid: i32, fd: i32) -> io::Result<Self> {
        let link = std::fs::read_link(format!("/proc/{pid}/fd/{fd}"))?;
        if !link.to_string_lossy().starts_with("/memfd:level-zero-cpu") {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: numbers only.
        let process = descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        let process = process.as_raw_fd();
        // SAFETY: numbers only. The descriptor that it makes is closed at an exec.
        descriptor(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process, fd, 0) }).map(Self)
    }

    /// The same file opened anew, so that locks and position are its own. Only for files in memory,
    /// as [`is_fixed`](Self::is_fixed) tells: others may do something when opened.
    pub(crate) fn reopen(&self) -> io::Result<Self> {
        let path = CString::new(format!("/proc/self/fd/{}", self.raw()))?;
        let flags = libc::O_RDWR | libc::O_CLOEXEC;
        // SAFETY: the path is a C string.
        descriptor(unsafe { libc::open(path.as_ptr(), flags) }.into()).map(Self)
    }

    pub(crate) fn identity(&self) -> io::Result<Identity> {
        let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
        // SAFETY: the file is open, and there is room for the result.
        check(unsafe { libc::fstat(self.raw(), stat.as_mut_ptr()) })?;
        // SAFETY: filled by the call, which succeeded.
        let stat = unsafe { stat.assume_init() };
        Ok(Identity {
            device: stat.st_dev,
            inode: stat.st_ino,
            len: u64::try_from(stat.st_size).unwrap_or(0),
        })
    }

    /// Whether it is a file in memory that never gets shorter, so that a mapping of it always has
    /// its pages, and that can be written to.
    pub(crate) fn is_fixed(&self) -> bool {
        is_fixed(self.raw())
    }

    /// Whether it is the memory of a device, in which many allocations lie.
    pub(crate) fn is_arena(&self) -> bool {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", self.raw()));
        link.is_ok_and(|link| link.to_string_lossy().contains(ARENA))
    }

    pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        // SAFETY: the file is open, and the bytes are the slice's.
        let written =
            unsafe { libc::pwrite(self.raw(), bytes.as_ptr().cast(), bytes.len(), offset(at)?) };
        if usize::try_from(written).ok() == Some(bytes.len()) {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Keeps a number with the open file: all descriptors of this opening show it.
    pub(crate) fn set_position(&self, position: u64) -> io::Result<()> {
        // SAFETY: the file is open.
        let result = unsafe { libc::lseek(self.raw(), offset(position)?, libc::SEEK_SET) };
        check(if result < 0 { -1 } else { 0 })
    }

    pub(crate) fn position(&self) -> io::Result<u64> {
        // SAFETY: the file is open.
        let result = unsafe { libc::lseek(self.raw(), 0, libc::SEEK_CUR) };
        u64::try_from(result).map_err(|_| io::Error::last_os_error())
    }

    fn lock(&self, kind: i32, range: Range) -> io::Result<libc::flock> {
        // SAFETY: all zeros is a lawful value of a structure of numbers.
        let mut lock = unsafe { std::mem::zeroed::<libc::flock>() };
        // The numbers are small ones.
        lock.l_type = libc::c_short::try_from(kind).unwrap_or(0);
        lock.l_whence = 0;
        lock.l_start = offset(range.start)?;
        lock.l_len = offset(range.len)?;
        Ok(lock)
    }

    fn set_lock(&self, kind: i32, range: Range) -> io::Result<()> {
        let lock = self.lock(kind, range)?;
        // SAFETY: the file is open; the lock outlives the call.
        check(unsafe { libc::fcntl(self.raw(), libc::F_OFD_SETLK, &raw const lock) })
    }

    /// Locks a range for as long as this opening of the file has a descriptor, in any process.
    pub(crate) fn hold(&self, range: Range, shared: bool) -> io::Result<()> {
        self.set_lock(if shared { libc::F_RDLCK } else { libc::F_WRLCK }, range)
    }

    /// Gives a lock up.
    pub(crate) fn release(&self, range: Range) {
        // Of a range that is not locked it does nothing.
        let _: io::Result<()> = self.set_lock(libc::F_UNLCK, range);
    }

    /// A range that another opening of the file holds and that meets this one.
    pub(crate) fn held_by_others(&self, range: Range) -> io::Result<Option<Range>> {
        let mut lock = self.lock(libc::F_WRLCK, range)?;
        // SAFETY: the file is open; the lock outlives the call.
        check(unsafe { libc::fcntl(self.raw(), libc::F_OFD_GETLK, &raw mut lock) })?;
        if i32::from(lock.l_type) == libc::F_UNLCK {
            return Ok(None);
        }
        Ok(Some(Range {
            start: u64::try_from(lock.l_start).unwrap_or(0),
            len: u64::try_from(lock.l_len).unwrap_or(0),
        }))
    }
}

/// As [`File::is_fixed`], for any number.
fn is_fixed(fd: i32) -> bool {
    // SAFETY: a number that is no open descriptor is an error.
    let seals = unsafe { libc::fcntl(fd, libc::F_GET_SEALS) };
    // SAFETY: as above.
    let mode = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    seals >= 0
        && seals & libc::F_SEAL_SHRINK != 0
        && seals & (libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE) == 0
        && mode >= 0
        && mode & libc::O_ACCMODE == libc::O_RDWR
        && has_small_pages(fd)
}

/// Whether a file in memory gets its pages when they are touched: huge ones may all be taken then,
/// and the system ends the process.
fn has_small_pages(fd: i32) -> bool {
    let mut system = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: there is room for the result; a number that is no open descriptor is an error.
    if unsafe { libc::fstatfs(fd, system.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: filled by the call, which succeeded.
    let system = unsafe { system.assume_init() };
    system.f_type == libc::TMPFS_MAGIC
}

/// Whether an error says that there are no descriptors, mappings or memory left.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)
    )
}

/// Addresses without access, where the system likes.
pub(crate) fn reserve(len: usize) -> io::Result<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at an address that the system picks touches no other.
    mapped(unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) })
}

/// Addresses without access, there and nowhere else.
pub(crate) fn reserve_at(address: usize, len: usize) -> io::Result<usize> {
    let flags =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    let wanted = with_exposed_provenance_mut(address);
    // SAFETY: the flag keeps it from replacing what is there.
    let got = mapped(unsafe { libc::mmap(wanted, len, libc::PROT_NONE, flags, -1, 0) })?;
    if got != address {
        // SAFETY: just mapped, by a kernel that takes the address for a hint only.
        let _: io::Result<()> = unsafe { unmap(got, len) };
        return Err(io::ErrorKind::AddrInUse.into());
    }
    Ok(got)
}

fn protection(access: Access) -> libc::c_int {
    match access {
        Access::None => libc::PROT_NONE,
        Access::Read => libc::PROT_READ,
        Access::Write => libc::PROT_READ | libc::PROT_WRITE,
    }
}

/// Replaces addresses by pages of a file. A child that is forked does not get them: it would write
/// into the memory of its parent.
///
/// # Safety
///
/// The range is the caller's own mapping, and nobody uses it.
pub(crate) unsafe fn map_file(
    address: usize,
    len: usize,
    file: &File,
    at: u64,
    access: Access,
) -> io::Result<()> {
    let flags = libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_NORESERVE;
    let (fd, at, access) = (file.raw(), offset(at)?, protection(access));
    let address = with_exposed_provenance_mut(address);
    // SAFETY: MAP_FIXED replaces what is there, which is the caller's own.
    mapped(unsafe { libc::mmap(address, len, access, flags, fd, at) })?;
    // SAFETY: the range was just mapped; the advice changes nothing in this process.
    check(unsafe { libc::madvise(address, len, libc::MADV_DONTFORK) })
}

/// Replaces addresses by nothing, without access.
///
/// # Safety
///
/// The range is the caller's own mapping, and nobody uses it.
pub(crate) unsafe fn map_nothing(address: usize, len: usize) -> io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
    let address = with_exposed_provenance_mut(address);
    // SAFETY: MAP_FIXED replaces what is there, which is the caller's own.
    mapped(unsafe { libc::mmap(address, len, libc::PROT_NONE, flags, -1, 0) }).map(drop)
}

/// # Errors
///
/// The system may have too many mappings to split one more. All is still mapped then.
///
/// # Safety
///
/// The range is the caller's own mapping, and is used no more.
pub(crate) unsafe fn unmap(address: usize, len: usize) -> io::Result<()> {
    // SAFETY: as the caller says.
    check(unsafe { libc::munmap(with_exposed_provenance_mut(address), len) })
}

/// # Safety
///
/// The range is the caller's own mapping; nobody uses it if access is taken away.
pub(crate) unsafe fn protect(address: usize, len: usize, access: Access) -> io::Result<()> {
    let address = with_exposed_provenance_mut(address);
    // SAFETY: as the caller says.
    check(unsafe { libc::mprotect(address, len, protection(access)) })
}

/// # Safety
///
/// The range is the caller's own private mapping, and nobody uses it.
pub(crate) unsafe fn discard_private(address: usize, len: usize) {
    let address = with_exposed_provenance_mut(address);
    // SAFETY: as the caller says. A failure leaves the content, which costs memory only.
    unsafe { libc::madvise(address, len, libc::MADV_DONTNEED) };
}

/// # Safety
///
/// The range is the caller's own mapping of a file, and nobody uses it.
pub(crate) unsafe fn discard_file(address: usize, len: usize) {
    let address = with_exposed_provenance_mut(address);
    // SAFETY: as the caller says. A failure leaves the content, which costs memory only.
    unsafe { libc::madvise(address, len, libc::MADV_REMOVE) };
}
