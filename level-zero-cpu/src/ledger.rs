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
    /// The number of live reservations of addresses; none yet, for virtual memory is not offered.
    pub reservations: usize,
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
        for (count, what) in [
            (self.modules, "modules"),
            (self.kernels, "kernels"),
            (self.build_logs, "build logs"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        for allocation in &self.allocations {
            write!(f, "\n  {allocation}")?;
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
