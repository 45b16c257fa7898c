//! What a module offers.

use crate::kernel::Kernel;
use crate::malformed::Malformed;
use crate::operands::Operands;
use crate::reader::Reader;
use crate::words::{HEADER_WORDS, MAGIC};

/// What a module offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Major and minor.
    pub version: (u8, u8),
    /// In the order of the module.
    pub kernels: Vec<Kernel>,
    /// What can be given a value before the module is compiled.
    pub constants: Vec<SpecConstant>,
    /// What another module must bring. What the device itself brings is not among them.
    pub imports: Vec<Symbol>,
    /// What other modules may use.
    pub exports: Vec<Symbol>,
}

/// A constant that is given a value before the module is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecConstant {
    /// Its number, by which it is given a value.
    pub id: u32,
    /// In bytes; 1 for a boolean.
    pub size: u64,
}

/// What is linked by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Symbol {
    /// What it is linked by.
    pub name: String,
    /// Whether it is a function; else it is a variable.
    pub is_function: bool,
}

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    ///
    /// What is wrong, at the first place where something is.
    pub fn parse(words: &[u32]) -> Result<Self, Malformed> {
        let refuse = |word, problem| Malformed { word, problem };
        let [magic, version, _, bound, schema, ..] = *words else {
            return Err(refuse(0, "the header is cut off"));
        };
        if magic != MAGIC {
            return Err(refuse(0, "the first word is not that of SPIR-V"));
        }
        let [low, minor, major, high] = version.to_le_bytes();
        if low != 0 || high != 0 || major != 1 {
            return Err(refuse(1, "the version is not of the form 1.x"));
        }
        if schema != 0 {
            return Err(refuse(4, "the schema is not 0"));
        }
        let mut reader = Reader {
            bound,
            ..Reader::default()
        };
        let mut at = HEADER_WORDS;
        while let Some(&first) = words.get(at) {
            let [a, b, c, d] = first.to_le_bytes();
            let (code, len) = (
                u16::from_le_bytes([a, b]),
                usize::from(u16::from_le_bytes([c, d])),
            );
            if len == 0 {
                return Err(refuse(at, "an instruction has no words"));
            }
            let operands = words
                .get(at + 1..at + len)
                .ok_or(refuse(at, "the last instruction is cut off"))?;
            reader
                .instruction(code, Operands(operands), at)
                .map_err(|problem| refuse(at, problem))?;
            at += len;
        }
        if reader.current.is_some() {
            return Err(refuse(at, "the last function does not end"));
        }
        if !reader.memory_model {
            return Err(refuse(at, "there is no memory model"));
        }
        reader.finish((major, minor))
    }

    /// The kernel of a name.
    #[must_use]
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }
}
