//! Memory that goes out and comes in as a file descriptor.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps an error fails, as it should"
)]

mod setup;

use level_zero_cpu::{Config, FRESH_BYTE, api};
use level_zero_sys::{
    self as sys, ZE_RESULT_ERROR_UNSUPPORTED_ENUMERATION as UNSUPPORTED_ENUMERATION, ze_result_t,
};
use setup::*;
use std::ffi::c_void;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{null, null_mut};

const FD: u32 = sys::ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_FD;
const DMA: u32 = sys::ZE_EXTERNAL_MEMORY_TYPE_FLAG_DMA_BUF;

fn export_desc(flags: u32) -> sys::ze_external_memory_export_desc_t {
    sys::ze_external_memory_export_desc_t {
        stype: sys::ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_EXPORT_DESC,
        pNext: null(),
        flags,
    }
}

fn import_desc(flags: u32, fd: i32) -> sys::ze_external_memory_import_fd_t {
    sys::ze_external_memory_import_fd_t {
        stype: sys::ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMPORT_FD,
        pNext: null(),
        flags,
        fd,
    }
}

fn alloc<T>(gpu: &Gpu, kind: Kind, extension: &T, size: usize) -> Result<*mut c_void, ze_result_t> {
    let device = sys::ze_device_mem_alloc_desc_t {
        pNext: (&raw const *extension).cast(),
        ..device_desc()
    };
    let mut pointer = null_mut();
    let host = host_desc();
    let descs = (&raw const device, &raw const host);
    let result = alloc_with(
        gpu.context,
        gpu.device(),
        kind,
        descs,
        size,
        256,
        &mut pointer,
    );
    checked(result, pointer)
}

fn export(gpu: &Gpu, size: usize) -> *mut c_void {
    alloc(gpu, Kind::Device, &export_desc(FD), size).unwrap()
}

fn import(gpu: &Gpu, fd: &OwnedFd, size: usize) -> Result<*mut c_void, ze_result_t> {
    alloc(gpu, Kind::Device, &import_desc(FD, fd.as_raw_fd()), size)
}

fn descriptor(gpu: &Gpu, pointer: *const c_void, flags: u32) -> Result<OwnedFd, ze_result_t> {
    let mut exported = sys::ze_external_memory_export_fd_t {
        stype: sys::ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_EXPORT_FD,
        pNext: null(),
        flags,
        fd: -1,
    };
    let mut properties = sys::ze_memory_allocation_properties_t {
        pNext: (&raw mut exported).cast(),
        ..alloc_properties()
    };
    let call = api().zeMemGetAllocProperties;
    // SAFETY: room for the results.
    let result = unsafe { call(gpu.context, pointer, &raw mut properties, null_mut()) };
    checked(result, ())?;
    assert_eq!(properties.type_, sys::ZE_MEMORY_TYPE_DEVICE);
    // SAFETY: the driver gave it to this function.
    Ok(unsafe { OwnedFd::from_raw_fd(exported.fd) })
}

/// A file in memory as another program makes it.
fn foreign(len: usize, seals: i32) -> OwnedFd {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"foreign".as_ptr(), flags) };
    // SAFETY: just opened.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let len = i64::try_from(len).unwrap();
    // SAFETY: open.
    let result = unsafe { libc::ftruncate(fd.as_raw_fd(), len) };
    assert_eq!(result, 0);
    // SAFETY: open.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) };
    assert_eq!(result, 0);
    fd
}

#[test]
fn what_is_exported_is_imported_again() {
    let gpu = Gpu::with(Config::new().device_memory(1 << 20));
    let peer = Gpu::new();
    let pointer = export(&gpu, 100_000);
    assert_eq!(pointer.addr() % 256, 0);
    assert_eq!(gpu.download(pointer, 100), [FRESH_BYTE; 100]);
    let bytes = Random::new(5).bytes(100_000);
    gpu.upload(pointer, &bytes);
    let fd = descriptor(&gpu, pointer, FD).unwrap();
    // SAFETY: open.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
    assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    let other = import(&peer, &fd, 100_000).unwrap();
    // The descriptor stays the caller's.
    drop(fd);
    assert_eq!(peer.download(other, 100_000), bytes);
    peer.upload(other, &[1; 100]);
    assert_eq!(gpu.download(pointer, 100), [1; 100]);
    assert_eq!(gpu.instance.ledger().descriptors, 1);
    assert_eq!(gpu.instance.ledger().live_bytes(Kind::Device), 100_000);
    assert_eq!(peer.instance.ledger().descriptors, 1);
    // It counts as memory of the device, in whole pages.
    assert_eq!(
        gpu.alloc(Kind::Device, 950_000, 0),
        Err(OUT_OF_DEVICE_MEMORY)
    );
    assert_eq!(gpu.free(pointer.wrapping_byte_add(1)), INVALID_ARGUMENT);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert_eq!(gpu.free(pointer), INVALID_ARGUMENT);
    let whole = gpu.alloc(Kind::Device, 1 << 20, 0).unwrap();
    assert_eq!(gpu.free(whole), SUCCESS);
    // Whoever imported it keeps it.
    assert_eq!(peer.download(other, 100_000)[100..], bytes[100..]);
    assert_eq!(peer.free(other), SUCCESS);
    assert!(gpu.end().is_empty());
    assert!(peer.end().is_empty());
}

#[test]
fn exported_memory_has_an_ipc_handle_too() {
    let gpu = Gpu::new();
    let pointer = export(&gpu, 5000);
    gpu.upload(pointer, &[8; 5000]);
    let mut handle = sys::ze_ipc_mem_handle_t { data: [0; 64] };
    let call = api().zeMemGetIpcHandle;
    // SAFETY: room for the handle.
    let result = unsafe { call(gpu.context, pointer, &raw mut handle) };
    assert_eq!(result, SUCCESS);
    assert_eq!(gpu.instance.ledger().ipc_exported, 1);
    let mut opened = null_mut();
    let call = api().zeMemOpenIpcHandle;
    // SAFETY: room for the pointer.
    let result = unsafe { call(gpu.context, gpu.device(), handle, 0, &raw mut opened) };
    assert_eq!(result, SUCCESS);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert_eq!(gpu.download(opened, 5000), [8; 5000]);
    let mut again = null_mut();
    // SAFETY: room for the pointer.
    let result = unsafe { call(gpu.context, gpu.device(), handle, 0, &raw mut again) };
    assert_eq!(result, INVALID_ARGUMENT);
    // SAFETY: the driver checks the pointer.
    let result = unsafe { (api().zeMemCloseIpcHandle)(gpu.context, opened) };
    assert_eq!(result, SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn only_files_that_keep_their_length_are_imported() {
    let gpu = Gpu::new();
    let file = foreign(10_000, libc::F_SEAL_SHRINK);
    let pointer = import(&gpu, &file, 10_000).unwrap();
    assert_eq!(gpu.download(pointer, 10_000), [0; 10_000]);
    gpu.upload(pointer, &[3; 10_000]);
    assert_eq!(gpu.free(pointer), SUCCESS);
    let shorter = import(&gpu, &file, 1).unwrap();
    assert_eq!(gpu.download(shorter, 1), [3]);
    assert_eq!(gpu.free(shorter), SUCCESS);
    assert_eq!(import(&gpu, &file, 10_001), Err(UNSUPPORTED_SIZE));
    assert_eq!(import(&gpu, &foreign(4096, 0), 4096), Err(INVALID_ARGUMENT));
    let unwritable = foreign(4096, libc::F_SEAL_SHRINK | libc::F_SEAL_WRITE);
    assert_eq!(import(&gpu, &unwritable, 4096), Err(INVALID_ARGUMENT));
    let ordinary = OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
    assert_eq!(import(&gpu, &ordinary, 4096), Err(INVALID_ARGUMENT));
    let bad = import_desc(FD, -1);
    assert_eq!(alloc(&gpu, Kind::Device, &bad, 64), Err(INVALID_ARGUMENT));
    let bad = import_desc(FD, 12_345);
    assert_eq!(alloc(&gpu, Kind::Device, &bad, 64), Err(INVALID_ARGUMENT));
    assert!(gpu.end().is_empty());
}

#[test]
fn the_memory_of_a_device_is_not_imported_as_a_whole() {
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Device, 4096, 0).unwrap();
    let mut handle = sys::ze_ipc_mem_handle_t { data: [0; 64] };
    let call = api().zeMemGetIpcHandle;
    // SAFETY: room for the handle.
    let result = unsafe { call(gpu.context, pointer, &raw mut handle) };
    assert_eq!(result, SUCCESS);
    let start = handle.data.map(|byte| byte.to_ne_bytes()[0]);
    let fd = i32::from_ne_bytes(start[..4].try_into().unwrap());
    let desc = import_desc(FD, fd);
    assert_eq!(
        alloc(&gpu, Kind::Device, &desc, 4096),
        Err(INVALID_ARGUMENT)
    );
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn alignments_are_honoured_or_refused() {
    let gpu = Gpu::new();
    let desc = export_desc(FD);
    let device = sys::ze_device_mem_alloc_desc_t {
        pNext: (&raw const desc).cast(),
        ..device_desc()
    };
    let host = host_desc();
    let descs = (&raw const device, &raw const host);
    let alloc = |alignment, pointer: &mut *mut c_void| {
        let kind = Kind::Device;
        alloc_with(
            gpu.context,
            gpu.device(),
            kind,
            descs,
            64,
            alignment,
            pointer,
        )
    };
    let mut pointer = null_mut();
    for shift in [0, 12, 21, 26] {
        assert_eq!(alloc(1 << shift, &mut pointer), SUCCESS);
        assert_eq!(pointer.addr() % (1 << shift), 0);
        assert_eq!(gpu.free(pointer), SUCCESS);
    }
    assert_eq!(alloc(1 << 62, &mut pointer), UNSUPPORTED_ALIGNMENT);
    assert_eq!(alloc(3, &mut pointer), UNSUPPORTED_ALIGNMENT);
    assert!(gpu.end().is_empty());
}

#[test]
fn types_that_are_not_there_are_refused() {
    let gpu = Gpu::new();
    let file = foreign(4096, libc::F_SEAL_SHRINK);
    let fd = file.as_raw_fd();
    let unsupported = Err(UNSUPPORTED_ENUMERATION);
    for flags in [
        DMA,
        DMA | FD,
        sys::ZE_EXTERNAL_MEMORY_TYPE_FLAG_OPAQUE_WIN32,
    ] {
        assert_eq!(
            alloc(&gpu, Kind::Device, &export_desc(flags), 64),
            unsupported
        );
        assert_eq!(
            alloc(&gpu, Kind::Device, &import_desc(flags, fd), 64),
            unsupported
        );
    }
    let invalid = Err(INVALID_ENUMERATION);
    assert_eq!(alloc(&gpu, Kind::Device, &export_desc(256), 64), invalid);
    assert_eq!(
        alloc(&gpu, Kind::Device, &import_desc(256, fd), 64),
        invalid
    );
    let refused = Err(INVALID_ARGUMENT);
    assert_eq!(alloc(&gpu, Kind::Device, &import_desc(0, fd), 64), refused);
    // Device memory only, and one or the other.
    assert_eq!(alloc(&gpu, Kind::Shared, &export_desc(FD), 64), refused);
    assert_eq!(alloc(&gpu, Kind::Shared, &import_desc(FD, fd), 64), refused);
    let export_too = export_desc(FD);
    let both = sys::ze_external_memory_import_fd_t {
        pNext: (&raw const export_too).cast(),
        ..import_desc(FD, fd)
    };
    assert_eq!(alloc(&gpu, Kind::Device, &both, 64), refused);
    // A descriptor is there for what was allocated for it.
    let plain = alloc(&gpu, Kind::Device, &export_desc(0), 64).unwrap();
    assert_eq!(descriptor(&gpu, plain, FD).map(drop), Err(INVALID_ARGUMENT));
    let exported = export(&gpu, 64);
    assert_eq!(
        descriptor(&gpu, exported, 0).map(drop),
        Err(INVALID_ARGUMENT)
    );
    assert_eq!(
        descriptor(&gpu, exported, DMA).map(drop),
        Err(UNSUPPORTED_ENUMERATION)
    );
    assert_eq!(gpu.free(plain), SUCCESS);
    assert_eq!(gpu.free(exported), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn the_properties_say_what_there_is() {
    let gpu = Gpu::new();
    let mut properties = sys::ze_device_external_memory_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_DEVICE_EXTERNAL_MEMORY_PROPERTIES,
        pNext: null_mut(),
        memoryAllocationImportTypes: 0,
        memoryAllocationExportTypes: 0,
        imageImportTypes: 7,
        imageExportTypes: 7,
    };
    let call = api().zeDeviceGetExternalMemoryProperties;
    // SAFETY: room for the properties.
    assert_eq!(unsafe { call(gpu.device(), &raw mut properties) }, SUCCESS);
    assert_eq!(properties.memoryAllocationImportTypes, FD);
    assert_eq!(properties.memoryAllocationExportTypes, FD);
    assert_eq!(
        (properties.imageImportTypes, properties.imageExportTypes),
        (0, 0)
    );
    let mut properties = sys::ze_driver_ipc_properties_t {
        stype: sys::ZE_STRUCTURE_TYPE_DRIVER_IPC_PROPERTIES,
        pNext: null_mut(),
        flags: 0,
    };
    let call = api().zeDriverGetIpcProperties;
    let driver = gpu.instance.driver_handle();
    // SAFETY: room for the properties.
    assert_eq!(unsafe { call(driver, &raw mut properties) }, SUCCESS);
    assert_ne!(properties.flags & sys::ZE_IPC_PROPERTY_FLAG_MEMORY, 0);
}

#[test]
fn atomic_attributes_are_kept_for_the_allocation() {
    let gpu = Gpu::new();
    let pointer = gpu.alloc(Kind::Shared, 100, 0).unwrap();
    let set = |pointer, size, attributes| {
        let call = api().zeMemSetAtomicAccessAttributeExp.unwrap();
        // SAFETY: the driver checks the range.
        unsafe { call(gpu.context, gpu.device(), pointer, size, attributes) }
    };
    let get = |pointer: *const c_void, attributes: *mut u32| {
        let call = api().zeMemGetAtomicAccessAttributeExp.unwrap();
        // SAFETY: null or room for the result.
        unsafe { call(gpu.context, gpu.device(), pointer, 1, attributes) }
    };
    let mut found = 99;
    assert_eq!(get(pointer, &raw mut found), SUCCESS);
    assert_eq!(found, 0);
    assert_eq!(set(pointer, 100, 5), SUCCESS);
    assert_eq!(get(pointer.wrapping_byte_add(50), &raw mut found), SUCCESS);
    assert_eq!(found, 5);
    assert_eq!(set(pointer, 101, 5), INVALID_ARGUMENT);
    assert_eq!(set(pointer, 1, 256), INVALID_ENUMERATION);
    assert_eq!(set(null_mut(), 1, 1), NULL_POINTER);
    assert_eq!(get(pointer, null_mut()), NULL_POINTER);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert_eq!(get(pointer, &raw mut found), INVALID_ARGUMENT);
    let again = gpu.alloc(Kind::Shared, 100, 0).unwrap();
    assert_eq!(get(again, &raw mut found), SUCCESS);
    assert_eq!(found, 0);
    assert_eq!(gpu.free(again), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn a_circular_chain_gives_no_descriptor() {
    let gpu = Gpu::new();
    let pointer = export(&gpu, 4096);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for _ in 0..100 {
        let mut exported = sys::ze_external_memory_export_fd_t {
            stype: sys::ZE_STRUCTURE_TYPE_EXTERNAL_MEMORY_EXPORT_FD,
            pNext: null(),
            flags: FD,
            fd: -1,
        };
        let this = &raw mut exported;
        // SAFETY: its own field.
        unsafe { (*this).pNext = this.cast() };
        let mut properties = sys::ze_memory_allocation_properties_t {
            pNext: this.cast(),
            ..alloc_properties()
        };
        let call = api().zeMemGetAllocProperties;
        // SAFETY: room for the results.
        let result = unsafe { call(gpu.context, pointer, &raw mut properties, null_mut()) };
        assert_eq!(result, INVALID_ARGUMENT);
    }
    // Other tests of this process have some too.
    assert!(open() < before + 100);
    assert_eq!(gpu.free(pointer), SUCCESS);
    assert!(gpu.end().is_empty());
}

#[test]
fn huge_pages_that_may_be_missing_are_not_imported() {
    let gpu = Gpu::new();
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | libc::MFD_HUGETLB;
    // SAFETY: the name is a C string.
    let fd = unsafe { libc::memfd_create(c"huge".as_ptr(), flags) };
    if fd < 0 {
        println!("skipped: system: no huge pages in this kernel");
        return;
    }
    // SAFETY: just opened.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let size = 4 << 20;
    // SAFETY: open.
    assert_eq!(unsafe { libc::ftruncate(fd.as_raw_fd(), 4 << 20) }, 0);
    // SAFETY: open.
    let sealed = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) };
    assert_eq!(sealed, 0);
    assert_eq!(import(&gpu, &fd, size), Err(INVALID_ARGUMENT));
    assert!(gpu.end().is_empty());
}
