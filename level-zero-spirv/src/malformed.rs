//! Why a module was refused.

use core::fmt;

/// Why a module was refused: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The word at which the instruction starts.
    pub word: usize,
    /// What is wrong there.
    pub problem: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid SPIR-V at word {}: {}", self.word, self.problem)
    }
}

impl core::error::Error for Malformed {}
