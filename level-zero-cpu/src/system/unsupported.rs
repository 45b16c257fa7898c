//! Other systems build, and have no instances.
#![allow(
    unsafe_code,
    reason = "the signatures of the calls that are there on Linux"
)]

use std::convert::Infallible;
use std::io;

use super::{Access, Identity, Range};

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "the CPU driver runs on Linux only",
    ))
}

#[derive(Debug)]
pub(crate) struct File(Infallible);

impl File {
    pub(crate) fn create(_: usize) -> io::Result<Self> {
        unsupported()
    }

    pub(crate) fn create_arena(_: usize) -> io::Result<Self> {
        unsupported()
    }

    pub(crate) fn raw(&self) -> i32 {
        match self.0 {}
    }

    pub(crate) fn into_raw(self) -> i32 {
        match self.0 {}
    }

    pub(crate) fn duplicate(_: i32) -> io::Result<Self> {
        unsupported()
    }

    pub(crate) fn of_process(_: i32, _: i32) -> io::Result<Self> {
        unsupported()
    }

    pub(crate) fn reopen(&self) -> io::Result<Self> {
        match self.0 {}
    }

    pub(crate) fn identity(&self) -> io::Result<Identity> {
        match self.0 {}
    }

    pub(crate) fn is_fixed(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn is_arena(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn set_position(&self, _: u64) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn position(&self) -> io::Result<u64> {
        match self.0 {}
    }

    pub(crate) fn hold(&self, _: Range, _: bool) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn release(&self, _: Range) {
        match self.0 {}
    }

    pub(crate) fn held_by_others(&self, _: Range) -> io::Result<Option<Range>> {
        match self.0 {}
    }
}

pub(crate) fn is_exhaustion(_: &io::Error) -> bool {
    false
}

pub(crate) fn page() -> usize {
    4096
}

pub(crate) fn reserve(_: usize) -> io::Result<usize> {
    unsupported()
}

pub(crate) fn reserve_at(_: usize, _: usize) -> io::Result<usize> {
    unsupported()
}

pub(crate) unsafe fn map_file(_: usize, _: usize, _: &File, _: u64, _: Access) -> io::Result<()> {
    unsupported()
}

pub(crate) unsafe fn map_nothing(_: usize, _: usize) -> io::Result<()> {
    unsupported()
}

pub(crate) unsafe fn unmap(_: usize, _: usize) -> io::Result<()> {
    unsupported()
}

pub(crate) unsafe fn protect(_: usize, _: usize, _: Access) -> io::Result<()> {
    unsupported()
}

pub(crate) unsafe fn discard_private(_: usize, _: usize) {}

pub(crate) unsafe fn discard_file(_: usize, _: usize) {}
