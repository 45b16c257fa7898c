//! Linking modules to each other: what one exports and another imports.

use super::*;

/// The modules that export each symbol: the first, and whether there are more.
type Exports<'a> = HashMap<&'a spirv::Symbol, (&'a Arc<Module>, bool)>;

fn exports(all: &[Arc<Module>]) -> Exports<'_> {
    let mut exports = Exports::new();
    for module in all {
        for symbol in &module.source.spirv.exports {
            exports
                .entry(symbol)
                .and_modify(|(first, more)| *more |= !Arc::ptr_eq(first, module))
                .or_insert((module, false));
        }
    }
    exports
}

/// The modules whose exports a module needs, directly or not, with itself first.
fn closure<'a>(
    module: &'a Arc<Module>,
    exports: &Exports<'a>,
    log: &mut String,
) -> Outcome<Vec<&'a Arc<Module>>> {
    let mut needed = vec![module];
    let mut at = 0;
    let mut complete = true;
    while let Some(user) = needed.get(at).copied() {
        at += 1;
        for import in &user.source.spirv.imports {
            let problem = match exports.get(import) {
                Some((_, true)) => "exported more than once",
                Some(_) if !import.is_function => "imported variables are not supported",
                Some((provider, false)) => {
                    if !needed.iter().any(|known| Arc::ptr_eq(known, provider)) {
                        needed.push(provider);
                    }
                    continue;
                }
                None => "not exported by any module",
            };
            let _ = writeln!(log, "{problem}: {}", import.name);
            complete = false;
        }
    }
    if complete {
        Ok(needed)
    } else {
        Err(sys::ZE_RESULT_ERROR_MODULE_LINK_FAILURE)
    }
}

/// Links the modules among `all` that are not, or none of them.
fn link(all: &[Arc<Module>], log: &mut String) -> Outcome {
    let mut linked = Vec::new();
    let exports = exports(all);
    for module in all.iter().filter(|module| !module.is_linked()) {
        let needed = closure(module, &exports, log)?;
        let runtime = Runtime::get().ok_or(sys::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE)?;
        let refuse = |_| sys::ZE_RESULT_ERROR_MODULE_LINK_FAILURE;
        let compiled = needed
            .iter()
            .map(|needed| needed.source.compile(runtime, log))
            .collect::<Outcome<Vec<_>>>()
            .map_err(refuse)?;
        let program = runtime.link(&compiled);
        let program = program.map_err(|failure| refuse(failed(failure, log)))?;
        log.push_str(&program.log());
        linked.push((module, Arc::new(program)));
    }
    for (module, program) in linked {
        lock(&module.program).get_or_insert(program);
    }
    Ok(())
}

/// The modules of an array, which are of one context.
///
/// # Safety
///
/// `modules` has as many handles as the count says.
unsafe fn listed(count: u32, modules: *const ze_module_handle_t) -> Outcome<Vec<Arc<Module>>> {
    let mut listed: Vec<Arc<Module>> = Vec::new();
    for index in 0..count as usize {
        // SAFETY: as the caller says.
        let slot = unsafe { modules.add(index) };
        // SAFETY: as the caller says.
        let module = registry::find::<Module>(unsafe { read(slot) }?)?;
        if listed
            .first()
            .is_some_and(|first| !Arc::ptr_eq(&first.context, &module.context))
        {
            return Err(sys::ZE_RESULT_ERROR_INVALID_ARGUMENT);
        }
        if !listed.iter().any(|known| Arc::ptr_eq(known, &module)) {
            listed.push(module);
        }
    }
    Ok(listed)
}

/// `zeModuleDynamicLink`: functions are linked, each module with a copy of what it imports.
/// Imported variables, which modules would share, are `MODULE_LINK_FAILURE`. Modules of different
/// contexts are `INVALID_ARGUMENT`.
pub(crate) unsafe extern "C" fn dynamic_link(
    count: u32,
    modules: *mut ze_module_handle_t,
    log_handle: *mut ze_module_build_log_handle_t,
) -> ze_result_t {
    let call = const { Call::named("zeModuleDynamicLink") };
    if fork::is_child() {
        return sys::ZE_RESULT_ERROR_DEVICE_LOST;
    }
    if modules.is_null() {
        return refused(call.name(), sys::ZE_RESULT_ERROR_INVALID_NULL_POINTER);
    }
    // SAFETY: the caller keeps the contract of the C call.
    let modules = match unsafe { listed(count, modules) } {
        Ok(modules) => modules,
        Err(code) => return refused(call.name(), code),
    };
    let Some(first) = modules.first() else {
        return sys::ZE_RESULT_SUCCESS;
    };
    let inner = &first.context.inner;
    on_instance(call, inner, || {
        let mut log = String::new();
        let linked = link(&modules, &mut log);
        // SAFETY: the caller keeps the contract of the C call.
        unsafe { build_log::make(inner, &log, log_handle) }?;
        linked
    })
}

/// `zeModuleInspectLinkageExt`
pub(crate) unsafe extern "C" fn inspect_linkage(
    desc: *mut ze_linkage_inspection_ext_desc_t,
    count: u32,
    modules: *mut ze_module_handle_t,
    log_handle: *mut ze_module_build_log_handle_t,
) -> ze_result_t {
    let call = const { Call::named("zeModuleInspectLinkageExt") };
    if fork::is_child() {
        return sys::ZE_RESULT_ERROR_DEVICE_LOST;
    }
    if desc.is_null() || modules.is_null() || log_handle.is_null() {
        return refused(call.name(), sys::ZE_RESULT_ERROR_INVALID_NULL_POINTER);
    }
    // SAFETY: the caller keeps the contract of the C call.
    let modules = match unsafe { listed(count, modules) } {
        Ok(modules) => modules,
        Err(code) => return refused(call.name(), code),
    };
    let Some(first) = modules.first() else {
        return refused(call.name(), sys::ZE_RESULT_ERROR_INVALID_SIZE);
    };
    let inner = &first.context.inner;
    on_instance(call, inner, || {
        let stype = sys::ZE_STRUCTURE_TYPE_LINKAGE_INSPECTION_EXT_DESC;
        // SAFETY: the caller keeps the contract of the C call.
        let desc = unsafe { descriptor(desc.cast_const(), stype) }?;
        no_extensions(desc.pNext)?;
        let imports = sys::ZE_LINKAGE_INSPECTION_EXT_FLAG_IMPORTS;
        let unresolvable = sys::ZE_LINKAGE_INSPECTION_EXT_FLAG_UNRESOLVABLE_IMPORTS;
        let exports = sys::ZE_LINKAGE_INSPECTION_EXT_FLAG_EXPORTS;
        flags(desc.flags, imports | unresolvable | exports)?;
        let mut log = String::new();
        let mut tell =
            |flag: u32, title: &str, symbols: &mut dyn Iterator<Item = &spirv::Symbol>| {
                if desc.flags & flag != 0 {
                    let _ = writeln!(log, "{title}:");
                    for symbol in symbols {
                        let _ = writeln!(log, "  {}", symbol.name);
                    }
                }
            };
        let sources = || modules.iter().map(|module| &module.source.spirv);
        let exported: HashSet<_> = sources().flat_map(|spirv| &spirv.exports).collect();
        let imported = || sources().flat_map(|spirv| &spirv.imports);
        tell(imports, "imports", &mut imported());
        tell(
            unresolvable,
            "unresolvable imports",
            &mut imported().filter(|symbol| !exported.contains(symbol)),
        );
        tell(
            exports,
            "exports",
            &mut sources().flat_map(|spirv| &spirv.exports),
        );
        // SAFETY: as above.
        unsafe { build_log::make(inner, &log, log_handle) }
    })
}
