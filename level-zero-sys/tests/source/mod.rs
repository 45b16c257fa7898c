//! The text of the bindings, read as far as the tests need.

/// A structure: its name, and the names and Rust types of its fields.
pub(crate) struct Structure {
    pub(crate) name: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// The source without comments, in one line with one space between words, and with the types of
/// `core::ffi` by their bare names.
pub(crate) fn normalised(rust: &str) -> String {
    let words: Vec<&str> = rust
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(str::split_whitespace)
        .collect();
    words.join(" ").replace("::core::ffi::", "")
}

/// What stands between each `open` and the next `close`.
pub(crate) fn between<'t>(
    text: &'t str,
    open: &'t str,
    close: &'t str,
) -> impl Iterator<Item = &'t str> {
    text.split(open)
        .skip(1)
        .filter_map(move |rest| Some(rest.split_once(close)?.0))
}

/// The parts of a list that are separated by commas outside all brackets.
pub(crate) fn list(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut previous) = (0, 0, ' ');
    for (index, character) in text.char_indices() {
        match character {
            '(' | '[' | '<' => depth += 1,
            ')' | ']' => depth -= 1,
            '>' if previous != '-' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
        previous = character;
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The structures of a normalised source that have public fields.
pub(crate) fn structures(normalised: &str) -> Vec<Structure> {
    between(normalised, "pub struct ", "}")
        .filter_map(|text| text.split_once(" { "))
        .filter(|(name, _)| !name.contains('('))
        .map(|(name, body)| Structure {
            name: name.to_owned(),
            fields: list(body)
                .into_iter()
                .filter_map(|field| field.strip_prefix("pub ")?.split_once(": "))
                .map(|(name, of)| (name.to_owned(), of.to_owned()))
                .collect(),
        })
        .filter(|structure| !structure.fields.is_empty())
        .collect()
}
