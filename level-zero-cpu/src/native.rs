//! What `zeModuleGetNativeBinary` gives: the SPIR-V of a module, what it was built with, and the
//! code of the machine where it was linked.
//!
//! After the mark come the rest's checksum and four pieces, each after its length.
//!
//! The code is handed to the runtime, which trusts it, as drivers of GPUs trust their binaries: one that
//! was forged with a right checksum may do anything that the program may.

use level_zero_sys as sys;

use crate::arguments::Outcome;

const MARK: &[u8; 8] = b"zecpu\0\0\x01";

/// The pieces of a native binary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Native {
    pub(crate) spirv: Vec<u8>,
    /// For the compiler of the runtime.
    pub(crate) options: Vec<u8>,
    /// Values of specialisation constants.
    pub(crate) constants: Vec<(u32, Box<[u8]>)>,
    /// Empty where the module has imports that were not linked.
    pub(crate) code: Vec<u8>,
}

/// FNV-1a: against damage, not against intent.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn push(bytes: &mut Vec<u8>, piece: &[u8]) {
    bytes.extend((piece.len() as u64).to_le_bytes());
    bytes.extend(piece);
}

/// Takes a piece and its length off the front.
fn pop<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk::<8>()?;
    let len = usize::try_from(u64::from_le_bytes(*len)).ok()?;
    let (piece, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    Some(piece)
}

impl Native {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut constants = Vec::new();
        for (id, value) in &self.constants {
            constants.extend(id.to_le_bytes());
            push(&mut constants, value);
        }
        let mut rest = Vec::new();
        for piece in [&self.spirv, &self.options, &constants, &self.code] {
            push(&mut rest, piece);
        }
        let mut bytes = MARK.to_vec();
        bytes.extend(checksum(&rest).to_le_bytes());
        bytes.extend(rest);
        bytes
    }

    /// # Errors
    ///
    /// `INVALID_NATIVE_BINARY` for anything that [`to_bytes`](Self::to_bytes) did not give.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Outcome<Self> {
        Self::read(bytes).ok_or(sys::ZE_RESULT_ERROR_INVALID_NATIVE_BINARY)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MARK)?;
        let (sum, mut rest) = rest.split_first_chunk::<8>()?;
        if checksum(rest) != u64::from_le_bytes(*sum) {
            return None;
        }
        let spirv = pop(&mut rest)?.to_vec();
        let options = pop(&mut rest)?.to_vec();
        let mut listed = pop(&mut rest)?;
        let mut constants = Vec::new();
        while let Some((id, values)) = listed.split_first_chunk::<4>() {
            listed = values;
            constants.push((u32::from_le_bytes(*id), pop(&mut listed)?.into()));
        }
        let code = pop(&mut rest)?.to_vec();
        (rest.is_empty() && listed.is_empty()).then_some(Self {
            spirv,
            options,
            constants,
            code,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Native {
        Native {
            spirv: vec![3, 2, 35, 7],
            options: b"-cl-opt-disable".to_vec(),
            constants: vec![(7, [1, 2].into()), (9, [3].into())],
            code: b"\x7fELF".to_vec(),
        }
    }

    #[test]
    fn a_binary_comes_back_whole() {
        assert_eq!(Native::from_bytes(&example().to_bytes()), Ok(example()));
        let empty = Native::default();
        assert_eq!(Native::from_bytes(&empty.to_bytes()), Ok(empty));
    }

    #[test]
    fn whatever_is_changed_or_cut_off_is_refused() {
        let bytes = example().to_bytes();
        let refused: Outcome<Native> = Err(sys::ZE_RESULT_ERROR_INVALID_NATIVE_BINARY);
        for at in 0..bytes.len() {
            assert_eq!(Native::from_bytes(&bytes[..at]), refused);
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(Native::from_bytes(&changed), refused);
            }
        }
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(Native::from_bytes(&longer), refused);
    }

    #[test]
    fn lengths_that_lie_are_refused_also_with_a_right_checksum() {
        let refused: Outcome<Native> = Err(sys::ZE_RESULT_ERROR_INVALID_NATIVE_BINARY);
        let bytes = example().to_bytes();
        for at in 16..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let sum = checksum(&changed[16..]);
                changed[8..16].copy_from_slice(&sum.to_le_bytes());
                match Native::from_bytes(&changed) {
                    Ok(read) => assert_eq!(read.to_bytes(), changed),
                    refusal => assert_eq!(refusal, refused),
                }
            }
        }
    }
}
