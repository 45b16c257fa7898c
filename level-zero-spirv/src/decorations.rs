//! Decorations of ids.

use std::rc::Rc;

/// What the decorations of an id say, as far as it matters here.
#[derive(Clone, Default)]
pub(crate) struct Decorations {
    pub(crate) spec_id: Option<u32>,
    pub(crate) packed: bool,
    pub(crate) built_in: bool,
    pub(crate) no_write: bool,
    /// The name, and whether it is imported.
    pub(crate) linkage: Option<(Rc<str>, bool)>,
}

impl Decorations {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.spec_id = self.spec_id.or(other.spec_id);
        self.packed |= other.packed;
        self.built_in |= other.built_in;
        self.no_write |= other.no_write;
        if self.linkage.is_none() {
            self.linkage.clone_from(&other.linkage);
        }
    }
}
