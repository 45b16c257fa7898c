//! Requests that are refused before the driver is asked: each names what was asked and its limit.

use crate::drivers::Subject;
use crate::{in_each_placement, promises, spy};
use ze_area::{Context, Error, ErrorKind, FreePolicy, PlacementKind, RuntimeAlign, ZeDevice, sys};

promises![
    a_size_above_the_limit_is_too_large,
    a_size_that_overflows_is_refused,
    an_alignment_that_is_no_power_of_two_is_refused,
    an_ordinal_that_the_device_has_not_is_refused,
    a_device_outside_the_context_is_refused,
    a_device_of_another_driver_is_refused,
    a_context_without_devices_is_refused,
    a_driver_without_devices_says_so,
    a_copy_between_contexts_is_refused_at_both_ends,
    a_copy_of_other_length_is_refused,
    a_range_beyond_the_buffer_is_refused,
    a_cast_that_does_not_fit_is_refused,
    a_free_policy_that_the_driver_has_not_is_refused,
];

/// Checks an error that no call of the driver is part of.
fn assert_refused(error: &Error, kind: ErrorKind, says: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(error.call(), None, "{error}");
    assert_eq!(error.code(), None, "{error}");
    let text = error.to_string();
    for word in says {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
    assert_eq!(format!("{error:?}"), text);
}

fn a_size_above_the_limit_is_too_large(subject: &Subject) {
    let context = spy::context(subject);
    let device = &context.devices()[0];
    let limit = device.max_alloc_size();
    let size = usize::try_from(limit).unwrap() + 1;
    let area = context.device_area(device);
    spy::asked();
    let of_device = area.mmap_uninit::<u8>(size).unwrap_err();
    let of_shared = area.shared().mmap_uninit::<u8>(size).unwrap_err();
    assert_eq!(spy::asked(), []);
    for (error, name) in [(of_device, "device"), (of_shared, "shared")] {
        let says = [
            name,
            &size.to_string(),
            &limit.to_string(),
            "relaxed_limits",
        ];
        assert_refused(&error, ErrorKind::NotSupported, &says);
        assert!(matches!(error, Error::TooLarge { requested, .. } if requested == size));
    }
    let elements = size / 8 + 1;
    let error = area.mmap::<u64>(elements).unwrap_err();
    assert!(matches!(error, Error::TooLarge { requested, .. } if requested == elements * 8));
}

fn a_size_that_overflows_is_refused(subject: &Subject) {
    const MOST: usize = isize::MAX.cast_unsigned();
    let context = spy::context(subject);
    let device = &context.devices()[0];
    spy::asked();
    in_each_placement!(context, device, |area| {
        let area = area.relaxed_limits(true);
        for len in [MOST / 8 + 1, usize::MAX / 8, usize::MAX / 8 + 2, usize::MAX] {
            let error = area.mmap::<u64>(len).unwrap_err();
            assert_refused(
                &error,
                ErrorKind::InvalidArgument,
                &[&len.to_string(), "8 bytes", "isize::MAX"],
            );
            assert!(matches!(error, Error::SizeOverflow { .. }), "{error}");
        }
        let error = area.mmap_uninit::<u8>(MOST + 1).unwrap_err();
        assert!(matches!(error, Error::SizeOverflow { .. }), "{error}");
    });
    assert_eq!(spy::asked(), []);
}

fn an_alignment_that_is_no_power_of_two_is_refused(subject: &Subject) {
    let context = subject.context();
    for align in [0, 3, 100, 4095, usize::MAX] {
        let says = [format!("alignment {align} "), "power of two".to_owned()];
        let says = [says[0].as_str(), says[1].as_str()];
        in_each_placement!(context, subject.device(), |area| {
            let error = area.runtime_align(align).unwrap_err();
            assert_refused(&error, ErrorKind::InvalidArgument, &says);
        });
        let error = RuntimeAlign::new(align).unwrap_err();
        assert!(matches!(error, Error::BadAlignment { align: asked } if asked == align));
    }
}

fn an_ordinal_that_the_device_has_not_is_refused(subject: &Subject) {
    let context = subject.context();
    for device in context.devices() {
        let area = context.device_area(device);
        let count = u32::try_from(device.memories().len()).unwrap();
        for ordinal in 0..count.max(1) {
            let buffer = area
                .ordinal(ordinal)
                .unwrap()
                .mmap_uninit::<u8>(64)
                .unwrap();
            buffer.free().unwrap();
        }
        for ordinal in [count.max(1), 7.max(count), u32::MAX] {
            let (asked, has) = (ordinal.to_string(), format!("has {count}"));
            let error = area.ordinal(ordinal).unwrap_err();
            let says = [device.name(), &asked, &has];
            assert_refused(&error, ErrorKind::InvalidArgument, &says);
            assert!(matches!(error, Error::BadOrdinal { .. }));
            let error = area.shared().ordinal(ordinal).unwrap_err();
            assert!(matches!(error, Error::BadOrdinal { .. }));
        }
    }
}

/// Checks that the context has nothing for the device.
fn assert_outside(context: &Context, device: &ZeDevice) {
    let area = context.device_area(device);
    let errors = [
        area.mmap::<u8>(64).unwrap_err(),
        area.mmap_uninit::<u8>(64).unwrap_err(),
        area.mmap_from_slice(&[1_u8]).unwrap_err(),
        area.shared().mmap::<u8>(64).unwrap_err(),
        area.free_policy(FreePolicy::Blocking).unwrap_err(),
        context.queue(device).unwrap_err(),
    ];
    for error in errors {
        let says = [device.name(), "context.devices()"];
        assert_refused(&error, ErrorKind::InvalidArgument, &says);
        assert!(matches!(error, Error::DeviceNotInContext { .. }));
    }
}

fn a_device_outside_the_context_is_refused(subject: &Subject) {
    let [first, second, ..] = subject.driver().devices() else {
        return subject.not_applicable("contexts of some devices: there is only one");
    };
    let builder = Context::builder().driver(subject.driver());
    let context = builder.devices([second.clone()]).build().unwrap();
    assert_eq!(context.devices(), core::slice::from_ref(second));
    assert_outside(&context, first);
    for part in first.sub_devices() {
        assert_outside(&context, part);
    }
    let area = context.device_area(second);
    area.mmap::<u8>(64).unwrap().free().unwrap();
    area.shared().mmap::<u8>(64).unwrap().free().unwrap();
    context.host_area().mmap::<u8>(64).unwrap().free().unwrap();
    crate::drivers::assert_empty(&context);
}

fn a_device_of_another_driver_is_refused(subject: &Subject) {
    #[cfg(feature = "cpu")]
    {
        let instance = ze_area::cpu::Instance::new(ze_area::cpu::Config::new()).unwrap();
        let other = ze_area::Driver::from_cpu(&instance).unwrap();
        let alien = &other.devices()[0];
        assert!(alien != subject.device());
        assert_outside(&subject.context(), alien);
        let builder = Context::builder().driver(subject.driver());
        let devices = [subject.device().clone(), alien.clone()];
        let error = builder.devices(devices).build().unwrap_err();
        assert!(matches!(error, Error::DeviceNotInContext { .. }), "{error}");
        assert!(error.to_string().contains(alien.name()), "{error}");
    }
    #[cfg(not(feature = "cpu"))]
    subject.not_applicable("devices of another driver: this build has only one");
}

fn a_context_without_devices_is_refused(subject: &Subject) {
    let builder = Context::builder().driver(subject.driver());
    let error = builder.devices([]).build().unwrap_err();
    assert!(matches!(error, Error::NoDevice { .. }), "{error}");
    assert_eq!((error.call(), error.code()), (None, None));
    assert!(
        error.to_string().contains("ContextBuilder::devices"),
        "{error}"
    );
}

/// A driver that has no device.
unsafe extern "C" fn no_devices(
    _: sys::ze_driver_handle_t,
    count: *mut u32,
    _: *mut sys::ze_device_handle_t,
) -> sys::ze_result_t {
    // SAFETY: the library gives a valid target.
    unsafe { *count = 0 };
    sys::ZE_RESULT_SUCCESS
}

fn a_driver_without_devices_says_so(subject: &Subject) {
    let driver = spy::driver(subject, |api| api.zeDeviceGet = no_devices);
    assert_eq!(driver.devices(), []);
    let context = Context::builder().driver(&driver).build().unwrap();
    for error in [
        context.default_device_area().unwrap_err(),
        context.first_device().unwrap_err(),
    ] {
        assert!(matches!(error, Error::NoDevice { .. }), "{error}");
        assert_eq!((error.call(), error.code()), (None, None));
        assert!(error.to_string().contains(driver.origin()), "{error}");
    }
}

fn a_copy_between_contexts_is_refused_at_both_ends(subject: &Subject) {
    let (one, other) = (subject.context(), subject.context());
    let queue = one.queue(subject.device()).unwrap();
    in_each_placement!(one, subject.device(), |area| {
        let mut own = area.mmap::<u8>(8).unwrap();
        in_each_placement!(other, subject.device(), |area| {
            let mut alien = area.mmap_from_slice(&[0_u8; 8]).unwrap();
            let mut bytes = [0_u8; 8];
            let errors = [
                (queue.copy(&alien, &mut own).unwrap_err(), "source", "copy"),
                (queue.copy(&own, &mut alien).unwrap_err(), "target", "copy"),
                (
                    queue.copy(&alien, &mut bytes).unwrap_err(),
                    "source",
                    "copy",
                ),
                (
                    queue.copy(&bytes, &mut alien).unwrap_err(),
                    "target",
                    "copy",
                ),
                (queue.to_vec(&alien).unwrap_err(), "source", "copy"),
                (queue.fill(&mut alien, 1).unwrap_err(), "target", "fill"),
                (
                    queue.fill(&mut alien.as_view_mut(), 1).unwrap_err(),
                    "target",
                    "fill",
                ),
            ];
            for (error, end, operation) in errors {
                let kind = ErrorKind::InvalidArgument;
                assert_refused(&error, kind, &[end, operation, "one `Context`"]);
                let Error::WrongContext {
                    what,
                    operation: of,
                } = error
                else {
                    panic!("{error}")
                };
                assert_eq!((what, of), (end, operation));
            }
            let fresh = area.mmap_uninit::<u8>(8).unwrap();
            let returned = queue.init(fresh, &bytes).unwrap_err();
            assert!(matches!(returned.error, Error::WrongContext { .. }));
            assert_eq!(returned.buffer.len(), 8);
        });
    });
}

fn a_copy_of_other_length_is_refused(subject: &Subject) {
    let context = subject.context();
    let queue = context.queue(subject.device()).unwrap();
    let check = |error: &Error, from: usize, to: usize| {
        let says = [&*format!("source has {from} "), &*format!("target {to}")];
        assert_refused(error, ErrorKind::InvalidArgument, &says);
        assert!(matches!(error, Error::LengthMismatch { .. }));
    };
    in_each_placement!(context, subject.device(), |area| {
        let mut buffer = area.mmap::<u32>(8).unwrap();
        check(&queue.copy(&[0; 7], &mut buffer).unwrap_err(), 7, 8);
        check(&queue.copy(&[0; 9], &mut buffer).unwrap_err(), 9, 8);
        check(&queue.copy(&buffer, &mut vec![0; 9]).unwrap_err(), 8, 9);
        check(&queue.copy(&buffer, &mut [0; 0]).unwrap_err(), 8, 0);
        let empty = area.mmap::<u32>(0).unwrap();
        check(&queue.copy(&empty, &mut buffer).unwrap_err(), 0, 8);
        let part = buffer.slice(2..).unwrap();
        check(&queue.copy(&part, &mut [0; 8]).unwrap_err(), 6, 8);

        let fresh = area.mmap_uninit::<u32>(8).unwrap();
        let returned = queue.init(fresh, &[0; 3]).unwrap_err();
        check(&returned.error, 3, 8);
        assert!(queue.init(returned.buffer, &[1; 8]).is_ok());
    });
    let fresh = context.host_area().mmap_uninit::<u32>(8).unwrap();
    let returned = fresh.write_from_slice(&[0; 3]).unwrap_err();
    check(&returned.error, 3, 8);
    assert_eq!(returned.buffer.write_from_slice(&[2; 8]).unwrap(), [2; 8]);
}

fn a_range_beyond_the_buffer_is_refused(subject: &Subject) {
    let context = subject.context();
    let check = |error: &Error, range: &str| {
        let says = [&*format!("{range} "), "8 elements"];
        assert_refused(error, ErrorKind::InvalidArgument, &says);
        assert!(matches!(error, Error::OutOfBounds { .. }));
    };
    in_each_placement!(context, subject.device(), |area| {
        let mut buffer = area.mmap::<u32>(8).unwrap();
        check(&buffer.slice(..9).unwrap_err(), "0..9");
        check(&buffer.slice(9..).unwrap_err(), "9..8");
        check(&buffer.slice(4..=8).unwrap_err(), "4..9");
        check(
            &buffer.slice(usize::MAX..).unwrap_err(),
            &format!("{}..8", usize::MAX),
        );
        #[expect(clippy::reversed_empty_ranges, reason = "what a mistake looks like")]
        let reversed = 5..3;
        check(&buffer.slice(reversed).unwrap_err(), "5..3");
        check(&buffer.slice_mut(3..9).unwrap_err(), "3..9");
        check(&buffer.split_at_mut(9).unwrap_err(), "0..9");
        check(&buffer.as_view().split_at(9).unwrap_err(), "0..9");
        check(&buffer.as_view_mut().into_slice(..10).unwrap_err(), "0..10");
        let part = buffer.slice(2..4).unwrap();
        assert!(part.slice(..3).is_err() && part.slice(..2).is_ok());
        assert!(buffer.slice(8..).unwrap().is_empty());
        assert!(buffer.split_at_mut(8).unwrap().1.is_empty());
    });
}

fn a_cast_that_does_not_fit_is_refused(subject: &Subject) {
    let context = subject.context();
    in_each_placement!(context, subject.device(), |area| {
        let mut bytes = area.mmap_from_slice(&[0_u8; 15]).unwrap();
        let address = format!("{:#x}", bytes.device_ptr().addr());
        let error = bytes.cast::<u32>().unwrap_err();
        let says = ["15 bytes", "4 bytes", "aligned to 4", &address];
        assert_refused(&error, ErrorKind::InvalidArgument, &says);
        assert!(matches!(error, Error::Cast { .. }));
        assert!(bytes.cast_mut::<[u8; 4]>().is_err());
        let odd = bytes.slice(1..9).unwrap();
        assert!(odd.cast::<[u8; 8]>().is_ok());
        let error = odd.cast::<u64>().unwrap_err();
        assert!(matches!(
            error,
            Error::Cast {
                element_align: 8,
                bytes: 8,
                ..
            }
        ));
        let returned = bytes.into_cast::<u16>().unwrap_err();
        assert!(matches!(returned.error, Error::Cast { bytes: 15, .. }));
        assert_eq!(returned.buffer.into_cast::<[u8; 5]>().unwrap().len(), 3);
    });
}

fn a_free_policy_that_the_driver_has_not_is_refused(subject: &Subject) {
    let driver = spy::driver(subject, |api| api.zeMemFreeExt = None);
    let context = Context::builder().driver(&driver).build().unwrap();
    let device = &driver.devices()[0];
    let check = |error: &Error, name: &str| {
        assert_eq!(error.kind(), ErrorKind::NotSupported);
        assert_eq!(error.call(), Some("zeMemFreeExt"));
        let text = error.to_string();
        assert!(
            text.contains(name) && text.contains("FreePolicy::Immediate"),
            "{text}"
        );
    };
    for (policy, name) in [
        (FreePolicy::Blocking, "blocking"),
        (FreePolicy::Deferred, "deferred"),
    ] {
        in_each_placement!(context, device, |area| {
            let error = area.free_policy(policy).unwrap_err();
            check(&error, name);
            let Error::FreePolicyUnsupported {
                policy: asked,
                code: None,
            } = error
            else {
                panic!("{error}")
            };
            assert_eq!(asked, policy);
            assert!(area.free_policy(FreePolicy::Immediate).is_ok());
        });
    }
    crate::drivers::assert_empty(&context);

    // Of the driver itself: the older ones have no deferred free.
    let context = subject.context();
    let deferred = context
        .device_area(subject.device())
        .free_policy(FreePolicy::Deferred);
    match deferred {
        Ok(area) => area.mmap_uninit::<u8>(64).unwrap().free().unwrap(),
        Err(error) => {
            check(&error, "deferred");
            let code = error.code().unwrap();
            assert!(error.to_string().contains(code.name().unwrap()), "{error}");
        }
    }
    assert_eq!(context.memory().device.failed_frees, 0);
    let buffer = context
        .device_area(subject.device())
        .mmap_uninit::<u8>(64)
        .unwrap();
    assert_eq!(buffer.placement(), PlacementKind::Device);
}
