//! Loaders and drivers of every kind, real and made for the test, load with the right functions
//! or fail with an error that names what is missing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod machine;
mod source;
mod stub;

use level_zero_sys::{Api, Library, LoadError, system_loader};
use std::error::Error;
use std::path::{Path, PathBuf};
use stub::{Source, tables};

/// Debian's name for Intel's driver.
const INTEL_DRIVER: &str = "libze_intel_gpu.so.1";

/// The calls that a loader of API 1.0 may lack, by name and address.
fn optional(api: &Api) -> Vec<(&'static str, Option<usize>)> {
    macro_rules! addresses {
        ($($name:ident)*) => {
            vec![$((stringify!($name), api.$name.map(|call| (call as *const ()).addr())),)*]
        };
    }
    addresses! {
        zeDriverGetExtensionFunctionAddress
        zeDeviceGetGlobalTimestamps
        zeDeviceReserveCacheExt
        zeDeviceSetCacheAdviceExt
        zeDevicePciGetPropertiesExt
        zeContextCreateEx
        zeCommandListAppendLaunchMultipleKernelsIndirect
        zeEventQueryTimestampsExp
        zeModuleInspectLinkageExt
        zeKernelGetSourceAttributes
        zeKernelSetGlobalOffsetExp
        zeKernelSchedulingHintExp
        zeMemFreeExt
        zeInitDrivers
        zeCommandListHostSynchronize
        zeMemPutIpcHandle
        zeMemGetIpcHandleFromFileDescriptorExp
        zeMemGetFileDescriptorFromIpcHandleExp
        zeMemSetAtomicAccessAttributeExp
        zeMemGetAtomicAccessAttributeExp
        zeDeviceGetRootDevice
    }
}

/// How many of [`optional`], at its end, came after version 1.4.
const LATER: usize = 8;

/// Some of the required calls from all parts of the table, by name and address.
fn required(api: &Api) -> Vec<(&'static str, usize)> {
    macro_rules! addresses {
        ($($name:ident)*) => {
            vec![$((stringify!($name), (api.$name as *const ()).addr()),)*]
        };
    }
    addresses! {
        zeInit
        zeDriverGet
        zeDeviceGet
        zeDeviceGetStatus
        zeContextCreate
        zeContextMakeMemoryResident
        zeContextEvictMemory
        zeCommandQueueCreate
        zeCommandListCreateImmediate
        zeCommandListAppendMemoryCopy
        zeCommandListAppendMemoryFill
        zeFenceReset
        zeEventPoolCreate
        zeEventCreate
        zeModuleCreate
        zeModuleBuildLogDestroy
        zeKernelGetName
        zePhysicalMemCreate
        zeMemAllocShared
        zeMemAllocDevice
        zeMemAllocHost
        zeMemFree
        zeMemGetAddressRange
        zeVirtualMemReserve
        zeVirtualMemGetAccessAttribute
    }
}

/// The kind, name, type, field and table of every call that `src/api.rs` takes from a table.
fn calls_of_the_source() -> Vec<[&'static str; 6]> {
    let mut table = ["", ""];
    let mut calls = Vec::new();
    for line in include_str!("../src/api.rs").lines() {
        let words: Vec<&str> = line
            .split([' ', ':', ',', '"', ';'])
            .filter(|word| !word.is_empty())
            .collect();
        match words[..] {
            [_, of, getter, "{"] if getter.starts_with("zeGet") => table = [of, getter],
            [kind @ ("required" | "optional"), name, pfn, "=", field] => {
                calls.push([kind, name, pfn, field, table[0], table[1]]);
            }
            _ => {}
        }
    }
    calls
}

/// The calls that a loader must have.
fn required_names() -> impl Iterator<Item = &'static str> {
    calls_of_the_source()
        .into_iter()
        .filter(|[kind, ..]| *kind == "required")
        .map(|[_, name, ..]| name)
}

/// Loads a library that a test made, or one of the machine's.
fn open(path: impl AsRef<Path>) -> Result<Library, LoadError> {
    // SAFETY: the libraries here are Level Zero loaders and drivers, or stand-ins without
    // initialisers whose functions are never called.
    unsafe { Library::open(path) }
}

/// The address of a symbol of a library that is loaded already.
fn symbol(path: &Path, name: &str) -> Option<usize> {
    // SAFETY: a loaded library's initialisers have run.
    let library = unsafe { libloading::Library::new(path) }.unwrap();
    // SAFETY: the type asked for is a plain address, which any symbol is.
    let symbol = unsafe { library.get::<*const ()>(name) };
    symbol.ok().map(|address| address.addr())
}

/// The file behind a library that is loaded.
fn file_of(library: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let name = format!("/{library}");
    maps.lines()
        .filter_map(|line| Some(&line[line.find('/')?..]))
        .find(|path| path.contains(&name))
        .map(PathBuf::from)
}

fn assert_symbol_missing(result: Result<Library, LoadError>, path: &Path, symbol: &str) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("{} has no {symbol}: ", path.display())),
        "{text}"
    );
    match error {
        LoadError::Symbol { path: p, symbol: s } => assert_eq!((&*p, s), (path, symbol)),
        other => panic!("{other}"),
    }
}

#[test]
fn a_missing_library_is_an_error_that_names_it() {
    for missing in ["/nonexistent/libze.so", "libze_no_such_loader.so.1"] {
        let error = open(missing).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("cannot load the library {missing}: ")),
            "{text}"
        );
        assert!(error.source().is_some());
        match error {
            LoadError::Library { path, .. } => assert_eq!(path, Path::new(missing)),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn the_error_can_be_passed_on_and_the_library_shared() {
    fn passes<T: Send + Sync + 'static>() {}
    fn is_error<T: Error + Send + Sync + 'static>() {}
    is_error::<LoadError>();
    passes::<Library>();
    passes::<Api>();
}

#[test]
fn a_library_that_is_no_loader_is_an_error_that_names_the_first_call() {
    let Some(stub) = Source::default().exports(["puts_nothing"]).build("other") else {
        return;
    };
    assert_symbol_missing(open(&stub.library), &stub.library, "zeInit");
}

#[test]
fn a_loader_of_the_first_version_loads_without_the_later_calls() {
    let Some(stub) = Source::default().exports(required_names()).build("old") else {
        return;
    };
    let library = open(&stub.library).unwrap();
    assert_eq!(library.path(), stub.library);
    for (name, address) in required(library.api()) {
        assert_eq!(Some(address), symbol(&stub.library, name), "{name}");
    }
    for (name, address) in optional(library.api()) {
        assert_eq!(address, None, "{name}");
    }
}

#[test]
fn a_loader_of_the_newest_version_loads_with_every_call() {
    let Some(stub) = Source::default()
        .exports(Api::NAMES.iter().copied())
        .build("new")
    else {
        return;
    };
    let library = open(&stub.library).unwrap();
    for (name, address) in optional(library.api()) {
        assert_eq!(address, symbol(&stub.library, name), "{name}");
        assert!(address.is_some(), "{name}");
    }
}

#[test]
fn one_missing_call_is_an_error_that_names_it() {
    let names = required_names().filter(|name| *name != "zeMemFree");
    let Some(stub) = Source::default().exports(names).build("no_free") else {
        return;
    };
    assert_symbol_missing(open(&stub.library), &stub.library, "zeMemFree");
}

#[test]
fn a_driver_that_exports_only_dispatch_tables_is_read_through_them() {
    let source = tables().iter().fold(Source::default(), |source, table| {
        source.table(table, |_| true, 0)
    });
    let Some(stub) = source.build("tables") else {
        return;
    };
    let library = open(&stub.library).unwrap();
    let api = library.api();
    for (name, address) in required(api) {
        let expected = symbol(&stub.library, &format!("table_{name}"));
        assert_eq!(Some(address), expected, "{name}");
    }
    let optional = optional(api);
    let (known, later) = optional.split_at(optional.len() - LATER);
    for (name, address) in known {
        let expected = symbol(&stub.library, &format!("table_{name}"));
        assert_eq!(*address, expected, "{name}");
        assert!(address.is_some(), "{name}");
    }
    for (name, address) in later {
        assert_eq!(
            *address, None,
            "{name} came after the version of the tables"
        );
    }
}

#[test]
fn a_symbol_goes_before_the_entry_of_a_table() {
    let names = required_names().filter(|name| *name != "zeMemFree");
    let source = tables()
        .iter()
        .fold(Source::default().exports(names), |source, table| {
            source.table(table, |_| true, 0)
        });
    let Some(stub) = source.build("both") else {
        return;
    };
    let library = open(&stub.library).unwrap();
    for (name, address) in required(library.api()) {
        let expected = match name {
            "zeMemFree" => "table_zeMemFree",
            name => name,
        };
        assert_eq!(Some(address), symbol(&stub.library, expected), "{name}");
    }
}

#[test]
fn a_table_whose_getter_fails_is_not_read() {
    let source = tables().iter().fold(Source::default(), |source, table| {
        let fails = table.getter == "zeGetVirtualMemProcAddrTable";
        source.table(table, |_| true, if fails { 0x7800_0001 } else { 0 })
    });
    let Some(stub) = source.build("failing") else {
        return;
    };
    assert_symbol_missing(open(&stub.library), &stub.library, "zeVirtualMemReserve");
}

#[test]
fn an_empty_entry_of_a_table_is_a_missing_call() {
    for (name, empty) in [("empty", "zeMemAllocHost"), ("empty_later", "zeMemFreeExt")] {
        let source = tables().iter().fold(Source::default(), |source, table| {
            source.table(table, |call| call != empty, 0)
        });
        let Some(stub) = source.build(name) else {
            return;
        };
        let opened = open(&stub.library);
        if empty == "zeMemFreeExt" {
            assert!(opened.unwrap().api().zeMemFreeExt.is_none());
        } else {
            assert_symbol_missing(opened, &stub.library, empty);
        }
    }
}

#[test]
fn every_call_is_read_from_its_own_entry() {
    let calls = calls_of_the_source();
    let tables = tables();
    assert_eq!(tables.len(), 23);
    for [_, name, pfn, field, of, getter] in &calls {
        assert_eq!(*pfn, format!("ze_pfn{}_t", &name[2..]));
        let table = tables.iter().find(|table| table.name == *of).unwrap();
        assert_eq!(table.getter, *getter);
        let entry = table.entries.iter().find(|(_, call)| call == name).unwrap();
        assert_eq!(entry.0, *field, "{name}");
    }

    let (known, later) = Api::NAMES.split_at(Api::NAMES.len() - LATER);
    assert!(calls.iter().map(|[_, name, ..]| name).eq(known));
    let in_tables: Vec<&String> = tables
        .iter()
        .flat_map(|table| table.entries.iter().map(|(_, call)| call))
        .collect();
    for name in later {
        assert!(
            !in_tables.iter().any(|call| call == name),
            "{name} is in API 1.4"
        );
    }
    for call in in_tables {
        // That there are none is said by limits of 0.
        let is_left_out = call != "zeDeviceGetImageProperties"
            && ["Image", "Sampler", "Fabric"]
                .iter()
                .any(|part| call.contains(part));
        assert_ne!(known.contains(&call.as_str()), is_left_out, "{call}");
    }
}

#[test]
fn the_list_of_optional_calls_is_that_of_the_table() {
    let Some(stub) = Source::default().exports(required_names()).build("list") else {
        return;
    };
    let library = open(&stub.library).unwrap();
    let listed: Vec<&str> = optional(library.api())
        .iter()
        .map(|(name, _)| *name)
        .collect();
    let required: Vec<&str> = required_names().collect();
    let unlisted: Vec<&&str> = Api::NAMES
        .iter()
        .filter(|name| !required.contains(name) && !listed.contains(name))
        .collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
    assert_eq!(listed.len() + required.len(), Api::NAMES.len());
}

#[test]
fn the_loader_of_the_machine_has_every_call_of_its_version() {
    // SAFETY: the library of this name is the Level Zero loader.
    let library = match unsafe { Library::system() } {
        Ok(library) => library,
        Err(LoadError::Library { source, .. }) => {
            machine::lacks(
                "loader",
                &format!("no Level Zero loader (Debian: libze1): {source}"),
            );
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(library.path(), Path::new(system_loader()));
    for (name, address) in required(library.api()) {
        assert_eq!(Some(address), symbol(library.path(), name), "{name}");
    }
    let optional = optional(library.api());
    for (name, address) in &optional {
        assert_eq!(*address, symbol(library.path(), name), "{name}");
    }
    let (known, later) = optional.split_at(optional.len() - LATER);
    // A newer one has more of the later calls.
    for (name, address) in known {
        assert!(address.is_some(), "{name}");
    }
    if file_of(system_loader()).is_some_and(|file| file.ends_with("libze_loader.so.1.8.0")) {
        for (name, address) in later {
            assert_eq!(*address, None, "{name} came after 1.8");
        }
    }
}

#[test]
fn the_loader_of_the_machine_is_the_same_when_loaded_again() {
    let (Ok(first), Ok(second)) = (open(system_loader()), open(system_loader())) else {
        machine::lacks("loader", "no Level Zero loader (Debian: libze1)");
        return;
    };
    let addresses = required(first.api());
    drop(first);
    assert_eq!(addresses, required(second.api()));
    let third = open(system_loader()).unwrap();
    assert_eq!(optional(second.api()), optional(third.api()));
}

#[test]
fn intels_driver_loads_without_a_loader() {
    let library = match open(INTEL_DRIVER) {
        Ok(library) => library,
        Err(LoadError::Library { source, .. }) => {
            let why = format!("no driver of Intel (Debian: intel-opencl-icd): {source}");
            machine::lacks("intel", &why);
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let mut from_tables = Vec::new();
    for (name, address) in required(library.api()) {
        match symbol(library.path(), name) {
            Some(exported) => assert_eq!(address, exported, "{name}"),
            None => from_tables.push(name),
        }
    }
    eprintln!("from the dispatch tables: {from_tables:?}");
    if file_of(INTEL_DRIVER).is_some_and(|file| file.ends_with("libze_intel_gpu.so.1.3.24595")) {
        assert!(from_tables.contains(&"zeVirtualMemReserve"));
    }
}
