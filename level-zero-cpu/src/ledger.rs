//! What is live.

use std::fmt;

/// The three kinds of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// From `zeMemAllocDevice`: the host cannot touch it.
    Device,
    /// From `zeMemAllocShared`.
    Shared,
    /// From `zeMemAllocHost`.
    Host,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "device",
            Self::Shared => "shared",
            Self::Host => "host",
        })
    }
}

/// All that was made through an instance and not destroyed or freed: at the end of a program that
/// cleans up after itself, nothing.
///
/// Destroying a context does not free its memory; it stays here for good, for nothing can free it
/// any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// Live allocations, in the order they were made in.
    pub allocations: Vec<LiveAllocation>,
    /// The number of live contexts.
    pub contexts: usize,
    /// The number of live command lists.
    pub command_lists: usize,
    /// The number of live modules.
    pub modules: usize,
    /// The number of live kernels.
    pub kernels: usize,
    /// The number of live build logs.
    pub build_logs: usize,
    /// The number of live command queues.
    pub command_queues: usize,
    /// The number of live fences.
    pub fences: usize,
    /// The number of live event pools.
    pub event_pools: usize,
    /// The number of live events.
    pub events: usize,
    /// The number of commands that were given to queues and immediate lists and are not done.
    pub pending: usize,
    /// The number of live reservations of addresses.
    pub reservations: usize,
    /// The number of live objects of physical memory.
    pub physical_memories: usize,
    /// The number of allocations that other processes may open: with a handle that was neither put
    /// back nor freed with the allocation, or put back and still open somewhere.
    pub ipc_exported: usize,
    /// The number of openings of memory of other processes, or of this one.
    pub ipc_opened: usize,
    /// The number of allocations that were freed and are still open in other processes, so that
    /// their memory is not used again yet. They do not count as live.
    pub ipc_lent: usize,
    /// The number of file descriptors that the driver holds for all of these, and for allocations
    /// that were imported or are to be exported.
    pub descriptors: usize,
    /// The number of freed host and shared allocations that were written to while they were kept back; see
    /// [`Config::trap_freed`](crate::Config::trap_freed). It never goes down.
    pub written_after_free: u64,
    /// The first of them.
    pub writes_after_free: Vec<WriteAfterFree>,
}

/// A freed allocation that was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteAfterFree {
    /// Where it started.
    pub address: usize,
    /// The size that was asked for, in bytes.
    pub size: usize,
}

/// An allocation that was not freed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveAllocation {
    /// Where it starts.
    pub address: usize,
    /// The size that was asked for, in bytes.
    pub size: usize,
    /// The kind of memory.
    pub kind: Kind,
    /// The index of the root device that it belongs to.
    pub device: Option<u32>,
    /// The index of the sub-device, where it was made for one.
    pub sub_device: Option<u32>,
    /// The ordinal that was asked for.
    pub ordinal: u32,
    /// The alignment that was asked for.
    pub alignment: usize,
    /// The handle of its context.
    pub context: usize,
    /// Whether that context was destroyed: nothing can free this allocation any more.
    pub orphaned: bool,
    /// The how-manieth allocation of the instance it is.
    pub serial: u64,
}

impl Ledger {
    /// Whether nothing is live.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.allocations.is_empty()
            && self.contexts == 0
            && self.command_lists == 0
            && self.modules == 0
            && self.kernels == 0
            && self.build_logs == 0
            && self.command_queues == 0
            && self.fences == 0
            && self.event_pools == 0
            && self.events == 0
            && self.pending == 0
            && self.reservations == 0
            && self.physical_memories == 0
            && self.ipc_exported == 0
            && self.ipc_opened == 0
            && self.descriptors == self.ipc_lent
            && self.written_after_free == 0
    }

    /// The sum of the sizes that were asked for, of one kind of memory.
    #[must_use]
    pub fn live_bytes(&self, kind: Kind) -> usize {
        self.allocations
            .iter()
            .filter(|allocation| allocation.kind == kind)
            .map(|allocation| allocation.size)
            .sum()
    }
}

/// As many allocations as a text lists: nobody reads more, and a terminal takes long for them.
const LISTED: usize = 1000;

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing is live");
        }
        write!(
            f,
            "live: {} allocations, {} contexts, {} command lists, {} reservations, \
             {} command queues, {} fences, {} event pools, {} events, {} pending commands",
            self.allocations.len(),
            self.contexts,
            self.command_lists,
            self.reservations,
            self.command_queues,
            self.fences,
            self.event_pools,
            self.events,
            self.pending
        )?;
        let others = [
            (self.physical_memories, "objects of physical memory"),
            (self.ipc_exported, "IPC handles"),
            (self.ipc_opened, "opened IPC handles"),
            (self.descriptors, "file descriptors"),
            (self.modules, "modules"),
            (self.kernels, "kernels"),
            (self.build_logs, "build logs"),
        ];
        for (count, what) in others.into_iter().filter(|other| other.0 > 0) {
            write!(f, ", {count} {what}")?;
        }
        if self.written_after_free > 0 {
            write!(f, ", {} writes after free", self.written_after_free)?;
        }
        for allocation in self.allocations.iter().take(LISTED) {
            write!(f, "\n  {allocation}")?;
        }
        if let Some(more @ 1..) = self.allocations.len().checked_sub(LISTED) {
            write!(f, "\n  and {more} more allocations")?;
        }
        for WriteAfterFree { address, size } in &self.writes_after_free {
            write!(
                f,
                "\n  {address:#x}: {size} bytes were written after they were freed"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for LiveAllocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:#x}: {} bytes of {} memory",
            self.address, self.size, self.kind
        )?;
        if let Some(device) = self.device {
            write!(f, " on device {device}")?;
        }
        if let Some(sub_device) = self.sub_device {
            write!(f, ".{sub_device}")?;
        }
        write!(
            f,
            ", alignment {}, allocation {}",
            self.alignment, self.serial
        )?;
        if self.orphaned {
            write!(f, ", its context is gone")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_after_a_thousand_allocations() {
        let allocation = LiveAllocation {
            address: 0x1000,
            size: 1,
            kind: Kind::Host,
            device: None,
            sub_device: None,
            ordinal: 0,
            alignment: 0,
            context: 1,
            orphaned: false,
            serial: 1,
        };
        let text = |count| {
            let allocations = vec![allocation.clone(); count];
            let ledger = Ledger {
                allocations,
                ..Ledger::default()
            };
            ledger.to_string()
        };
        assert_eq!(text(1000).lines().count(), 1001);
        assert!(!text(1000).contains("more"));
        assert_eq!(text(100_000).lines().count(), 1002);
        assert!(text(100_000).ends_with("\n  and 99000 more allocations"));
    }
}
