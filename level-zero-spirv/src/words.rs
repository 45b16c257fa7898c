//! The words of a module.

use crate::malformed::Malformed;

pub(crate) const MAGIC: u32 = 0x0723_0203;
pub(crate) const HEADER_WORDS: usize = 5;

/// The words of a module in the byte order of this machine.
///
/// # Errors
///
/// The length is no multiple of four, or too short, or the first word is not SPIR-V's.
pub fn words(bytes: &[u8]) -> Result<Vec<u32>, Malformed> {
    let refuse = |problem| Err(Malformed { word: 0, problem });
    let (chunks, []) = bytes.as_chunks::<4>() else {
        return refuse("the length is no multiple of 4 bytes");
    };
    let swapped = match chunks.first().map(|first| u32::from_ne_bytes(*first)) {
        Some(MAGIC) => false,
        Some(other) if other.swap_bytes() == MAGIC => true,
        _ => return refuse("the first word is not that of SPIR-V"),
    };
    if chunks.len() < HEADER_WORDS {
        return refuse("the header is cut off");
    }
    let word = |chunk: &[u8; 4]| {
        let word = u32::from_ne_bytes(*chunk);
        if swapped { word.swap_bytes() } else { word }
    };
    Ok(chunks.iter().map(word).collect())
}
