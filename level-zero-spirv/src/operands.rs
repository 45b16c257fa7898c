//! The words of an instruction.

#[derive(Clone, Copy)]
pub(crate) enum Operand {
    Literal(u32),
    Constant(u32),
}

pub(crate) type Step<T = ()> = Result<T, &'static str>;

/// The words of one instruction after the first.
pub(crate) struct Operands<'a>(pub(crate) &'a [u32]);

impl<'a> Operands<'a> {
    pub(crate) fn next(&mut self) -> Step<u32> {
        let (first, rest) = self.0.split_first().ok_or("an instruction is too short")?;
        self.0 = rest;
        Ok(*first)
    }

    /// A string that ends inside of the instruction.
    pub(crate) fn text(&mut self) -> Step<String> {
        let mut bytes = Vec::new();
        loop {
            let word = self
                .next()
                .map_err(|_| "a string does not end")?
                .to_le_bytes();
            match word.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    bytes.extend_from_slice(&word[..end]);
                    break;
                }
                None => bytes.extend_from_slice(&word),
            }
        }
        String::from_utf8(bytes).map_err(|_| "a string is not UTF-8")
    }

    pub(crate) fn three(&mut self, make: fn(u32) -> Operand) -> Step<[Operand; 3]> {
        Ok([make(self.next()?), make(self.next()?), make(self.next()?)])
    }

    pub(crate) fn rest(self) -> &'a [u32] {
        self.0
    }
}
