//! What a driver answers when memory is gone or it is out of order, and what is made of it.

use crate::drivers::{Subject, assert_empty};
use crate::spy::{self, Answer};
use crate::{in_each_placement, promises};
use core::mem::MaybeUninit;
use ze_area::{Context, Device, Error, ErrorKind, FreePolicy, PlacementKind, ResultCode, ZeBuffer};

promises![
    device_memory_that_runs_out_is_an_error_and_comes_back,
    out_of_memory_names_request_placement_and_live,
    a_size_that_the_driver_refuses_names_the_limit,
    a_failed_call_keeps_its_name_and_code,
    an_allocation_that_failed_leaves_nothing,
    success_with_a_null_pointer_is_the_drivers_fault,
    success_with_a_pointer_that_wraps_is_the_drivers_fault,
    a_free_that_fails_gives_the_buffer_back,
    a_drop_that_cannot_free_is_counted,
    a_call_that_is_missing_is_named,
];

const OUT_OF_HOST_MEMORY: u32 = 0x7000_0002;
const OUT_OF_DEVICE_MEMORY: u32 = 0x7000_0003;
const UNSUPPORTED_SIZE: u32 = 0x7800_0009;
const DEVICE_LOST: u32 = 0x7000_0001;
const UNKNOWN: u32 = 0x7fff_fffe;

fn device_memory_that_runs_out_is_an_error_and_comes_back(subject: &Subject) {
    const PIECE: usize = 128 << 20;
    const MOST: usize = 64;
    if !subject.config.runs_out {
        return subject.not_applicable("out of memory: where it ends is not known");
    }
    let context = subject.context();
    let area = context.device_area(subject.device());
    for _ in 0..2 {
        let mut held: Vec<ZeBuffer<MaybeUninit<u8>, Device>> = Vec::new();
        let error = loop {
            assert!(held.len() < MOST, "{MOST} pieces and no end");
            match area.mmap_uninit::<u8>(PIECE) {
                Ok(buffer) => held.push(buffer),
                Err(error) => break error,
            }
        };
        assert!(held.len() > 8, "{error}");
        let memory = context.memory().device;
        assert_eq!(memory.live_buffers, held.len() as u64);
        assert_eq!(memory.live_bytes, (held.len() * PIECE) as u64);
        check_out_of_memory(&error, PlacementKind::Device, PIECE, &memory);
        // One freed, one to be had.
        held.pop();
        held.push(area.mmap_uninit(PIECE).unwrap());
        let error = area.mmap_uninit::<u8>(PIECE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        drop(held);
        assert_eq!(context.memory().device.live_bytes, 0);
        assert!(context.memory().device.peak_bytes >= (9 * PIECE) as u64);
    }
}

fn check_out_of_memory(
    error: &Error,
    placement: PlacementKind,
    asked: usize,
    live: &ze_area::MemoryUse,
) {
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
    let code = error.code().unwrap();
    assert_eq!(code.kind(), ErrorKind::OutOfMemory);
    let call = error.call().unwrap();
    assert!(matches!(
        *error,
        Error::OutOfMemory { placement: p, requested, live_bytes, live_buffers, .. }
            if p == placement
                && requested == asked
                && live_bytes == live.live_bytes
                && live_buffers == live.live_buffers
    ));
    let text = error.to_string();
    let words = [
        call.to_owned(),
        code.name().unwrap().to_owned(),
        format!("{asked} bytes of {placement} memory"),
        format!("{} bytes in {} buffers", live.live_bytes, live.live_buffers),
    ];
    for word in words {
        assert!(text.contains(&word), "{word:?} is not in {text:?}");
    }
}

fn out_of_memory_names_request_placement_and_live(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    for code in [OUT_OF_HOST_MEMORY, OUT_OF_DEVICE_MEMORY] {
        in_each_placement!(context, device, |area| {
            let one = area.mmap_uninit::<u8>(1000).unwrap();
            let two = area.mmap_uninit::<u8>(500).unwrap();
            let memory = context.memory();
            let live = match one.placement() {
                PlacementKind::Device => memory.device,
                PlacementKind::Shared => memory.shared,
                PlacementKind::Host => memory.host,
            };
            assert_eq!((live.live_bytes, live.live_buffers), (1500, 2));
            spy::answer(Some(Answer::Code(code)));
            let error = area.mmap::<u32>(1024).unwrap_err();
            spy::answer(None);
            check_out_of_memory(&error, one.placement(), 4096, &live);
            assert_eq!(error.code(), Some(ResultCode::from_raw(code)));
            drop((one, two));
            assert!(area.mmap::<u32>(1024).is_ok());
        });
    }
    assert_empty(&context);
}

fn a_size_that_the_driver_refuses_names_the_limit(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    spy::answer(Some(Answer::Code(UNSUPPORTED_SIZE)));
    in_each_placement!(context, device, |area| {
        let error = area.mmap_uninit::<u8>(777).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        assert_eq!(error.code(), Some(ResultCode::from_raw(UNSUPPORTED_SIZE)));
        assert!(matches!(
            error,
            Error::UnsupportedSize { requested: 777, .. }
        ));
        let text = error.to_string();
        let limit = device.max_alloc_size().to_string();
        let words = [
            error.call().unwrap(),
            "777 bytes",
            "UNSUPPORTED_SIZE",
            &limit,
        ];
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    });
    spy::answer(None);
    // Host memory has no limit that the library knows of; the driver may have one.
    let beyond = usize::try_from(device.max_alloc_size()).unwrap() + 1;
    match context.host_area().mmap_uninit::<u8>(beyond) {
        Ok(buffer) => assert_eq!(buffer.len(), beyond),
        Err(error) => assert!(
            matches!(
                error.kind(),
                ErrorKind::NotSupported | ErrorKind::OutOfMemory
            ),
            "{error}"
        ),
    }
    assert_empty(&context);
}

fn a_failed_call_keeps_its_name_and_code(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    spy::answer(Some(Answer::Code(DEVICE_LOST)));
    in_each_placement!(context, device, |area| {
        let error = area.mmap::<u8>(64).unwrap_err();
        let Error::Call { call, code } = error else {
            panic!("{error}")
        };
        assert_eq!(code.name(), Some("ZE_RESULT_ERROR_DEVICE_LOST"));
        assert!(error.to_string().contains(call));
        assert!(error.to_string().contains("make a new context"), "{error}");
    });
    spy::answer(None);
}

fn an_allocation_that_failed_leaves_nothing(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    spy::answer(Some(Answer::Code(OUT_OF_DEVICE_MEMORY)));
    in_each_placement!(context, device, |area| {
        assert!(area.mmap::<u8>(64).is_err());
        assert!(area.mmap_from_slice(&[1_u8]).is_err());
        assert!(area.mmap_from_fn(1, |_| 1_u8).is_err());
        assert!(area.mmap_uninit::<u8>(64).is_err());
    });
    spy::answer(None);
    assert_empty(&context);
    assert_eq!(context.memory().device.peak_buffers, 0);
    assert_eq!(spy::frees(), 0);
}

fn success_with_a_null_pointer_is_the_drivers_fault(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    spy::answer(Some(Answer::Pointer(0)));
    in_each_placement!(context, device, |area| {
        let error = area.mmap::<u8>(64).unwrap_err();
        assert!(matches!(error, Error::DriverFault { .. }), "{error}");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Failure, None));
        let text = error.to_string();
        assert!(
            text.contains(error.call().unwrap()) && text.contains("null"),
            "{text}"
        );
    });
    spy::answer(None);
    assert_empty(&context);
}

fn success_with_a_pointer_that_wraps_is_the_drivers_fault(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    spy::answer(Some(Answer::Pointer(usize::MAX - 63)));
    // What the library does with the pointer it refuses is to free it: not for the driver to see.
    spy::answer_frees(Some(0));
    in_each_placement!(context, device, |area| {
        let error = area.mmap_uninit::<u8>(128).unwrap_err();
        assert!(matches!(error, Error::DriverFault { .. }), "{error}");
        assert!(error.to_string().contains("128 bytes"), "{error}");
    });
    spy::answer(None);
    spy::answer_frees(None);
    assert_empty(&context);
}

fn a_free_that_fails_gives_the_buffer_back(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    in_each_placement!(context, device, |area| {
        let buffer = area.mmap_uninit::<u8>(64).unwrap();
        let address = buffer.device_ptr();
        spy::answer_frees(Some(UNKNOWN));
        let returned = buffer.free().unwrap_err();
        spy::answer_frees(None);
        assert_eq!(returned.error.call(), Some("zeMemFree"));
        assert_eq!(returned.error.code(), Some(ResultCode::from_raw(UNKNOWN)));
        assert!(returned.to_string().contains("zeMemFree"));
        assert_eq!(returned.buffer.device_ptr(), address);
        assert_eq!(context.memory().live_buffers(), 1);
        assert_eq!(context.memory().failed_frees(), 0);
        assert!(context.describe(address).unwrap().is_some());
        returned.buffer.free().unwrap();
        assert_eq!(context.describe(address).unwrap(), None);
    });
    assert_empty(&context);
}

fn a_drop_that_cannot_free_is_counted(subject: &Subject) {
    let context = spy::context(subject);
    let area = context.host_area();
    let buffer = area.mmap_uninit::<u8>(64).unwrap();
    let address = buffer.device_ptr().cast_mut();
    spy::answer_frees(Some(UNKNOWN));
    drop(buffer);
    spy::answer_frees(None);
    let host = context.memory().host;
    assert_eq!((host.live_buffers, host.live_bytes), (0, 0));
    assert_eq!((host.failed_frees, host.leaked_bytes), (1, 64));
    assert_eq!(context.memory().failed_frees(), 1);
    assert!(area.mmap::<u8>(64).is_ok());
    let api = context.driver().api();
    // SAFETY: the buffer is gone and could not free its memory, so nobody else will.
    let freed = unsafe { (api.zeMemFree)(context.as_raw(), address.cast()) };
    assert_eq!(freed, ze_area::sys::ZE_RESULT_SUCCESS);
}

fn a_call_that_is_missing_is_named(subject: &Subject) {
    let driver = spy::driver(subject, |api| api.zeMemFreeExt = None);
    let context = Context::builder().driver(&driver).build().unwrap();
    let mut parts = context.host_area().mmap::<u8>(64).unwrap().into_raw_parts();
    parts.policy = FreePolicy::Blocking;
    // SAFETY: the parts are those of a buffer of this context; with that policy nothing is freed.
    let buffer: ZeBuffer<u8, ze_area::Host> = unsafe { ZeBuffer::from_raw_parts(&context, parts) };
    let returned = buffer.free().unwrap_err();
    let error = &returned.error;
    assert!(matches!(error, Error::MissingCall { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert_eq!((error.call(), error.code()), (Some("zeMemFreeExt"), None));
    let text = error.to_string();
    assert!(
        text.contains("zeMemFreeExt") && text.contains(driver.origin()),
        "{text}"
    );
    let mut parts = returned.buffer.into_raw_parts();
    parts.policy = FreePolicy::Immediate;
    // SAFETY: as above.
    let buffer: ZeBuffer<u8, ze_area::Host> = unsafe { ZeBuffer::from_raw_parts(&context, parts) };
    buffer.free().unwrap();
    assert_empty(&context);
}
