//! The Level Zero drivers of this machine and their devices, with what a program must know of them.
//!
//! ```text
//! cargo run --example devices [--features cpu]
//! ```

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use ze_area::{AccessCaps, Driver, QueueGroupFlags, ZeDevice};

const HELP: &str = "\
Lists the Level Zero drivers of this machine, their devices, memories and limits.

usage: devices [--help]

The drivers are those of the system's loader (libze_loader.so.1, ze_loader.dll), the one that
ZE_AREA_DRIVER names, and, with the feature `cpu`, the CPU driver. The exit code is 1 where there is
none.";

const INSTALL: &str = "\
What to do:
  - install a GPU driver and the loader (Debian: apt-get install intel-opencl-icd libze1)
  - where they are installed: is the user in the group `render`?
  - without a GPU: build with --features cpu";

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        None => {}
        Some(argument) if argument == "--help" || argument == "-h" => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(argument) => {
            eprintln!("devices: {argument:?} is not understood\n\n{HELP}");
            return ExitCode::from(2);
        }
    }
    let (drivers, failures) = drivers();
    if drivers.is_empty() {
        eprintln!("No Level Zero driver. What was tried:");
        for failure in failures {
            eprintln!("  - {failure}");
        }
        eprintln!("{INSTALL}");
        return ExitCode::FAILURE;
    }
    match show_all(&mut io::stdout().lock(), &drivers, &failures) {
        // The reader, such as `head`, may have enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("devices: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// All drivers there are, and why others are not.
fn drivers() -> (Vec<Driver>, Vec<String>) {
    let mut failures = Vec::new();
    let mut drivers = Driver::system_all().unwrap_or_else(|error| {
        failures.push(format!("the system's loader: {error}"));
        Vec::new()
    });
    #[cfg(feature = "cpu")]
    match Driver::cpu() {
        Ok(driver) => drivers.push(driver),
        Err(error) => failures.push(format!("the CPU driver: {error}")),
    }
    if std::env::var_os("ZE_AREA_DRIVER").is_some_and(|name| !name.is_empty()) {
        match Driver::find() {
            Ok(driver) if drivers.contains(&driver) => {}
            Ok(driver) => drivers.push(driver),
            Err(error) => failures.push(format!("what ZE_AREA_DRIVER says: {error}")),
        }
    }
    (drivers, failures)
}

fn show_all(out: &mut impl Write, drivers: &[Driver], failures: &[String]) -> io::Result<()> {
    for failure in failures {
        writeln!(out, "Not used: {failure}\n")?;
    }
    let default = Driver::find().ok();
    for (number, driver) in drivers.iter().enumerate() {
        let mark = match &default {
            Some(default) if default == driver => " (the one that Context::new() takes)",
            _ => "",
        };
        writeln!(out, "Driver {number}: {}{mark}", driver.origin())?;
        show_driver(out, driver)?;
        writeln!(out)?;
    }
    Ok(())
}

fn show_driver(out: &mut impl Write, driver: &Driver) -> io::Result<()> {
    let api = driver.api_version().map(|version| version.to_string());
    row(out, 2, "API version", or_error(api))?;
    let version = or_error(driver.version().map(|version| format!("{version:#x}")));
    row(out, 2, "Driver version", version)?;
    row(out, 2, "Devices", driver.devices().len())?;
    match driver.extensions() {
        Ok(extensions) if extensions.is_empty() => row(out, 2, "Extensions", "none")?,
        Ok(extensions) => {
            for (number, extension) in extensions.iter().enumerate() {
                let label = if number == 0 { "Extensions" } else { "" };
                row(
                    out,
                    2,
                    label,
                    format!("{} {}", extension.name, extension.version),
                )?;
            }
        }
        Err(error) => row(out, 2, "Extensions", error)?,
    }
    for (number, device) in driver.devices().iter().enumerate() {
        writeln!(out, "\n  Device {number}: {}", device.name())?;
        show_device(out, 4, device)?;
        for (number, part) in device.sub_devices().iter().enumerate() {
            let number = part
                .properties()
                .sub_device_id
                .map_or(number.to_string(), |id| id.to_string());
            writeln!(out, "\n    Sub-device {number}: {}", part.name())?;
            show_device(out, 6, part)?;
        }
    }
    Ok(())
}

fn show_device(out: &mut impl Write, indent: usize, device: &ZeDevice) -> io::Result<()> {
    let p = device.properties();
    let memory = if p.integrated {
        "shares the host's memory"
    } else {
        "has its own memory"
    };
    row(out, indent, "Kind", format!("{}, {memory}", p.kind))?;
    row(
        out,
        indent,
        "PCI vendor, device",
        format!("{:04x}:{:04x}", p.vendor_id, p.device_id),
    )?;
    let uuid: String = p.uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    row(out, indent, "UUID", uuid)?;
    row(
        out,
        indent,
        "Core clock",
        number(p.core_clock_rate.into(), " MHz"),
    )?;
    let units = p.slices * p.subslices_per_slice * p.eus_per_subslice;
    let shape = format!(
        "{units} ({} x {} x {}), {} threads each",
        p.slices, p.subslices_per_slice, p.eus_per_subslice, p.threads_per_eu
    );
    row(out, indent, "Execution units", shape)?;
    row(out, indent, "Largest allocation", size(p.max_alloc_size))?;
    let contexts = match p.max_hardware_contexts {
        u32::MAX => "no limit".to_owned(),
        contexts => contexts.to_string(),
    };
    row(out, indent, "Hardware contexts", contexts)?;
    row(
        out,
        indent,
        "ECC, page faults",
        format!("{}, {}", yes(p.ecc), yes(p.on_demand_paging)),
    )?;
    row(out, indent, "Sub-devices", device.sub_devices().len())?;

    let memories = device.memories().iter().map(|memory| {
        [
            memory.ordinal.to_string(),
            size(memory.size),
            number(memory.max_clock_rate.into(), " MHz"),
            number(memory.max_bus_width.into(), " bit"),
            memory.name.clone(),
        ]
    });
    let header = ["ordinal", "size", "clock", "bus", "name"];
    table(out, indent, "Memories", header, memories)?;

    let groups = device.queue_groups().iter().map(|group| {
        [
            group.ordinal.to_string(),
            group.queues.to_string(),
            size(group.max_fill_pattern as u64),
            queue_flags(group.flags),
        ]
    });
    let header = ["ordinal", "queues", "fill pattern", "can"];
    table(out, indent, "Queue groups", header, groups)?;

    let access = device.memory_access();
    let access = [
        ("device", access.device),
        ("host", access.host),
        ("shared, one device", access.shared_single),
        ("shared, several", access.shared_cross),
        ("system", access.shared_system),
    ];
    let access = access.map(|(memory, caps)| [memory.to_owned(), access_caps(caps)]);
    table(out, indent, "Access", ["memory", "how"], access.into_iter())
}

/// A line of a label and a value.
fn row(out: &mut impl Write, indent: usize, label: &str, value: impl Display) -> io::Result<()> {
    let width = 28 - indent;
    writeln!(out, "{:indent$}{label:<width$}{value}", "")
}

/// A label, then rows of columns that are as wide as they need be.
fn table<const N: usize>(
    out: &mut impl Write,
    indent: usize,
    label: &str,
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> io::Result<()> {
    let mut lines = vec![header.map(str::to_owned)];
    lines.extend(rows);
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.len().max(*width);
        }
    }
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(widths);
        let cells: String = cells
            .map(|(cell, width)| format!("{cell:<width$}  "))
            .collect();
        row(
            out,
            indent,
            if number == 0 { label } else { "" },
            cells.trim_end(),
        )?;
    }
    Ok(())
}

fn or_error(value: ze_area::Result<String>) -> String {
    value.unwrap_or_else(|error| error.to_string())
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// A number with its unit, where the driver says it.
fn number(value: u64, unit: &str) -> String {
    if value == 0 {
        "-".to_owned()
    } else {
        format!("{value}{unit}")
    }
}

/// A size with the largest unit of which there is a whole.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| bytes >> shift > 0) {
        // Drivers say so where there is no limit.
        _ if bytes == u64::MAX => "no limit".to_owned(),
        Some((shift, unit)) => format!("{:.1} {unit}", bytes as f64 / f64::from(1_u32 << shift)),
        None => number(bytes, " B"),
    }
}

fn queue_flags(flags: QueueGroupFlags) -> String {
    words(flags.iter_names().map(|(name, _)| name))
}

fn access_caps(caps: AccessCaps) -> String {
    words(caps.iter_names().map(|(name, _)| name))
}

/// The names of flags in plain words.
fn words<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = names
        .map(|name| name.to_lowercase().replace('_', " "))
        .collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(", ")
    }
}
