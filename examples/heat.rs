//! Heat that spreads over a plate: a thousand launches on two buffers that take turns.
//!
//! ```text
//! cargo run --release --features cpu --example heat [SIZE [STEPS [FOLDER]]]
//! ```
//!
//! The plate has SIZE by SIZE cells, and its rim lets nothing through, so that the heat in all stays
//! the same: that is checked, and a small plate is compared with plain Rust, cell by cell. The kernel
//! is `examples/kernels/heat.cl`, compiled to SPIR-V by `examples/kernels/build`.

use indicatif::{ProgressBar, ProgressStyle};
use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use ze_area::{Context, Grid, In, Kernel, Launch, Out, Queue};

const DEFAULT_SIZE: u32 = 512;
const DEFAULT_STEPS: u32 = 1000;
const DEFAULT_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/heat");
const LARGEST_SIZE: u32 = 16_384;

/// What part of a difference in heat goes to a neighbour in one step. Up to 0.25 is stable.
const RATE: f32 = 0.2;

/// The progress is shown every so many steps.
const STEPS_AT_ONCE: u32 = 50;

const USAGE: &str = "\
heat [SIZE [STEPS [FOLDER]]]: spreads heat over a plate of SIZE by SIZE cells (512) in STEPS (1000),
and writes FOLDER/heat.png";

/// `step_heat(now, next, rate, width, height)`
type StepHeat = Kernel<(In<f32>, Out<f32>, f32, u32, u32)>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let number = |index: usize, default| match arguments.get(index) {
        None => Some(default),
        Some(number) => number
            .to_str()
            .and_then(|number| number.parse::<u32>().ok()),
    };
    let size = number(0, DEFAULT_SIZE).filter(|size| (1..=LARGEST_SIZE).contains(size));
    let (Some(size), Some(steps)) = (size, number(1, DEFAULT_STEPS)) else {
        eprintln!("heat: SIZE is 1 to {LARGEST_SIZE}, STEPS a number\n\n{USAGE}");
        return ExitCode::from(2);
    };
    let folder = arguments
        .get(2)
        .map_or(PathBuf::from(DEFAULT_FOLDER), PathBuf::from);
    match run(size, steps, &folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(size: u32, steps: u32, folder: &Path) -> Result<(), Box<dyn Error>> {
    let context = Context::new()?;
    let gpu = context.first_device()?;
    let queue = context.queue(gpu)?;
    let module = context
        .module(gpu)
        .spirv(include_bytes!("kernels/heat.spv"))?;
    // SAFETY: the signature is that of `examples/kernels/heat.cl`. It writes the cell of each item in
    // `next` only and reads cells of `now`, where both are plates of the size that it is told, which the
    // rule sees to.
    let kernel: StepHeat = unsafe { module.kernel_where("step_heat", are_plates) }?;
    println!("{size} x {size} cells on {}", gpu.name());

    let start = Plate::new(47, 31);
    let spread = start.spread(&queue, &kernel, 100, |_| {})?;
    let farthest = spread.farthest_from(&start.spread_plainly(100));
    // Not a number is greater than all.
    if farthest.total_cmp(&1e-5).is_gt() {
        return Err(format!("a small plate is {farthest:e} from plain Rust").into());
    }
    println!("a small plate is at most {farthest:e} from plain Rust");

    let start = Plate::new(size, size);
    let bar = ProgressBar::new(steps.into());
    if let Ok(style) = ProgressStyle::with_template("{bar:50} {pos} of {len} steps, {eta} left") {
        bar.set_style(style);
    }
    let begun = Instant::now();
    let spread = start.spread(&queue, &kernel, steps, |done| bar.set_position(done.into()))?;
    let seconds = begun.elapsed().as_secs_f64();
    bar.finish_and_clear();
    println!(
        "{steps} steps in {seconds:.2} s, {:.0} steps/s",
        f64::from(steps) / seconds
    );

    let [before, after] = [start.heat(), spread.heat()];
    // Each step rounds each cell by less than twice the precision.
    let rounding = 2.0 * f64::from(f32::EPSILON) * (f64::from(steps) + 1.0);
    let change = (after - before).abs();
    if change.total_cmp(&(rounding * before)).is_gt() {
        return Err(format!("heat was lost or found: {before:.3} before, {after:.3} after").into());
    }
    println!("heat: {before:.3} before, {after:.3} after");
    let file = folder.join("heat.png");
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let written = spread.write(&file);
    written.map_err(|error| format!("{}: {error}", file.display()))?;
    println!("{}", file.display());
    Ok(())
}

/// Whether arguments 0 and 1 have an element for each cell of a plate whose width and height are the
/// arguments 3 and 4; and whether no two items share a cell.
fn are_plates(launch: &Launch<'_>) -> bool {
    let sizes = launch.value::<u32>(3).zip(launch.value::<u32>(4));
    let cells = sizes.and_then(|(w, h)| (w as usize).checked_mul(h as usize));
    let [_, _, depth] = launch.global_size();
    depth == 1 && cells.is_some() && launch.len(0) == cells && launch.len(1) == cells
}

/// How warm each cell is, row after row.
struct Plate {
    width: u32,
    height: u32,
    cells: Vec<f32>,
}

impl Plate {
    /// A hot ring and two hot discs, one of them at the rim.
    fn new(width: u32, height: u32) -> Self {
        let cell = |x: u32, y: u32| {
            let from = |cx: f32, cy: f32| {
                let [x, y] = [x as f32 / width as f32 - cx, y as f32 / height as f32 - cy];
                x.hypot(y)
            };
            let ring = (0.24..0.3).contains(&from(0.45, 0.5));
            let hot = ring || from(0.45, 0.5) < 0.07 || from(0.95, 0.1) < 0.12;
            if hot { 1.0 } else { 0.0 }
        };
        let row = |y: u32| (0..width).map(move |x| cell(x, y));
        Self {
            width,
            height,
            cells: (0..height).flat_map(row).collect(),
        }
    }

    /// The plate some steps later, by the device. `progress` is told how many steps are done.
    fn spread(
        &self,
        queue: &Queue,
        kernel: &StepHeat,
        steps: u32,
        progress: impl Fn(u32),
    ) -> ze_area::Result<Self> {
        let &Self { width, height, .. } = self;
        let grid = Grid::from([width as usize, height as usize])
            .group_size([16, 4])
            .padded();
        let area = queue.context().device_area(queue.device());
        let mut now = area.mmap_from_slice(&self.cells)?;
        let mut next = area.mmap::<f32>(self.cells.len())?;
        let mut cells = vec![0.0; self.cells.len()];
        queue.scope(|q| {
            let mut now = q.lend_mut(&mut now);
            let mut next = q.lend_mut(&mut next);
            let mut cells = q.lend_mut(&mut cells);
            for step in 1..=steps {
                // A step waits on the device for the one before, the host goes on at once ...
                q.launch(kernel, grid, (&now, &mut next, RATE, width, height))?;
                mem::swap(&mut now, &mut next);
                // ... but to say how far it is.
                if step % STEPS_AT_ONCE == 0 {
                    q.wait()?;
                    progress(step);
                }
            }
            q.copy(&now, &mut cells)
        })?;
        Ok(Self { cells, ..*self })
    }

    /// The same in plain Rust.
    fn spread_plainly(&self, steps: u32) -> Self {
        let [width, height] = [self.width as usize, self.height as usize];
        let mut now = self.cells.clone();
        for _ in 0..steps {
            let cell = |i: usize| {
                let [x, y] = [i % width, i / width];
                let left = now[if x > 0 { i - 1 } else { i }];
                let right = now[if x + 1 < width { i + 1 } else { i }];
                let above = now[if y > 0 { i - width } else { i }];
                let below = now[if y + 1 < height { i + width } else { i }];
                now[i] + RATE * (left + right + above + below - 4.0 * now[i])
            };
            now = (0..width * height).map(cell).collect();
        }
        Self {
            cells: now,
            ..*self
        }
    }

    /// The heat of all cells.
    fn heat(&self) -> f64 {
        self.cells.iter().copied().map(f64::from).sum()
    }

    /// The largest difference of a cell.
    fn farthest_from(&self, other: &Self) -> f32 {
        let pairs = self.cells.iter().zip(&other.cells);
        let differences = pairs.map(|(a, b)| (a - b).abs());
        differences.max_by(f32::total_cmp).unwrap_or(0.0)
    }

    /// Writes a picture: black is cold, then red and yellow, and white is the warmest cell.
    fn write(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let warmest = self.cells.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "`as` takes what is beyond the end to the end"
        )]
        let colour = |cell: &f32| {
            let heat = 3.0 * cell / warmest;
            [heat, heat - 1.0, heat - 2.0].map(|level| (255.0 * level) as u8)
        };
        let levels: Vec<u8> = self.cells.iter().flat_map(colour).collect();
        let out = BufWriter::new(File::create(file)?);
        let mut encoder = png::Encoder::new(out, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&levels)?;
        writer.finish()?;
        Ok(())
    }
}
