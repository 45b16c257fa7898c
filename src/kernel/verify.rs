//! Compares the signature that a kernel is given with the one that it has.

use super::signature::sealed::{Kind, Shape};
use crate::error::{Error, Result};
use level_zero_spirv::{Argument, ArgumentKind, Kernel};

/// Compares with the interface that the module says the kernel has; without one there is nothing to
/// compare with.
pub(super) fn with_interface(
    name: &str,
    declared: &[Shape],
    interface: Option<&Kernel>,
) -> Result<()> {
    let Some(interface) = interface else {
        return Ok(());
    };
    let found = &interface.arguments;
    let differs = |(shape, argument): (&Shape, &Argument)| !is_like(shape.kind, argument);
    let argument = declared.iter().zip(found.iter()).position(differs);
    if argument.is_none() && declared.len() == found.len() {
        return Ok(());
    }
    let found: Vec<_> = found.iter().map(describe).collect();
    Err(mismatch(name, argument, declared, &found.join(", ")))
}

/// Compares with the number of arguments that the driver says the kernel has, all that native code
/// tells.
pub(super) fn with_count(name: &str, declared: &[Shape], count: u32) -> Result<()> {
    let empty = declared.iter().position(|it| it.kind == Kind::Value(0));
    if empty.is_none() && declared.len() == count as usize {
        return Ok(());
    }
    Err(mismatch(
        name,
        empty,
        declared,
        &format!("{count} arguments"),
    ))
}

fn mismatch(name: &str, argument: Option<usize>, declared: &[Shape], found: &str) -> Error {
    let declared: Vec<_> = declared.iter().map(|it| short((it.name)())).collect();
    Error::SignatureMismatch {
        kernel: name.into(),
        argument,
        declared: format!("({})", declared.join(", ")).into(),
        found: format!("({found})").into(),
    }
}

fn is_like(declared: Kind, found: &Argument) -> bool {
    match declared {
        Kind::Read => matches!(found.kind, ArgumentKind::Global | ArgumentKind::Constant),
        Kind::Write => found.kind == ArgumentKind::Global,
        Kind::Local => found.kind == ArgumentKind::Local,
        Kind::Value(size) => found.kind == ArgumentKind::Value && found.size == size as u64,
    }
}

fn describe(argument: &Argument) -> String {
    let kind = match argument.kind {
        ArgumentKind::Global => "global pointer",
        ArgumentKind::Constant => "constant pointer",
        ArgumentKind::Local => "local pointer",
        ArgumentKind::Value => &format!("{}-byte value", argument.size),
        ArgumentKind::Image => "image",
        ArgumentKind::Sampler => "sampler",
        ArgumentKind::Other => "argument of a kind that is not supported",
    };
    match &argument.name {
        Some(name) => format!("{kind} {name}"),
        None => kind.to_owned(),
    }
}

/// A type's name without the paths: `In<f32>`.
fn short(name: &str) -> String {
    let mut text = String::new();
    let mut word = 0;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == ':' && letters.next_if_eq(&':').is_some() {
            text.truncate(word);
            continue;
        }
        text.push(letter);
        if !letter.is_alphanumeric() && letter != '_' {
            word = text.len();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn names_of_types_lose_their_paths() {
        assert_eq!(short("ze_area::kernel::signature::In<f32>"), "In<f32>");
        assert_eq!(
            short("a::In<[b::c::Pair<u8, d::E>; 3]>"),
            "In<[Pair<u8, E>; 3]>"
        );
        assert_eq!(short("f32"), "f32");
    }
}
