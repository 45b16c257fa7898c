//! Addresses twice: where users point to without access, and where the driver reads and writes.
#![allow(unsafe_code, reason = "maps memory")]

use std::io;

use crate::arena::Reservation;
use crate::system::{self, Access, File};

/// Addresses for users, and as many for the driver at a constant distance; what is mapped at an
/// offset of the one is mapped at that of the other.
///
/// Invariant: `user..user + len` and `working..working + len` lie in reservations of this value,
/// and only it maps something there.
pub(crate) struct Twin {
    user: usize,
    working: usize,
    len: usize,
    _reserved: [Reservation; 2],
}

impl Twin {
    /// Nothing mapped yet; users' addresses are `remainder` more than a multiple of `alignment`.
    pub(crate) fn new(len: usize, alignment: usize, remainder: usize) -> io::Result<Self> {
        let exhausted = || io::Error::from(io::ErrorKind::OutOfMemory);
        let room = len
            .checked_add(alignment)
            .and_then(|room| room.checked_add(remainder))
            .ok_or_else(exhausted)?;
        let user = Reservation::new(room)?;
        let start = user.address().next_multiple_of(alignment) + remainder;
        Self::with(user, start, len)
    }

    /// As [`new`](Self::new), with users' addresses from `start` on if they are free.
    pub(crate) fn new_at(start: usize, len: usize) -> io::Result<Self> {
        Self::with(Reservation::new_at(start, len)?, start, len)
    }

    fn with(reserved: Reservation, user: usize, len: usize) -> io::Result<Self> {
        let view = Reservation::new(len)?;
        Ok(Self {
            user,
            working: view.address(),
            len,
            _reserved: [reserved, view],
        })
    }

    /// The first address of users.
    pub(crate) fn user(&self) -> usize {
        self.user
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where the driver reads and writes what users know as `user() + offset`: to be dereferenced
    /// only where something is mapped.
    pub(crate) fn working(&self, offset: usize) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.working + offset)
    }

    /// Maps pages of a file: without access for users, with all for the driver.
    ///
    /// # Safety
    ///
    /// Nobody uses the range; the file has the pages, now and later.
    pub(crate) unsafe fn map(
        &self,
        offset: usize,
        len: usize,
        file: &File,
        at: u64,
    ) -> io::Result<()> {
        self.check(offset, len);
        let (user, working) = (self.user + offset, self.working + offset);
        // SAFETY: in the reservation by the check; unused, as the caller says.
        let mut result = unsafe { system::map_file(user, len, file, at, Access::None) };
        if result.is_ok() {
            // SAFETY: as above.
            result = unsafe { system::map_file(working, len, file, at, Access::Write) };
        }
        if result.is_err() {
            // SAFETY: as above.
            let _: io::Result<()> = unsafe { self.unmap(offset, len) };
        }
        result
    }

    /// Maps nothing there again.
    ///
    /// # Errors
    ///
    /// The system may have too many mappings to split one more. What was mapped is still so then.
    ///
    /// # Safety
    ///
    /// Nobody uses the range.
    pub(crate) unsafe fn unmap(&self, offset: usize, len: usize) -> io::Result<()> {
        self.check(offset, len);
        // SAFETY: in the reservation by the check; unused, as the caller says.
        unsafe { system::map_nothing(self.user + offset, len) }?;
        // Where the other half stays, it costs a mapping until something else is mapped there or
        // the reservation ends; what users see is gone.
        // SAFETY: as above.
        let _: io::Result<()> = unsafe { system::map_nothing(self.working + offset, len) };
        Ok(())
    }

    /// Gives the memory of pages back to the system; they read as zero.
    ///
    /// # Safety
    ///
    /// A file is mapped there, and nobody uses the range.
    pub(crate) unsafe fn discard(&self, offset: usize, len: usize) {
        self.check(offset, len);
        // SAFETY: in the reservation by the check; unused, as the caller says.
        unsafe { system::discard_file(self.working + offset, len) };
    }

    /// Sets what the host may do at the addresses of users.
    pub(crate) fn protect(&self, offset: usize, len: usize, access: Access) -> io::Result<()> {
        self.check(offset, len);
        // SAFETY: in the reservation by the check. This crate never dereferences addresses of
        // users; they have access for the time of a kernel only, which the caller looks after.
        unsafe { system::protect(self.user + offset, len, access) }
    }

    fn check(&self, offset: usize, len: usize) {
        assert!(
            offset <= self.len && len <= self.len - offset,
            "outside of the reservation"
        );
    }
}
