//! Who holds memory when there is no more.

use super::message::named;
use crate::placement::PlacementKind;
use core::fmt;
use core::ops::Deref;

/// How many holders an error names.
const NAMED: usize = 8;

/// One that holds memory of the driver: a pool, or the buffers of areas; in
/// [`Error::LimitReached`](crate::Error::LimitReached).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    name: Box<str>,
    placement: PlacementKind,
    bytes: u64,
    buffers: u64,
}

impl Holder {
    pub(crate) fn new(
        name: impl Into<Box<str>>,
        placement: PlacementKind,
        bytes: u64,
        buffers: u64,
    ) -> Self {
        Self {
            name: name.into(),
            placement,
            bytes,
            buffers,
        }
    }

    /// The name of the pool; `buffers of areas` for what is in none, and `lost in failed frees` for
    /// what drops could not free.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where the memory lives.
    #[must_use]
    pub fn placement(&self) -> PlacementKind {
        self.placement
    }

    /// How many bytes of the driver's memory it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many live buffers it holds them for: none where a pool keeps all of it for reuse.
    #[must_use]
    pub fn buffers(&self) -> u64 {
        self.buffers
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            placement,
            bytes,
            buffers,
        } = self;
        let plural = if *buffers == 1 { "" } else { "s" };
        write!(
            f,
            "{name}: {bytes} bytes of {placement} memory in {buffers} buffer{plural}"
        )
    }
}

/// The largest [`Holder`]s of memory, largest first, at most 8: a slice of them.
// As thin as a pointer, so that errors stay small.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holders(Option<Box<Largest>>);

/// The largest, and what all others hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Largest {
    named: Vec<Holder>,
    others: usize,
    other_bytes: u64,
}

impl Holders {
    /// The largest of these; those that hold nothing are left out.
    pub(crate) fn largest(mut all: Vec<Holder>) -> Self {
        all.retain(|holder| holder.bytes > 0);
        all.sort_by_key(|holder| core::cmp::Reverse(holder.bytes));
        if all.is_empty() {
            return Self(None);
        }
        let others = all.split_off(all.len().min(NAMED));
        Self(Some(Box::new(Largest {
            named: all,
            others: others.len(),
            other_bytes: others.iter().map(|other| other.bytes).sum(),
        })))
    }

    /// How many holders are not among these, and what they hold in bytes.
    #[must_use]
    pub fn others(&self) -> (usize, u64) {
        self.0
            .as_deref()
            .map_or((0, 0), |all| (all.others, all.other_bytes))
    }
}

impl Deref for Holders {
    type Target = [Holder];

    fn deref(&self) -> &[Holder] {
        self.0.as_deref().map_or(&[], |all| &all.named)
    }
}

impl<'a> IntoIterator for &'a Holders {
    type Item = &'a Holder;
    type IntoIter = core::slice::Iter<'a, Holder>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One after the other, with commas between.
impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, holder) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{holder}")?;
        }
        if let (others @ 1.., bytes) = self.others() {
            write!(f, ", and {others} more: {bytes} bytes")?;
        }
        Ok(())
    }
}

/// What has the limit that was reached; in [`Error::LimitReached`](crate::Error::LimitReached).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitOf {
    /// The context: [`ContextBuilder::memory_limit`](crate::ContextBuilder::memory_limit).
    Context,
    /// A pool: [`PoolBuilder::limit`](crate::PoolBuilder::limit).
    Pool {
        /// Its name; empty where it has none.
        name: Box<str>,
        /// How many bytes of the driver's memory the request takes: a slab.
        slab: usize,
    },
}

impl LimitOf {
    /// What to do about it.
    pub(super) fn advice(&self, hopeless: bool) -> &'static str {
        match self {
            Self::Context if hopeless => {
                "the request alone is above the limit: ask for less, or raise \
                 ContextBuilder::memory_limit"
            }
            Self::Context => {
                "drop some, ask for less, or raise ContextBuilder::memory_limit (what pools kept \
                 for reuse was given back, as by Context::trim)"
            }
            Self::Pool { .. } => {
                "drop some, ask for less, or build the pool with a higher PoolBuilder::limit (what it \
                 kept for reuse was given back)"
            }
        }
    }
}

impl LimitOf {
    /// What a request takes beyond what was asked for.
    pub(super) fn takes(&self) -> String {
        match self {
            Self::Pool { slab, .. } => format!(", which take {slab} bytes of the driver,"),
            Self::Context => String::new(),
        }
    }
}

impl fmt::Display for LimitOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context => f.write_str("this context"),
            Self::Pool { name, .. } => write!(f, "the pool{}", named(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn of(bytes: u64) -> Holder {
        Holder::new(format!("pool {bytes}"), PlacementKind::Host, bytes, 1)
    }

    #[test]
    fn the_eight_largest_holders_are_named_largest_first() {
        let holders = Holders::largest((0..20).map(of).collect());
        let bytes: Vec<u64> = holders.iter().map(Holder::bytes).collect();
        assert_eq!(bytes, [19, 18, 17, 16, 15, 14, 13, 12]);
        let text = holders.to_string();
        let start = "pool 19: 19 bytes of host memory in 1 buffer, pool 18: ";
        assert!(text.starts_with(start), "{text}");
        // 1 to 11; 0 holds nothing.
        assert!(text.ends_with(", and 11 more: 66 bytes"), "{text}");
    }

    #[test]
    fn who_holds_nothing_is_not_named() {
        assert_eq!(Holders::largest(vec![of(0), of(0)]), Holders::default());
        assert_eq!(Holders::largest(vec![of(0), of(3)]).to_vec(), [of(3)]);
    }
    #[test]
    fn a_limit_that_is_reached_says_whose_it_is_who_holds_what_and_what_to_do() {
        let holder = |name, bytes| Holder::new(name, PlacementKind::Host, bytes, 1);
        let reached = |of| Error::LimitReached {
            of: Box::new(of),
            limit: 1000,
            placement: PlacementKind::Device,
            requested: 300,
            padding: 63,
            held_bytes: 900,
            holders: Holders::largest(vec![holder("a", 100), holder("b", 800)]),
        };
        let text = reached(LimitOf::Context).to_string();
        let says = "the limit of 1000 bytes of this context is reached: 300 bytes of device memory \
             (63 of them to align the buffer, which the driver does not) were asked for, and 900 \
             bytes are held (b: 800 bytes of host memory in 1 buffer, a: 100 bytes of host memory in \
             1 buffer): drop some";
        assert!(text.starts_with(says), "{text}");
        let advice = ["ContextBuilder::memory_limit", "Context::trim"];
        assert!(advice.iter().all(|word| text.contains(word)), "{text}");
        let text = reached(LimitOf::Pool {
            name: "weights".into(),
            slab: 65536,
        })
        .to_string();
        assert!(
            text.contains("1000 bytes of the pool \"weights\" is"),
            "{text}"
        );
        let takes = "which take 65536 bytes of the driver, were asked for";
        assert!(
            text.contains(takes) && text.contains("PoolBuilder::limit"),
            "{text}"
        );
        let mut alone = reached(LimitOf::Context);
        if let Error::LimitReached { limit, .. } = &mut alone {
            *limit = 299;
        }
        let text = alone.to_string();
        assert!(text.contains("alone is above the limit"), "{text}");
    }
}
