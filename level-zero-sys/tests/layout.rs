//! The bindings are what the C compiler makes of the headers.
//!
//! `src/bindings.rs` holds bindgen's assertions of every size, alignment and offset, which rustc
//! checks in each build. They are read here and put to the C compiler as `_Static_assert`s, with
//! the values of the constants and the types of fields, handles and calls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod machine;
mod source;

use source::{between, list, normalised, structures};
use std::collections::HashSet;
use std::fmt::Write as _;

/// What the bindings claim, as a C program that compiles only if the headers agree.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claims {
    program: String,
    sizes: usize,
    alignments: usize,
    offsets: usize,
    constants: usize,
    fields: usize,
    aliases: usize,
}

impl Claims {
    fn of(rust: &str) -> Self {
        let rust = normalised(rust);
        let names = Names::of(&rust);
        let mut claims = Self::default();
        claims.layouts(&rust, &names);
        claims.constants(&rust);
        for structure in structures(&rust) {
            let tag = names.in_c(&structure.name);
            for (field, of) in structure.fields {
                let pointer = names.declare(&of, "(*)", false);
                let member = member(&field);
                let holds = format!("_Generic(&(({tag} *)0)->{member}, {pointer}: 1, default: 0)");
                claims.assert(&holds, &format!("{}::{field} is {of}", structure.name));
                claims.fields += 1;
            }
        }
        for (alias, of) in names.aliases(&rust) {
            let alias_in_c = names.in_c(alias);
            let pointer = names.declare(of, "(*)", false);
            let holds = format!("_Generic(({alias_in_c} *)0, {pointer}: 1, default: 0)");
            claims.assert(&holds, &format!("{alias} is {of}"));
            claims.aliases += 1;
        }
        claims
    }

    fn assert(&mut self, holds: &str, claim: &str) {
        let claim = claim.replace('"', "'");
        writeln!(self.program, "_Static_assert({holds}, \"{claim}\");").unwrap();
    }

    /// bindgen's assertions: `["Size of X"][size_of::<X>() - 8usize];` and so on.
    fn layouts(&mut self, rust: &str, names: &Names<'_>) {
        for assertion in between(rust, "[\"", "usize];") {
            let (claim, value) = assertion.split_once('"').unwrap();
            let (_, value) = value.rsplit_once(" - ").unwrap();
            let (measured, count) = if let Some(name) = claim.strip_prefix("Size of ") {
                (format!("sizeof({})", names.in_c(name)), &mut self.sizes)
            } else if let Some(name) = claim.strip_prefix("Alignment of ") {
                let measured = format!("_Alignof({})", names.in_c(name));
                (measured, &mut self.alignments)
            } else if let Some(field) = claim.strip_prefix("Offset of field: ") {
                let (name, field) = field.split_once("::").unwrap();
                let measured = format!("offsetof({}, {})", names.in_c(name), member(field));
                (measured, &mut self.offsets)
            } else {
                panic!("unknown assertion of bindgen: {assertion}");
            };
            *count += 1;
            self.assert(
                &format!("{measured} == {value}"),
                &format!("{claim} is {value}"),
            );
        }
    }

    /// `NAME: u32 = 8`, `NAME: _ze_x_t = _ze_x_t(8)` and `NAME: &[u8; 9] = b"ZE_thing\0"`.
    fn constants(&mut self, rust: &str) {
        for constant in rust.split("pub const ").skip(1) {
            let (declaration, rest) = constant.split_once(" = ").unwrap();
            let (name, _) = declaration.split_once(": ").unwrap();
            let (value, _) = rest.split_once(';').unwrap();
            let holds = match value.strip_prefix("b\"") {
                Some(text) => {
                    let text = text.strip_suffix("\\0\"").unwrap();
                    format!("__builtin_strcmp({name}, \"{text}\") == 0")
                }
                None => {
                    let number = value.rsplit('(').next().unwrap().trim_end_matches(')');
                    let _: u32 = number.parse().expect("a number");
                    format!("{name} == {number}")
                }
            };
            self.assert(&holds, &format!("{name} is {value}").replace("\\0", ""));
            self.constants += 1;
        }
    }
}

/// The field's name in C: bindgen writes `type` as `type_`.
fn member(field: &str) -> &str {
    field.strip_suffix('_').unwrap_or(field)
}

/// What the names of the bindings stand for in C.
struct Names<'r> {
    enumerations: HashSet<&'r str>,
}

impl<'r> Names<'r> {
    fn of(rust: &'r str) -> Self {
        let newtypes = between(rust, "pub struct ", ";").filter_map(|text| {
            let (name, _) = text.split_once("(pub c_uint)")?;
            Some(name)
        });
        let constified = between(rust, "pub type ", ";").filter_map(|text| {
            let (name, _) = text.split_once(" = c_uint")?;
            Some(name)
        });
        Self {
            enumerations: newtypes.chain(constified).collect(),
        }
    }

    /// Every `type A = B;` and `use self::B as A;`, as `(A, B)`.
    fn aliases(&self, rust: &'r str) -> impl Iterator<Item = (&'r str, &'r str)> {
        let types = between(rust, "pub type ", ";").filter_map(|text| text.split_once(" = "));
        let uses = between(rust, "pub use self::", ";")
            .filter_map(|text| text.split_once(" as "))
            .map(|(of, alias)| (alias, of));
        types.chain(uses)
    }

    fn in_c(&self, rust: &str) -> String {
        match rust {
            "u8" | "u16" | "u32" | "u64" => format!("uint{}_t", &rust[1..]),
            "i8" | "i16" | "i32" | "i64" => format!("int{}_t", &rust[1..]),
            "usize" => "size_t".into(),
            "f32" => "float".into(),
            "f64" => "double".into(),
            "c_void" => "void".into(),
            "c_char" => "char".into(),
            "c_int" => "int".into(),
            "c_uint" => "unsigned int".into(),
            tag if self.enumerations.contains(tag) => format!("enum {tag}"),
            tag if tag.starts_with('_') => format!("struct {tag}"),
            typedef => typedef.into(),
        }
    }

    /// The C declaration of `what`, which may be empty or part of a declarator, as a `rust`.
    fn declare(&self, rust: &str, what: &str, is_const: bool) -> String {
        let qualifier = if is_const { "const " } else { "" };
        if let Some(pointee) = rust.strip_prefix("*mut ") {
            self.declare(pointee, &format!("(*{qualifier}{what})"), false)
        } else if let Some(pointee) = rust.strip_prefix("*const ") {
            self.declare(pointee, &format!("(*{qualifier}{what})"), true)
        } else if let Some(array) = rust.strip_prefix('[') {
            let (element, count) = array
                .strip_suffix("usize]")
                .unwrap()
                .rsplit_once("; ")
                .unwrap();
            self.declare(element, &format!("{what}[{count}]"), is_const)
        } else if let Some(function) = rust
            .strip_prefix("::core::option::Option<")
            .or_else(|| rust.strip_prefix("Option<"))
        {
            let function = function.trim_end_matches([' ', ',', '>']);
            let function = function
                .trim_start()
                .strip_prefix("unsafe extern \"C\" fn(")
                .unwrap();
            let (parameters, result) = function.rsplit_once(") -> ").unwrap();
            let parameters: Vec<String> = list(parameters)
                .into_iter()
                .map(|parameter| parameter.split_once(": ").map_or(parameter, |(_, of)| of))
                .map(|parameter| self.declare(parameter, "", false))
                .collect();
            let what = format!("(*{qualifier}{what})({})", parameters.join(", "));
            self.declare(result, &what, false)
        } else {
            format!("{} {qualifier}{what}", self.in_c(rust))
        }
    }
}

/// What the C compiler objects to in `program` when it has read the headers.
fn objections(program: &str) -> std::io::Result<String> {
    let program = format!("#include <stddef.h>\n#include <level_zero/ze_ddi.h>\n{program}");
    let output = machine::compile(&["-fsyntax-only", "-Wall"], &program)?;
    let objections = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.success(),
        objections.is_empty(),
        "{objections}"
    );
    Ok(objections)
}

/// Whether there are a C compiler and the headers that the bindings were made from.
fn has_headers() -> bool {
    let version = "_Static_assert(ZE_API_VERSION_CURRENT == ZE_MAKE_VERSION(1, 4), \"version\");";
    let why = match objections("") {
        Err(error) => format!("no C compiler (Debian: gcc): {error}"),
        Ok(text) if !text.is_empty() => "no Level Zero headers (Debian: libze-dev)".to_owned(),
        Ok(_) => match objections(version) {
            Ok(text) if text.is_empty() => return true,
            _ => {
                "the Level Zero headers are not those of version 1.4 (Debian 12: libze-dev)".into()
            }
        },
    };
    machine::lacks("headers", &why);
    false
}

#[test]
fn layout_is_that_of_the_c_compiler() {
    let claims = Claims::of(include_str!("../src/bindings.rs"));
    assert_eq!(claims.sizes, 106);
    assert_eq!(claims.alignments, 106);
    assert_eq!(claims.offsets, 533);
    assert_eq!(claims.constants, 509);
    assert_eq!(claims.fields, claims.offsets);
    assert_eq!(claims.aliases, 442);
    if has_headers() {
        assert_eq!(objections(&claims.program).unwrap(), "");
    }
}

#[test]
fn a_wrong_claim_is_refused() {
    let wrong = [
        "[\"Size of _ze_uuid_t\"][::core::mem::size_of::<_ze_uuid_t>() - 17usize];",
        "[\"Alignment of _ze_uuid_t\"][::core::mem::align_of::<_ze_uuid_t>() - 2usize];",
        "[\"Offset of field: _ze_base_desc_t::pNext\"]
            [::core::mem::offset_of!(_ze_base_desc_t, pNext) - 4usize];",
        "pub const ZE_MAX_UUID_SIZE: u32 = 15;",
        "pub const ZE_RESULT_NOT_READY: _ze_result_t = _ze_result_t(2);",
        "pub const ZE_SRGB_EXT_NAME: &[u8; 18] = b\"ZE_extension_srgc\\0\";",
        "pub struct _ze_uuid_t { pub id: [u8; 15usize], }",
        "pub struct _ze_base_desc_t { pub pNext: *mut ::core::ffi::c_void, }",
        "pub struct _ze_kernel_timestamp_data_t { pub kernelEnd: i64, }",
        "pub type ze_bool_t = u32;",
        "pub type ze_device_handle_t = *mut _ze_driver_handle_t;",
        "pub type ze_pfnInit_t =
            Option<unsafe extern \"C\" fn(arg1: ze_init_flags_t, arg2: u32) -> ze_result_t>;",
        "pub type ze_pfnMemFree_t = ::core::option::Option<
            unsafe extern \"C\" fn(
                arg1: ze_context_handle_t,
                arg2: *const ::core::ffi::c_void,
            ) -> ze_result_t,
        >;",
    ];
    if !has_headers() {
        return;
    }
    for wrong in wrong {
        let objections = objections(&Claims::of(wrong).program).unwrap();
        let mut errors = objections
            .lines()
            .filter(|line| line.contains("error:"))
            .peekable();
        assert!(errors.peek().is_some(), "{wrong}");
        // Refused for what it claims, and for no other reason.
        assert!(
            errors.all(|error| error.contains("static assertion failed")),
            "{wrong}\n{objections}"
        );
    }
}
