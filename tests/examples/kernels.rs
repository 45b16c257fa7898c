//! The examples that run kernels, and the modules and files that they come with.

use super::{file, lines, refusal_of, run, run_with};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAMS: [&str; 3] = ["saxpy", "image", "heat"];

/// The setting of the CPU driver for its OpenCL runtime.
const OPENCL: &str = "LEVEL_ZERO_CPU_OPENCL";

/// As `.ci/run` asks for what must be there.
fn is_required(what: &str) -> bool {
    let required = std::env::var("ZE_AREA_REQUIRE").unwrap_or_default();
    required.split(',').any(|word| word.trim() == what)
}

/// Says, past the capture of the harness, what was left out.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Runs an example that must succeed; `None` where the CPU driver cannot run kernels.
fn success<const N: usize>(example: &str, arguments: [&OsStr; N]) -> Option<Output> {
    let output = run(example, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("scripts/install-opencl-cpu") {
        assert!(!is_required("opencl"), "{said}");
        say("skipped: no OpenCL runtime for processors: run scripts/install-opencl-cpu");
        return None;
    }
    assert!(output.status.success(), "{said}\n{:#?}", lines(&output));
    Some(output)
}

/// An empty folder for a program to write to.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

struct Picture {
    width: usize,
    height: usize,
    color: png::ColorType,
    levels: Vec<u8>,
}

impl Picture {
    fn read(file: &Path) -> Self {
        let bytes = File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let decoder = png::Decoder::new(BufReader::new(bytes));
        let mut reader = decoder.read_info().unwrap();
        let mut levels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut levels).unwrap();
        assert_eq!(frame.bit_depth, png::BitDepth::Eight);
        Self {
            width: frame.width as usize,
            height: frame.height as usize,
            color: frame.color_type,
            levels,
        }
    }

    fn pixel(&self, x: usize, y: usize) -> &[u8] {
        let samples = self.color.samples();
        let at = (y * self.width + x) * samples;
        &self.levels[at..at + samples]
    }

    /// The mean of the channel over the picture.
    fn mean(&self, channel: usize) -> f64 {
        let levels = self.levels.iter().skip(channel);
        let levels = levels.step_by(self.color.samples());
        levels.map(|level| f64::from(*level)).sum::<f64>() / (self.width * self.height) as f64
    }

    /// How much the first channel changes from one pixel to the next of a row, on the average.
    fn variation(&self) -> f64 {
        let level = |x: usize, y: usize| f64::from(self.pixel(x, y)[0]);
        let row = |y: usize| (1..self.width).map(move |x| (level(x, y) - level(x - 1, y)).abs());
        (0..self.height).flat_map(row).sum::<f64>() / (self.width * self.height) as f64
    }
}

#[test]
fn saxpy_prints_one_line() {
    let Some(output) = success("saxpy", []) else {
        return;
    };
    let lines = lines(&output);
    let [line] = &lines[..] else {
        panic!("{lines:#?}");
    };
    assert!(
        line.starts_with("1000000 elements as in plain Rust"),
        "{line}"
    );
}

#[test]
fn image_blurs_the_shipped_picture_and_finds_its_edges() {
    let folder = folder("card");
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/card.png");
    let Some(output) = success("image", [card.as_os_str(), folder.as_os_str()]) else {
        return;
    };
    let lines = lines(&output);
    for word in ["blur_rows", "blur_columns", "edges", "edges.png"] {
        assert!(
            lines.iter().any(|line| line.ends_with(word)),
            "{word}\n{lines:#?}"
        );
    }

    let card = Picture::read(&card);
    let blurred = Picture::read(&folder.join("blurred.png"));
    assert_eq!(
        (blurred.width, blurred.height, blurred.color),
        (320, 240, png::ColorType::Rgba)
    );
    for channel in 0..3 {
        let [before, after] = [card.mean(channel), blurred.mean(channel)];
        assert!((before - after).abs() < 1.0, "{before} became {after}");
    }
    assert_eq!(blurred.mean(3), 255.0);
    let [before, after] = [card.variation(), blurred.variation()];
    assert!(after < before / 2.0, "{before} became {after}");
    // Within a disc there is nothing to blur.
    assert_eq!(blurred.pixel(50, 50), [214, 69, 56, 255]);

    let edges = Picture::read(&folder.join("edges.png"));
    assert_eq!(
        (edges.width, edges.height, edges.color),
        (320, 240, png::ColorType::Grayscale)
    );
    // Within a disc, at its rim, and at the corner of a bar.
    assert_eq!(edges.pixel(50, 50), [0]);
    assert!(edges.pixel(16, 60)[0] > 100, "{:?}", edges.pixel(16, 60));
    assert!(edges.pixel(32, 180)[0] > 200, "{:?}", edges.pixel(32, 180));
    let mean = edges.mean(0);
    assert!((5.0..100.0).contains(&mean), "{mean}");
}

/// Writes a picture of 17 by 5 pixels, `bytes` for each.
fn png_file(color: png::ColorType, depth: png::BitDepth, bytes: usize) -> (PathBuf, Vec<u8>) {
    let mut data = Vec::new();
    let mut encoder = png::Encoder::new(&mut data, 17, 5);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        let palette: Vec<u8> = (0..=255).flat_map(|i| [i, 255 - i, i / 2]).collect();
        encoder.set_palette(palette);
    }
    let levels: Vec<u8> = (0..=255).cycle().step_by(7).take(17 * 5 * bytes).collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&levels).unwrap();
    writer.finish().unwrap();
    (file(&format!("{color:?}-{depth:?}.png"), data), levels)
}

#[test]
fn image_takes_grey_rgb_and_palettes_with_and_without_alpha() {
    use png::BitDepth::{Eight, Sixteen};
    use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    /// What a pixel is as red, green, blue and alpha.
    type ToRgba = fn(&[u8]) -> [u8; 4];
    let kinds: [(_, _, usize, ToRgba); 7] = [
        (Grayscale, Eight, 1, |p| [p[0], p[0], p[0], 255]),
        (GrayscaleAlpha, Eight, 2, |p| [p[0], p[0], p[0], p[1]]),
        (Rgb, Eight, 3, |p| [p[0], p[1], p[2], 255]),
        (Rgba, Eight, 4, |p| [p[0], p[1], p[2], p[3]]),
        (Indexed, Eight, 1, |p| [p[0], 255 - p[0], p[0] / 2, 255]),
        (Grayscale, Sixteen, 2, |p| [p[0], p[0], p[0], 255]),
        (Rgb, Sixteen, 6, |p| [p[0], p[2], p[4], 255]),
    ];
    for (color, depth, bytes, to_rgba) in kinds {
        let (file, levels) = png_file(color, depth, bytes);
        let folder = folder(&format!("{color:?}-{depth:?}"));
        // A blur over no pixels leaves all as they are.
        let radius = OsStr::new("0");
        let Some(_) = success("image", [file.as_os_str(), folder.as_os_str(), radius]) else {
            return;
        };
        let blurred = Picture::read(&folder.join("blurred.png"));
        let expected: Vec<u8> = levels.chunks(bytes).flat_map(to_rgba).collect();
        assert!(blurred.levels == expected, "{color:?}, {depth:?}");
        let edges = Picture::read(&folder.join("edges.png"));
        assert_eq!((edges.width, edges.height), (17, 5));
    }
}

#[test]
fn image_names_a_file_that_it_cannot_read_and_says_why() {
    let text = file("text.png", "no picture at all");
    let said = refusal_of("image", &text);
    assert!(said.contains("no PNG picture"), "{said}");

    let (whole, _) = png_file(png::ColorType::Rgb, png::BitDepth::Eight, 3);
    let whole = fs::read(whole).unwrap();
    refusal_of("image", &file("cut.png", &whole[..whole.len() - 30]));
    refusal_of("image", &file("empty.png", ""));
    refusal_of("image", &folder("missing.png"));
}

#[test]
fn arguments_that_make_no_sense_are_answered_with_the_usage() {
    let refused: [(&str, [&str; 3]); 5] = [
        ("image", ["card.png", "folder", "four"]),
        ("image", ["card.png", "folder", "101"]),
        ("heat", ["0", "10", "folder"]),
        ("heat", ["100000", "10", "folder"]),
        ("heat", ["10", "many", "folder"]),
    ];
    for (example, arguments) in refused {
        let output = run(example, arguments.map(OsStr::new));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("{example} [")), "{said}");
    }
    for example in ["image", "heat"] {
        let output = run(example, [OsStr::new("--help")]);
        assert!(output.status.success());
        assert!(lines(&output)[0].starts_with(example));
    }
}

#[test]
fn heat_spreads_over_the_plate_and_stays() {
    let heat = |steps: &str| {
        let folder = folder(&format!("heat-{steps}"));
        let arguments = [OsStr::new("67"), OsStr::new(steps), folder.as_os_str()];
        let output = success("heat", arguments)?;
        let lines = lines(&output);
        let line = lines.iter().find(|line| line.starts_with("heat: "));
        let line = line.unwrap_or_else(|| panic!("{lines:#?}"));
        let numbers: Vec<f64> = line.split(' ').filter_map(|w| w.parse().ok()).collect();
        let picture = Picture::read(&folder.join("heat.png"));
        assert_eq!(
            (picture.width, picture.height, picture.color),
            (67, 67, png::ColorType::Rgb)
        );
        Some((numbers, picture))
    };
    let (Some((cold, start)), Some((warm, spread))) = (heat("0"), heat("300")) else {
        return;
    };
    let [before, after] = warm[..] else {
        panic!("{warm:?}");
    };
    assert_eq!(cold, [before, before]);
    assert!((before - after).abs() < 0.01 * before, "{warm:?}");
    let warm_cells = |picture: &Picture| picture.levels.chunks(3).filter(|p| p[0] > 0).count();
    let [few, many] = [&start, &spread].map(warm_cells);
    assert!(many > 2 * few, "{few} warm cells became {many}");
    // The centre has cooled; the corner keeps its heat the longest, since the rim holds it.
    assert_eq!(start.pixel(30, 33), [255, 255, 255]);
    assert!(spread.pixel(30, 33)[2] < 255, "{:?}", spread.pixel(30, 33));
    assert_eq!(start.pixel(66, 0), [255, 255, 255]);
    assert!(spread.pixel(66, 0)[1] > 200, "{:?}", spread.pixel(66, 0));
}

#[test]
fn without_the_opencl_runtime_programs_say_what_to_install() {
    let environment = [("ZE_AREA_DRIVER", "cpu"), (OPENCL, "/nowhere.so")];
    for example in PROGRAMS {
        let output = run_with(example, [], &environment);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(last.contains("scripts/install-opencl-cpu"), "{said}");
    }
}

/// Intel's driver without hardware: it compiles and takes launches, but does not carry them out.
const INTEL: [(&str, &str); 10] = [
    ("ZE_AREA_DRIVER", "system"),
    ("NEOReadDebugKeys", "1"),
    ("SetCommandStreamReceiver", "1"),
    ("ProductFamilyOverride", "dg1"),
    ("AUBDumpCaptureFileName", "/dev/null"),
    ("ExperimentalCopyThroughLock", "1"),
    ("ExperimentalH2DCpuCopyThreshold", "1073741824"),
    ("ExperimentalD2HCpuCopyThreshold", "1073741824"),
    ("ZE_ENABLE_VALIDATION_LAYER", "1"),
    ("ZE_ENABLE_PARAMETER_VALIDATION", "1"),
];

#[test]
fn intels_driver_compiles_and_launches_every_kernel_of_the_examples() {
    let devices = lines(&run_with("devices", [], &INTEL));
    if !devices.iter().any(|line| line.contains("Intel(R)")) {
        assert!(!is_required("intel"), "{devices:#?}");
        say("skipped: intel: no driver of Intel's: apt-get install libze1 intel-opencl-icd");
        return;
    }
    let folder = folder("intel");
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/card.png");
    let outputs = [
        run_with("saxpy", [], &INTEL),
        run_with("image", [card.as_os_str(), folder.as_os_str()], &INTEL),
        run_with("heat", [OsStr::new("64"), OsStr::new("10")], &INTEL),
    ];
    for output in outputs {
        // All that can fail is past, but for the comparison, which must.
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("plain Rust"), "{said}");
    }
}

#[test]
fn the_modules_of_the_examples_are_made_of_their_sources() {
    for tool in ["clang-14", "llvm-spirv-14", "spirv-val"] {
        if !Command::new(tool)
            .arg("--version")
            .output()
            .is_ok_and(|it| it.status.success())
        {
            say(&format!(
                "unchecked: modules of the examples, without {tool}"
            ));
            return;
        }
    }
    let made = folder("modules");
    fs::create_dir_all(&made).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kernels");
    let output = Command::new(kept.join("build"))
        .arg(&made)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut modules = 0;
    for entry in fs::read_dir(&kept).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() == Some(OsStr::new("spv")) {
            let name = path.file_name().unwrap();
            let same = fs::read(&path).unwrap() == fs::read(made.join(name)).unwrap();
            assert!(same, "{name:?}: run examples/kernels/build");
            modules += 1;
        }
    }
    assert_eq!(modules, fs::read_dir(&made).unwrap().count());
}
