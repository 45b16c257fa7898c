//! Address space from the operating system: where allocations lie.
//!
//! Device memory is a sparse file in memory, mapped twice: at the addresses that users get, without
//! any access, and once more for the driver to read and write. Host and shared memory is one
//! mapping without access whose pages are opened and closed. Neither uses memory until touched.
#![allow(unsafe_code, reason = "maps memory and writes through it")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, RwLock};

use crate::fork;
use crate::registry::{lock, read, write};
use crate::system::{self, Access, File};
use crate::twin::Twin;

/// Addresses of arenas are multiples of this, so that offsets have the alignment of addresses.
const BASE_ALIGNMENT: usize = 2 << 20;

/// First and past-the-end addresses of all arenas of the process, also of other instances: memory
/// that looks like the program's own must not be in there.
static RANGES: RwLock<BTreeMap<usize, usize>> = RwLock::new(BTreeMap::new());

/// What could not be unmapped when it ended, to be tried again.
static LEFT: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

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
pub(crate) struct Reservation {
    address: usize,
    len: usize,
}

impl Reservation {
    /// Addresses where the system likes.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        Ok(Self::adopt(system::reserve(len)?, len))
    }

    /// Those addresses and no others.
    pub(crate) fn new_at(address: usize, len: usize) -> io::Result<Self> {
        Ok(Self::adopt(system::reserve_at(address, len)?, len))
    }

    /// Takes ownership of a mapping.
    fn adopt(address: usize, len: usize) -> Self {
        write(&RANGES).insert(address, address + len);
        Self { address, len }
    }

    pub(crate) fn address(&self) -> usize {
        self.address
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // In the child of a fork files are not mapped there. What is may be the child's own.
        if fork::is_child() {
            return;
        }
        unmap_left();
        // SAFETY:
        // - the mapping is this reservation's own, from `adopt`
        // - it ends with its arena or region, of which nobody holds pointers: users' pointers end
        //   with the instance, as `Instance` says, or earlier; the driver's are pinned
        unsafe { unmap(self.address, self.len) };
    }
}

/// Unmaps what a reservation adopted, at once or later.
///
/// # Safety
///
/// The mapping was a reservation's, and is used no more.
unsafe fn unmap(address: usize, len: usize) {
    // Before the unmapping: the next mapping of any thread may get the addresses.
    write(&RANGES).remove(&address);
    // SAFETY: as the caller says.
    if unsafe { system::unmap(address, len) }.is_err() {
        write(&RANGES).insert(address, address + len);
        lock(&LEFT).push((address, len));
    }
}

/// Tries again, where there are fewer mappings now.
fn unmap_left() {
    let left = std::mem::take(&mut *lock(&LEFT));
    for (address, len) in left {
        // SAFETY: of a reservation that ended, and still mapped; out of the list, so that no other
        // thread unmaps it too.
        unsafe { unmap(address, len) };
    }
}

/// What is behind the addresses.
enum Backing {
    /// A file, mapped twice.
    Device { twin: Twin, file: File },
    /// Pages of the process.
    Host { _reserved: Reservation },
}

/// The address space of one kind of memory.
///
/// Invariant: `user..user + len` and `working..working + len` are page-aligned and mapped as long
/// as `self` lives: by the twin of device memory, in the reservation, where they are the same, for
/// the rest.
pub(crate) struct Arena {
    user: usize,
    working: usize,
    len: usize,
    backing: Backing,
}

impl Arena {
    /// Memory that the host cannot touch at the addresses that users get.
    pub(crate) fn device(len: usize) -> io::Result<Self> {
        let file = File::create_arena(len)?;
        let twin = Twin::new(len, BASE_ALIGNMENT, 0)?;
        // SAFETY: nothing is there yet; the file is as long and stays so.
        unsafe { twin.map(0, len, &file, 0) }?;
        Ok(Self {
            user: twin.user(),
            working: twin.working(0).addr(),
            len,
            backing: Backing::Device { twin, file },
        })
    }

    /// Memory that the host can use once it is [opened](Self::open).
    pub(crate) fn host(len: usize) -> io::Result<Self> {
        let room = len
            .checked_add(BASE_ALIGNMENT)
            .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let reserved = Reservation::new(room)?;
        let user = reserved.address.next_multiple_of(BASE_ALIGNMENT);
        Ok(Self {
            user,
            working: user,
            len,
            backing: Backing::Host {
                _reserved: reserved,
            },
        })
    }

    /// The first address that users get.
    pub(crate) fn base(&self) -> usize {
        self.user
    }

    /// Where an address of this arena lies in it.
    pub(crate) fn offset_of(&self, address: usize) -> Option<usize> {
        address
            .checked_sub(self.user)
            .filter(|offset| *offset < self.len)
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The addresses and the file of device memory.
    pub(crate) fn hidden(&self) -> Option<(&Twin, &File)> {
        match &self.backing {
            Backing::Device { twin, file } => Some((twin, file)),
            Backing::Host { .. } => None,
        }
    }

    /// Where the driver reads and writes what users know as `base() + offset`. To be dereferenced
    /// only in ranges that are allocated.
    pub(crate) fn working(&self, offset: usize) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.working + offset)
    }

    /// Gives the host access to pages of host memory.
    pub(crate) fn open(&self, offset: usize, len: usize) -> io::Result<()> {
        self.check(offset, len);
        // SAFETY: pages of this arena, by the check; more access breaks nothing.
        unsafe { system::protect(self.user + offset, len, Access::Write) }
    }

    /// Takes the host's access to pages away. They keep their content.
    ///
    /// # Errors
    ///
    /// The system may have too many mappings to split one more. The pages are then still open.
    ///
    /// # Safety
    ///
    /// The range is page-aligned and not allocated.
    pub(crate) unsafe fn close(&self, offset: usize, len: usize) -> io::Result<()> {
        self.check(offset, len);
        // SAFETY: in this arena by the check; nobody uses it, as the caller says.
        unsafe { system::protect(self.user + offset, len, Access::None) }
    }

    /// Gives the memory behind pages back to the system; they read as zero.
    ///
    /// # Safety
    ///
    /// The range is page-aligned and not allocated.
    pub(crate) unsafe fn discard(&self, offset: usize, len: usize) {
        self.check(offset, len);
        match &self.backing {
            // SAFETY: the file is mapped over all of it; nobody uses it, as the caller says.
            Backing::Device { twin, .. } => unsafe { twin.discard(offset, len) },
            Backing::Host { .. } => {
                // SAFETY: in this arena by the check; nobody uses it, as the caller says.
                unsafe { system::discard_private(self.user + offset, len) };
            }
        }
    }

    /// Panics where a range is not in the arena, which would be a defect of this crate.
    pub(crate) fn check(&self, offset: usize, len: usize) {
        assert!(
            offset <= self.len && len <= self.len - offset,
            "outside of the arena"
        );
    }
}
