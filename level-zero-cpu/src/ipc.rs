//! Handles by which other processes open memory.
//!
//! A handle starts with the number of a descriptor, for programs that hand it on to the opening
//! process and put the number there in its place. The rest says which file it must be and where in
//! it the memory lies; whether that is still so, locks on ranges of the file tell, which end with
//! the process that holds them:
//!
//! - who exports holds one range that stands for offset and size, and one for the number of the
//!   export. A handle opens only what is held at that moment, in both ways.
//! - who opens holds the bytes of the memory themselves. Freed memory that somebody holds is not
//!   used again before.
//!
//! Who opens takes the second lock and then looks for the first; who frees gives the first up and
//! then looks for the second: one of them sees the other.

use level_zero_sys::{self as sys, ze_ipc_mem_handle_t};
use std::ffi::c_char;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::arguments::Outcome;
use crate::fork;
use crate::system::{File, Identity, Range, is_exhaustion};

const MAGIC: u32 = 0x5a45_4350;
/// Offsets take so many bits of a position; the number of the export the rest.
const OFFSET_BITS: u32 = 44;
const NUMBER_MASK: u64 = (1 << 18) - 1;
/// Where the locks start that are about what is exported, past the end of all files.
const SHAPES: u64 = 1 << 62;
const NUMBERS: u64 = SHAPES + (1 << 61);

/// What a handle says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) fd: i32,
    process: i32,
    device: u64,
    inode: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    number: u64,
}

fn process() -> i32 {
    i32::try_from(std::process::id()).unwrap_or(-1)
}

impl Ticket {
    pub(crate) fn encode(&self) -> ze_ipc_mem_handle_t {
        let mut bytes = [0_u8; sys::ZE_MAX_IPC_HANDLE_SIZE as usize];
        bytes[..4].copy_from_slice(&self.fd.to_ne_bytes());
        bytes[4..8].copy_from_slice(&MAGIC.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.process.to_ne_bytes());
        let words = [self.device, self.inode, self.offset, self.size, self.number];
        for (slot, word) in bytes[16..].chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_ne_bytes());
        }
        ze_ipc_mem_handle_t {
            data: bytes.map(|byte| c_char::from_ne_bytes([byte])),
        }
    }

    /// What a handle says, or `INVALID_ARGUMENT` if it is none of this driver.
    pub(crate) fn decode(handle: &ze_ipc_mem_handle_t) -> Outcome<Self> {
        let bytes = handle.data.map(|byte| byte.to_ne_bytes()[0]);
        let half = |at: usize| {
            let mut half = [0; 4];
            half.copy_from_slice(&bytes[at..at + 4]);
            half
        };
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[16 + 8 * index..24 + 8 * index]);
            u64::from_ne_bytes(word)
        };
        if u32::from_ne_bytes(half(4)) != MAGIC {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        Ok(Self {
            fd: i32::from_ne_bytes(half(0)),
            process: i32::from_ne_bytes(half(8)),
            device: word(0),
            inode: word(1),
            offset: word(2),
            size: word(3),
            number: word(4),
        })
    }

    /// The lock that stands for offset and size. The exports of a file do not overlap, and there
    /// is one between their locks at least, so that none grow together.
    fn shape(&self) -> Range {
        Range {
            start: SHAPES + 2 * self.offset,
            len: 2 * self.size - 1,
        }
    }

    fn numbered(&self) -> Range {
        Range {
            start: NUMBERS + 2 * self.number,
            len: 1,
        }
    }

    fn bytes(&self) -> Range {
        Range {
            start: self.offset,
            len: self.size,
        }
    }

    /// Whether the numbers are such that no sum of them overflows.
    fn is_small(&self) -> bool {
        self.offset >> OFFSET_BITS == 0
            && self.size > 0
            && self.size >> OFFSET_BITS == 0
            && self.number >> 50 == 0
    }

    fn is_of(&self, identity: Identity) -> bool {
        self.device == identity.device && self.inode == identity.inode
    }

    /// The file, if the descriptor is one of it.
    fn file(&self, file: io::Result<File>) -> Outcome<Option<File>> {
        let is_it = |file: &File| {
            file.is_fixed() && file.identity().is_ok_and(|identity| self.is_of(identity))
        };
        match file {
            Ok(file) => Ok(Some(file).filter(is_it)),
            Err(error) if is_exhaustion(&error) => Err(sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY),
            Err(_) => Ok(None),
        }
    }

    /// The file opened anew, with the bytes held; `INVALID_ARGUMENT` if the memory is not exported,
    /// or not any more.
    ///
    /// The descriptor is looked for in this process first, then in the one that exported it.
    pub(crate) fn open(&self) -> Outcome<File> {
        let refused = sys::ZE_RESULT_ERROR_INVALID_ARGUMENT;
        if !self.is_small() {
            return Err(refused);
        }
        let file = match self.file(File::duplicate(self.fd))? {
            None if self.process > 0 && self.process != process() => {
                self.file(File::of_process(self.process, self.fd))?
            }
            here => here,
        };
        let file = file.ok_or(refused)?.reopen();
        let file = file.map_err(|_| sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY)?;
        let identity = file.identity().map_err(|_| refused)?;
        if self.offset + self.size > identity.len || file.hold(self.bytes(), true).is_err() {
            return Err(refused);
        }
        let held = |range| matches!(file.held_by_others(range), Ok(Some(held)) if held == range);
        if held(self.shape()) && held(self.numbered()) {
            Ok(file)
        } else {
            Err(refused)
        }
    }

    /// What the descriptor that an export made says of it, in whatever process it came to.
    pub(crate) fn of_descriptor(fd: i32) -> Outcome<Self> {
        let refused = |_| sys::ZE_RESULT_ERROR_INVALID_ARGUMENT;
        let file = File::duplicate(fd).map_err(refused)?;
        if !file.is_fixed() {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        let identity = file.identity().map_err(refused)?;
        let position = file.position().map_err(refused)?;
        let mut ticket = Self {
            fd,
            process: process(),
            device: identity.device,
            inode: identity.inode,
            offset: position & ((1 << OFFSET_BITS) - 1),
            size: 1,
            number: 0,
        };
        // Opened anew, it sees the locks of all others.
        let file = file.reopen().map_err(refused)?;
        let shape = file.held_by_others(ticket.shape()).map_err(refused)?;
        let shape = shape.filter(|shape| shape.start == ticket.shape().start);
        ticket.size = shape.map_or(0, |shape| shape.len.div_ceil(2));
        // The rest of the number is what those have that are held; the next below the counter of
        // another process is not known here, so that few exports are tried.
        let low = position >> OFFSET_BITS;
        for high in 0..64 {
            ticket.number = low | high << NUMBER_MASK.count_ones();
            if ticket.is_small() && matches!(file.held_by_others(ticket.numbered()), Ok(Some(_))) {
                return Ok(ticket);
            }
        }
        Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT)
    }
}

/// Memory that other processes may open, as long as this lives.
pub(crate) struct Export {
    file: File,
    ticket: Ticket,
    /// How often its handle was asked for and not put back.
    pub(crate) uses: u32,
}

impl Export {
    /// Exports a range of a file; no other export meets it.
    pub(crate) fn new(source: &File, offset: usize, size: usize) -> Outcome<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let exhausted = |_| sys::ZE_RESULT_ERROR_OUT_OF_HOST_MEMORY;
        let file = source.reopen().map_err(exhausted)?;
        let identity = file.identity().map_err(exhausted)?;
        let ticket = Ticket {
            fd: file.raw(),
            process: process(),
            device: identity.device,
            inode: identity.inode,
            offset: offset as u64,
            size: size as u64,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        };
        if !ticket.is_small() {
            return Err(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE);
        }
        let position = ticket.offset | (ticket.number & NUMBER_MASK) << OFFSET_BITS;
        file.set_position(position).map_err(exhausted)?;
        file.hold(ticket.shape(), false).map_err(exhausted)?;
        file.hold(ticket.numbered(), false).map_err(exhausted)?;
        Ok(Self {
            file,
            ticket,
            uses: 0,
        })
    }

    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Whether a handle is the one of this export, whatever became of its first number.
    pub(crate) fn is(&self, ticket: &Ticket) -> bool {
        let other = Ticket {
            fd: self.ticket.fd,
            process: self.ticket.process,
            ..*ticket
        };
        other == self.ticket
    }

    /// Lets nobody else open the memory.
    pub(crate) fn withdraw(&self) {
        self.file.release(self.ticket.shape());
        self.file.release(self.ticket.numbered());
    }

    /// Ends all uses of its handle.
    pub(crate) fn end(&mut self) {
        self.uses = 0;
        self.withdraw();
    }

    /// Whether somebody has the memory open.
    pub(crate) fn is_open(&self) -> bool {
        // Where that cannot be told, it might be.
        !matches!(self.file.held_by_others(self.ticket.bytes()), Ok(None))
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        // Another process may have the descriptor too: closing would not end the locks. Those of the
        // child of a fork are its parent's.
        if !fork::is_child() {
            self.withdraw();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_says_what_it_was_told() {
        let file = File::create(1 << 16).unwrap();
        let export = Export::new(&file, 4096, 100).unwrap();
        let ticket = export.ticket();
        assert_eq!(Ticket::decode(&ticket.encode()), Ok(ticket));
        assert!(export.is(&Ticket { fd: 9999, ..ticket }));
        assert!(!export.is(&Ticket { size: 99, ..ticket }));
        assert_eq!(Ticket::of_descriptor(ticket.fd), Ok(ticket));
    }

    #[test]
    fn only_what_is_exported_opens() {
        let file = File::create(1 << 16).unwrap();
        let export = Export::new(&file, 4096, 4096).unwrap();
        let next = Export::new(&file, 8192, 4096).unwrap();
        let ticket = export.ticket();
        assert!(!export.is_open());
        let opened = ticket.open().unwrap();
        assert!(export.is_open());
        assert!(!next.is_open());
        drop(opened);
        assert!(!export.is_open());
        for forged in [
            Ticket {
                offset: 4095,
                ..ticket
            },
            Ticket {
                size: 4095,
                ..ticket
            },
            Ticket {
                size: 8192,
                ..ticket
            },
            Ticket { size: 0, ..ticket },
            Ticket {
                size: u64::MAX,
                ..ticket
            },
            Ticket {
                offset: u64::MAX,
                ..ticket
            },
            Ticket {
                number: ticket.number + 1000,
                ..ticket
            },
            Ticket {
                number: u64::MAX,
                ..ticket
            },
            Ticket {
                inode: ticket.inode + 1,
                ..ticket
            },
            Ticket { fd: -1, ..ticket },
            Ticket {
                fd: i32::MAX,
                process: i32::MAX,
                ..ticket
            },
            Ticket {
                fd: 0,
                process: 1,
                ..ticket
            },
        ] {
            assert!(forged.open().is_err(), "{forged:?}");
        }
        export.withdraw();
        assert!(ticket.open().is_err());
        assert!(Ticket::of_descriptor(ticket.fd).is_err());
        assert!(next.ticket().open().is_ok());
    }
}
