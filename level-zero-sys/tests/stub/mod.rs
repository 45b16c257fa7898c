//! Libraries compiled for a test that stand in for loaders and drivers.

use crate::machine;
use crate::source::{normalised, structures};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A dispatch table of API 1.4 as the bindings have it.
pub(crate) struct Table {
    /// Its type, `ze_mem_dditable_t`.
    pub(crate) name: String,
    /// `zeGetMemProcAddrTable`
    pub(crate) getter: String,
    /// The field and the call of every entry, in order.
    pub(crate) entries: Vec<(String, String)>,
}

/// Every dispatch table.
pub(crate) fn tables() -> Vec<Table> {
    let bindings = normalised(include_str!("../../src/bindings.rs"));
    let mut tables = Vec::new();
    for structure in structures(&bindings) {
        let Some(group) = structure
            .name
            .strip_prefix("_ze_")
            .and_then(|name| name.strip_suffix("_dditable_t"))
        else {
            continue;
        };
        let group: String = group
            .split('_')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        tables.push(Table {
            name: structure.name[1..].to_owned(),
            getter: format!("zeGet{group}ProcAddrTable"),
            entries: structure
                .fields
                .into_iter()
                .map(|(field, of)| (field, of.replace("ze_pfn", "ze").replace("_t", "")))
                .collect(),
        });
    }
    tables
}

/// A loader or driver in the making: C source.
#[derive(Default)]
pub(crate) struct Source(String);

impl Source {
    /// Exports each of `calls` as a symbol.
    pub(crate) fn exports<'n>(mut self, calls: impl IntoIterator<Item = &'n str>) -> Self {
        for call in calls {
            writeln!(self.0, "unsigned {call}(void) {{ return 0; }}").unwrap();
        }
        self
    }

    /// Exports the getter of `table`, which fills the entries that `holds` accepts with functions
    /// named `table_zeMemFree` and so on, for version 1.4 only, and returns `result`.
    pub(crate) fn table(
        mut self,
        table: &Table,
        holds: impl Fn(&str) -> bool,
        result: u32,
    ) -> Self {
        let mut body = String::new();
        for (index, (_, call)) in table.entries.iter().enumerate() {
            if holds(call) {
                writeln!(self.0, "unsigned table_{call}(void) {{ return 0; }}").unwrap();
                writeln!(body, "    table[{index}] = (void *)table_{call};").unwrap();
            }
        }
        let getter = &table.getter;
        writeln!(
            self.0,
            "unsigned {getter}(unsigned version, void **table) {{\n    \
             if (version != 0x10004) return 0x78000002;\n{body}    return {result}u;\n}}"
        )
        .unwrap();
        self
    }

    /// Compiles the library; `None`, with the reason printed, on a machine without a compiler.
    pub(crate) fn build(self, name: &str) -> Option<Stub> {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let stub = Stub {
            library: folder.join(format!("lib{name}.so")),
            folder,
        };
        let output = stub.library.to_str().unwrap();
        match machine::compile(&["-shared", "-fPIC", "-o", output], &self.0) {
            Err(error) => {
                machine::lacks("headers", &format!("no C compiler (Debian: gcc): {error}"));
                None
            }
            Ok(compiler) => {
                let says = String::from_utf8_lossy(&compiler.stderr);
                assert!(compiler.status.success(), "{says}\n{}", self.0);
                Some(stub)
            }
        }
    }
}

/// A compiled library, in a folder of its own that goes with it.
pub(crate) struct Stub {
    folder: PathBuf,
    pub(crate) library: PathBuf,
}

impl Drop for Stub {
    fn drop(&mut self) {
        // What is left over lies in Cargo's folder for temporary files of tests.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
