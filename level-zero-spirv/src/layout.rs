//! Types, and the room that they take.

use std::rc::Rc;

/// Bytes of a pointer, by the only addressing model that is accepted.
pub(crate) const POINTER: u64 = 8;

/// Size and alignment of a type in memory.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) size: u64,
    pub(crate) align: u64,
}

#[derive(Clone)]
pub(crate) enum Type {
    /// An integer of that many bits: what a specialisation or a length may be.
    Int(Layout),
    Float(Layout),
    Bool,
    Plain(Option<Layout>),
    Pointer {
        storage: u32,
        target: u32,
    },
    Function(Rc<[u32]>),
    Image,
    Sampler,
    Opaque,
}

impl Type {
    pub(crate) fn layout(&self) -> Option<Layout> {
        match self {
            Self::Int(layout) | Self::Float(layout) => Some(*layout),
            Self::Bool => Some(Layout { size: 1, align: 1 }),
            Self::Plain(layout) => *layout,
            Self::Pointer { .. } => Some(Layout {
                size: POINTER,
                align: POINTER,
            }),
            Self::Function(_) | Self::Image | Self::Sampler | Self::Opaque => None,
        }
    }
}

/// A structure with one more member at its end.
pub(crate) fn after(whole: Layout, part: Layout, packed: bool) -> Option<Layout> {
    let align = if packed { 1 } else { part.align };
    let start = whole.size.checked_next_multiple_of(align.max(1))?;
    Some(Layout {
        size: start.checked_add(part.size)?,
        align: whole.align.max(align),
    })
}
