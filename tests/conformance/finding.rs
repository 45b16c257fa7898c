//! Which driver is taken, and what is said where there is none.

use crate::drivers::{Config, Subject, nowhere};
use crate::{process, promises, scenarios};
use ze_area::{Context, Driver, Error, ErrorKind};

promises![
    a_driver_of_a_number_too_high_is_refused,
    a_library_that_is_absent_is_named,
    a_library_that_is_no_driver_is_told_which_call_it_lacks,
    a_setting_that_means_nothing_is_refused,
    a_setting_can_be_a_path,
    without_a_setting_the_systems_driver_is_taken_or_the_lack_explained,
    the_cpu_driver_says_which_setting_is_wrong,
    opening_a_driver_again_gives_the_same,
];

scenarios![
    reads_a_setting_that_means_nothing,
    reads_a_setting_with_a_path_to_nowhere,
    reads_the_setting_system,
    reads_the_setting_cpu,
    finds_what_there_is,
    sets_up_the_cpu_driver_wrongly,
];

/// The name of a library on every Linux that is no driver.
const NO_DRIVER: &str = "libc.so.6";

fn again(subject: &Subject, scenario: &str, variables: &[(&str, &str)]) {
    let mut output = process::again(subject.config, scenario, variables);
    // Where there is no subscriber, that is where the CPU driver's taking over is said.
    if !variables.iter().any(|(_, value)| *value == "cpu") {
        output.stderr = output
            .stderr
            .lines()
            .filter(|line| !line.starts_with("ze-area: no GPU driver"))
            .collect();
    }
    if let Err(text) = output.clean() {
        panic!("{scenario}: {text}");
    }
}

fn a_driver_of_a_number_too_high_is_refused(subject: &Subject) {
    let api = subject.driver().api();
    // SAFETY: the table is that of a driver.
    let error = unsafe { Driver::from_api(api, 99) }.unwrap_err();
    let Error::NoSuchDriver { index, count, .. } = &error else {
        panic!("{error}")
    };
    assert!(*index == 99 && *count > 0);
    assert_eq!((error.kind(), error.call()), (ErrorKind::Failure, None));
    let text = error.to_string();
    assert!(
        text.contains("99") && text.contains(&count.to_string()),
        "{text}"
    );
    if !subject.config.in_process {
        let error = Driver::system_nth(99).unwrap_err();
        assert!(matches!(error, Error::NoSuchDriver { index: 99, .. }));
        assert!(
            error.to_string().contains(subject.driver().origin()),
            "{error}"
        );
    }
}

fn a_library_that_is_absent_is_named(_: &Subject) {
    // SAFETY: there is no such library.
    let error = unsafe { Driver::load(nowhere()) }.unwrap_err();
    check_absent(&error);
}

fn check_absent(error: &Error) {
    assert!(matches!(error, Error::Load(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::Failure);
    assert_eq!((error.call(), error.code()), (None, None));
    assert!(
        error.to_string().contains(&*nowhere().to_string_lossy()),
        "{error}"
    );
}

fn a_library_that_is_no_driver_is_told_which_call_it_lacks(_: &Subject) {
    // SAFETY: it is loaded already, and has none of the calls.
    let error = unsafe { Driver::load(NO_DRIVER) }.unwrap_err();
    assert!(matches!(error, Error::Load(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(NO_DRIVER) && text.contains("zeInit"),
        "{text}"
    );
}

fn a_setting_that_means_nothing_is_refused(subject: &Subject) {
    let variables = [("ZE_AREA_DRIVER", "nonsense")];
    again(subject, "reads_a_setting_that_means_nothing", &variables);
}

fn reads_a_setting_that_means_nothing(_: &'static Config) {
    for error in [Context::new().unwrap_err(), Driver::find().unwrap_err()] {
        assert!(matches!(error, Error::BadSetting { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!((error.call(), error.code()), (None, None));
        let text = error.to_string();
        for word in ["ZE_AREA_DRIVER", "nonsense", "system", "cpu", "path"] {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
    }
}

fn a_setting_can_be_a_path(subject: &Subject) {
    let path = nowhere().to_string_lossy();
    let variables = [("ZE_AREA_DRIVER", &*path)];
    again(
        subject,
        "reads_a_setting_with_a_path_to_nowhere",
        &variables,
    );
}

fn reads_a_setting_with_a_path_to_nowhere(_: &'static Config) {
    check_absent(&Context::new().unwrap_err());
}

fn without_a_setting_the_systems_driver_is_taken_or_the_lack_explained(subject: &Subject) {
    again(subject, "finds_what_there_is", &[]);
    again(subject, "finds_what_there_is", &[("ZE_AREA_DRIVER", "")]);
    again(
        subject,
        "reads_the_setting_system",
        &[("ZE_AREA_DRIVER", "system")],
    );
    again(
        subject,
        "reads_the_setting_cpu",
        &[("ZE_AREA_DRIVER", "cpu")],
    );
}

fn finds_what_there_is(_: &'static Config) {
    match (Driver::system(), Driver::find()) {
        (Ok(system), Ok(found)) => assert!(found == system),
        (Err(_), Ok(found)) => {
            let cpu = cfg!(feature = "cpu") && found.origin().contains("CPU");
            assert!(cpu, "{found:?}");
        }
        (Ok(_), Err(error)) => panic!("{error}"),
        (Err(_), Err(error)) if cfg!(feature = "cpu") => panic!("{error}"),
        (Err(why), Err(error)) => {
            let Error::NoDriver { tried } = &error else {
                panic!("{error}")
            };
            assert!(tried[0].contains(&why.to_string()), "{tried:?}");
            assert_eq!(error.kind(), ErrorKind::Failure);
            let text = error.to_string();
            assert!(text.contains(&tried[0]), "{text}");
            for word in [
                "apt-get install intel-opencl-icd libze1",
                "ZE_AREA_DRIVER",
                "cpu",
            ] {
                assert!(text.contains(word), "{word:?} is not in {text:?}");
            }
        }
    }
}

fn reads_the_setting_system(_: &'static Config) {
    match (Driver::system(), Driver::find()) {
        (Ok(system), Ok(found)) => assert!(found == system),
        (Err(why), Err(error)) => assert_eq!(why.to_string(), error.to_string()),
        (_, Ok(found)) => panic!("{found:?}"),
        (_, Err(error)) => panic!("{error}"),
    }
}

fn reads_the_setting_cpu(_: &'static Config) {
    if cfg!(feature = "cpu") {
        assert!(Driver::find().unwrap().origin().contains("CPU"));
        let context = Context::new().unwrap();
        assert_eq!(context.host_area().mmap::<u8>(3).unwrap(), [0; 3]);
    } else {
        let error = Driver::find().unwrap_err();
        assert!(matches!(error, Error::BadSetting { .. }), "{error}");
        assert!(error.to_string().contains("feature `cpu`"), "{error}");
    }
}

fn the_cpu_driver_says_which_setting_is_wrong(subject: &Subject) {
    if !cfg!(feature = "cpu") {
        return subject.not_applicable("the CPU driver's settings: this build is without it");
    }
    let variables = [
        ("ZE_AREA_DRIVER", "cpu"),
        ("LEVEL_ZERO_CPU_DEVICES", "some"),
    ];
    again(subject, "sets_up_the_cpu_driver_wrongly", &variables);
}

fn sets_up_the_cpu_driver_wrongly(_: &'static Config) {
    #[cfg(feature = "cpu")]
    {
        let error = Context::new().unwrap_err();
        assert!(matches!(error, Error::CpuDriver(_)), "{error}");
        assert_eq!((error.kind(), error.call()), (ErrorKind::Failure, None));
        let text = error.to_string();
        assert!(
            text.contains("LEVEL_ZERO_CPU_DEVICES") && text.contains("some"),
            "{text}"
        );
    }
}

fn opening_a_driver_again_gives_the_same(subject: &Subject) {
    if subject.config.in_process {
        #[cfg(feature = "cpu")]
        assert!(Driver::cpu().unwrap() == Driver::cpu().unwrap());
        return;
    }
    let driver = subject.driver();
    let again = Driver::system().unwrap();
    assert!(*driver == again);
    assert_eq!(driver.devices(), again.devices());
    let all = Driver::system_all().unwrap();
    assert!(all[0] == *driver);
    assert!(Driver::system_nth(all.len()).is_err());
    // Contexts of either can be told apart, and buffers of one are no other's.
    let one = subject.context();
    let area = one.device_area(&again.devices()[0]);
    area.mmap::<u8>(1).unwrap().free().unwrap();
}
