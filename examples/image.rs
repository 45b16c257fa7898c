//! Blurs a picture and finds its edges, by kernels over a grid of two dimensions.
//!
//! ```text
//! cargo run --release --features cpu --example image [PICTURE.png [FOLDER [RADIUS]]]
//! ```
//!
//! Upload, blur, edges and download are one chain of asynchronous work; the picture goes up once, and
//! what lies between the kernels never leaves the device. Each result is compared with plain Rust.
//! The kernels are `examples/kernels/image.cl`, compiled to SPIR-V by `examples/kernels/build`.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use ze_area::{Context, Grid, In, Kernel, Launch, Module, Out, Profile};

const DEFAULT_PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/card.png");
const DEFAULT_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/image");
const DEFAULT_RADIUS: u8 = 4;
const LARGEST_RADIUS: u8 = 100;

/// How far a level of a result, 0 to 255, may be from that of plain Rust: a compiler may make a
/// multiplication and an addition one, which rounds once less.
const TOLERANCE: u8 = 1;

const USAGE: &str = "\
image [PICTURE.png [FOLDER [RADIUS]]]: blurs a picture over RADIUS pixels (4), finds its edges, and
writes FOLDER/blurred.png and FOLDER/edges.png";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let path = |index: usize, default: &str| {
        let given = arguments.get(index);
        given.map_or_else(|| PathBuf::from(default), PathBuf::from)
    };
    let radius = match arguments.get(2) {
        None => Some(DEFAULT_RADIUS),
        Some(radius) => radius.to_str().and_then(|radius| radius.parse().ok()),
    };
    let Some(radius) = radius.filter(|radius| *radius <= LARGEST_RADIUS) else {
        eprintln!("image: the radius is a number from 0 to {LARGEST_RADIUS}\n\n{USAGE}");
        return ExitCode::from(2);
    };
    match run(&path(0, DEFAULT_PICTURE), &path(1, DEFAULT_FOLDER), radius) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path, folder: &Path, radius: u8) -> Result<(), Box<dyn Error>> {
    let picture = Picture::read(file)?;
    println!(
        "{}: {} x {} pixels",
        file.display(),
        picture.width,
        picture.height
    );
    let weights = gauss(radius);
    let (blurred, edges, profile) = on_the_device(&picture, radius.into(), &weights)?;
    println!("\n{profile}\n");

    compare("blurred", &blurred, &plain::blur(&picture, &weights))?;
    let blurred = Picture {
        pixels: blurred,
        ..picture
    };
    compare("edges", &edges, &plain::edges(&blurred))?;

    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let Picture { pixels, .. } = &blurred;
    blurred.write(&folder.join("blurred.png"), png::ColorType::Rgba, pixels)?;
    blurred.write(&folder.join("edges.png"), png::ColorType::Grayscale, &edges)
}

/// The blurred picture, its edges, and when each step ran.
fn on_the_device(
    picture: &Picture,
    radius: u32,
    weights: &[f32],
) -> ze_area::Result<(Vec<u8>, Vec<u8>, Profile)> {
    let context = Context::new()?;
    let gpu = context.first_device()?;
    let queue = context.queue(gpu)?;
    let module = context
        .module(gpu)
        .spirv(include_bytes!("kernels/image.spv"))?;
    let kernels = Kernels::new(&module)?;

    let &Picture { width, height, .. } = picture;
    // Rounded up to whole groups; the kernels leave out the items beyond the picture.
    let grid = Grid::from([width as usize, height as usize])
        .group_size([16, 4])
        .padded();
    let pixels = width as usize * height as usize;
    let area = context.device_area(gpu);
    let mut source = area.mmap::<u8>(4 * pixels)?;
    let mut between = area.mmap::<f32>(4 * pixels)?;
    let mut blurred = area.mmap::<u8>(4 * pixels)?;
    let mut edges = area.mmap::<u8>(pixels)?;
    let weights = area.mmap_from_slice(weights)?;
    let mut blurred_out = vec![0; 4 * pixels];
    let mut edges_out = vec![0; pixels];

    // Nothing in here waits: each step starts when what it reads is there.
    let ((), profile) = queue.profile(|q| {
        let picture = q.lend(&picture.pixels);
        let weights = q.lend(&weights);
        let mut source = q.lend_mut(&mut source);
        let mut between = q.lend_mut(&mut between);
        let mut blurred = q.lend_mut(&mut blurred);
        let mut edges = q.lend_mut(&mut edges);
        let mut blurred_out = q.lend_mut(&mut blurred_out);
        let mut edges_out = q.lend_mut(&mut edges_out);

        q.copy(&picture, &mut source)?;
        let rows = (&source, &mut between, &weights, radius, width, height);
        q.launch(&kernels.blur_rows, grid, rows)?;
        let columns = (&between, &mut blurred, &weights, radius, width, height);
        q.launch(&kernels.blur_columns, grid, columns)?;
        q.launch(&kernels.edges, grid, (&blurred, &mut edges, width, height))?;
        q.copy(&blurred, &mut blurred_out)?;
        q.copy(&edges, &mut edges_out)
    })?;
    Ok((blurred_out, edges_out, profile))
}

/// `blur_rows` and `blur_columns`: `(source, target, weights, radius, width, height)`
type Blur<S, T> = Kernel<(In<S>, Out<T>, In<f32>, u32, u32, u32)>;

/// `edges(source, target, width, height)`
type Edges = Kernel<(In<u8>, Out<u8>, u32, u32)>;

struct Kernels {
    blur_rows: Blur<u8, f32>,
    blur_columns: Blur<f32, u8>,
    edges: Edges,
}

impl Kernels {
    fn new(module: &Module) -> ze_area::Result<Self> {
        /// Whether the lengths of a blur's buffers are those that its size and radius make.
        fn blur(launch: &Launch<'_>) -> bool {
            let weights = launch.value::<u32>(3).map(|radius| 2 * radius as usize + 1);
            are_pictures(launch, 4, [4, 4]) && weights.is_some() && launch.len(2) == weights
        }
        // SAFETY: these are its arguments in `examples/kernels/image.cl`. It writes the pixel of its
        // item in the second one, and reads no pixels or weights beyond those that it is told of,
        // which are there: that is the rule.
        let blur_rows = unsafe { module.kernel_where("blur_rows", blur) }?;
        // SAFETY: as of `blur_rows`.
        let blur_columns = unsafe { module.kernel_where("blur_columns", blur) }?;
        let edges = |launch: &Launch<'_>| are_pictures(launch, 2, [4, 1]);
        // SAFETY: as of `blur_rows`, without weights.
        let edges = unsafe { module.kernel_where("edges", edges) }?;
        Ok(Self {
            blur_rows,
            blur_columns,
            edges,
        })
    }
}

/// Whether arguments 0 and 1 have as many elements as a picture with that many for each pixel, whose
/// width and height are the arguments `size` and `size + 1`; and whether no two items share a pixel.
fn are_pictures(launch: &Launch<'_>, size: usize, elements: [usize; 2]) -> bool {
    let are = || {
        let width = launch.value::<u32>(size)? as usize;
        let height = launch.value::<u32>(size + 1)? as usize;
        let pixels = width.checked_mul(height)?;
        let lens = elements.map(|elements| pixels.checked_mul(elements));
        let [_, _, depth] = launch.global_size();
        Some(depth == 1 && [Some(launch.len(0)?), Some(launch.len(1)?)] == lens)
    };
    are().unwrap_or(false)
}

/// The weights of Gauss's bell from `-radius` to `radius`, twice its standard deviation; their sum is 1.
fn gauss(radius: u8) -> Vec<f32> {
    let deviation = f32::from(radius.max(1)) / 2.0;
    let radius = i16::from(radius);
    let bell = |x: i16| (-0.5 * (f32::from(x) / deviation).powi(2)).exp();
    let sum: f32 = (-radius..=radius).map(bell).sum();
    (-radius..=radius).map(|x| bell(x) / sum).collect()
}

/// The same in plain Rust.
mod plain {
    use super::Picture;

    /// The `k`th of the rows or columns around `at`, from `radius` before it to `radius` after, or the
    /// one at the edge where that is beyond.
    fn around(at: usize, k: usize, radius: usize, size: u32) -> usize {
        (at + k).saturating_sub(radius).min(size as usize - 1)
    }

    pub(super) fn blur(picture: &Picture, weights: &[f32]) -> Vec<u8> {
        let Picture { width, height, .. } = *picture;
        let radius = weights.len() / 2;
        let stride = 4 * width as usize;
        let mut rows = vec![0.0; picture.pixels.len()];
        for (i, sum) in rows.iter_mut().enumerate() {
            let (y, x, channel) = (i / stride, i % stride / 4, i % 4);
            for (k, weight) in weights.iter().enumerate() {
                let x = around(x, k, radius, width);
                *sum += weight * f32::from(picture.pixels[y * stride + 4 * x + channel]);
            }
        }
        let column = |i: usize| {
            let (y, rest) = (i / stride, i % stride);
            let mut sum = 0.0;
            for (k, weight) in weights.iter().enumerate() {
                sum += weight * rows[around(y, k, radius, height) * stride + rest];
            }
            level(sum)
        };
        (0..rows.len()).map(column).collect()
    }

    pub(super) fn edges(picture: &Picture) -> Vec<u8> {
        let Picture { width, height, .. } = *picture;
        let pixel = |i: usize| {
            let (x, y) = (i % width as usize, i / width as usize);
            let bright = |column: usize, row: usize| {
                let (x, y) = (around(x, column, 1, width), around(y, row, 1, height));
                let pixel = &picture.pixels[4 * (y * width as usize + x)..];
                let [r, g, b] = [0, 1, 2].map(|channel| f32::from(pixel[channel]));
                0.2126 * r + 0.7152 * g + 0.0722 * b
            };
            let (mut across, mut down) = (0.0_f32, 0.0_f32);
            for (k, weight) in [1.0, 2.0, 1.0].into_iter().enumerate() {
                across += weight * (bright(2, k) - bright(0, k));
                down += weight * (bright(k, 2) - bright(k, 0));
            }
            level((across * across + down * down).sqrt())
        };
        (0..picture.pixels.len() / 4).map(pixel).collect()
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "`as` takes what is beyond the end to the end"
    )]
    fn level(value: f32) -> u8 {
        value.round_ties_even() as u8
    }
}

fn compare(what: &str, found: &[u8], expected: &[u8]) -> Result<(), Box<dyn Error>> {
    let pairs = found.iter().zip(expected);
    let farthest = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    if farthest > TOLERANCE {
        return Err(format!("{what}: {farthest} levels from plain Rust, of 255").into());
    }
    println!("{what}: at most {farthest} of 255 levels from plain Rust");
    Ok(())
}

/// A picture of red, green, blue and alpha, row after row from the top.
struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    fn read(file: &Path) -> Result<Self, Box<dyn Error>> {
        let name = file.display();
        let in_file = |error| match error {
            png::DecodingError::Format(error) => format!("{name}: no PNG picture: {error}"),
            error => format!("{name}: {error}"),
        };
        let bytes = File::open(file).map_err(|error| format!("{name}: {error}"))?;
        let mut decoder = png::Decoder::new(BufReader::new(bytes));
        // Of palettes, 16 bits and fewer than 8 it makes 8 bits, and adds alpha.
        decoder.set_transformations(png::Transformations::ALPHA | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().map_err(in_file)?;
        let size = reader.output_buffer_size();
        let size = size.ok_or_else(|| format!("{name}: larger than memory"))?;
        let mut pixels = vec![0; size];
        let frame = reader.next_frame(&mut pixels).map_err(in_file)?;
        let pixels = match frame.color_type {
            png::ColorType::Rgba => pixels,
            png::ColorType::GrayscaleAlpha => {
                let grey = pixels.chunks_exact(2);
                grey.flat_map(|p| [p[0], p[0], p[0], p[1]]).collect()
            }
            other => {
                let kinds = "grey, RGB and RGBA are read";
                return Err(format!("{name}: pixels are {other:?}: {kinds}").into());
            }
        };
        Ok(Self {
            width: frame.width,
            height: frame.height,
            pixels,
        })
    }

    /// Writes levels for a picture of this size, and says where.
    fn write(
        &self,
        file: &Path,
        color: png::ColorType,
        levels: &[u8],
    ) -> Result<(), Box<dyn Error>> {
        let name = file.display();
        let out = File::create(file).map_err(|error| format!("{name}: {error}"))?;
        let mut encoder = png::Encoder::new(BufWriter::new(out), self.width, self.height);
        encoder.set_color(color);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(levels)?;
        writer.finish()?;
        println!("{name}");
        Ok(())
    }
}
