//! Plots as SVG, small, and for light and dark pages: no background, and colours that stand out from
//! both.

use crate::contender::{Failure, Who};
use crate::job::{LIVE, PLACEMENTS, size};
use crate::measure::{Cell, Row};
use crate::pattern::Pattern;
use std::fmt::Write;
use std::path::Path;
use ze_area::PlacementKind;

/// A panel for each placement, side by side.
const PANEL: (f64, f64) = (250.0, 230.0);
/// Room to the left of a panel's frame, above it, and below.
const LEFT: f64 = 58.0;
const TOP: f64 = 78.0;
const BOTTOM: f64 = 26.0;
const STYLE: &str = "text{font:11px sans-serif;fill:#808080}.t{font-size:13px;font-weight:bold}\
    .g{stroke:#808080;stroke-opacity:.3}.f{fill:none;stroke:#808080}\
    .l{fill:none;stroke-width:1.8}.d{fill:none;stroke-dasharray:4 3}.e{text-anchor:end}.m{text-anchor:middle}";

/// One file.
struct Plot<'r> {
    title: &'r str,
    rows: Vec<&'r Row>,
    /// What is shown of a cell.
    value: fn(&Cell) -> Option<f64>,
    /// What a value is called on the axis.
    unit: fn(f64) -> String,
    /// How many times one line of the grid is the one below.
    step: f64,
    /// What the buffers have themselves, where it is shown.
    payload: Option<fn(&Row) -> f64>,
}

/// Writes a file for each pattern that was measured over sizes.
pub(crate) fn write(folder: &Path, rows: &[Row]) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let held = format!("Driver memory, {LIVE} live (hold, 1 thread)");
    for (name, threads, file, title) in [
        ("pair", 1, "pair.svg", "Allocate and free one, 1 thread"),
        ("pair", 2, "pair-2.svg", "Allocate and free one, 2 threads"),
        (
            "hold",
            1,
            "hold.svg",
            "Free all and allocate again, 1 thread",
        ),
        (
            "hold",
            2,
            "hold-2.svg",
            "Free all and allocate again, 2 threads",
        ),
        ("hold", 1, "memory.svg", &held),
    ] {
        let is_memory = file == "memory.svg";
        let rows = rows.iter();
        let plot = Plot {
            title,
            rows: rows
                .filter(|row| (row.job.name, row.job.threads) == (name, threads))
                .collect(),
            value: if is_memory { memory } else { Cell::nanos },
            unit: if is_memory { bytes } else { time },
            step: if is_memory { 16.0 } else { 10.0 },
            payload: is_memory.then_some(payload),
        };
        if let Some(text) = plot.draw() {
            let path = folder.join(file);
            std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

/// mimalloc's is not the driver's.
fn memory(cell: &Cell) -> Option<f64> {
    let is_shown = cell.who != Who::Mimalloc && cell.rounds.is_ok();
    is_shown.then_some(cell.peak as f64)
}

fn payload(row: &Row) -> f64 {
    match row.job.pattern {
        Pattern::Hold { bytes, live, .. } => (bytes * live) as f64,
        _ => row.job.working_set() as f64,
    }
}

fn bytes(value: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of bytes"
    )]
    let value = value as usize;
    size(value)
}

fn time(nanos: f64) -> String {
    match nanos {
        nanos if nanos < 1e3 => format!("{nanos} ns"),
        nanos if nanos < 1e6 => format!("{} µs", nanos / 1e3),
        nanos => format!("{} ms", nanos / 1e6),
    }
}

fn color(who: Who) -> &'static str {
    match who {
        Who::Mimalloc => "#8a8a8a",
        Who::Raw => "#d1495b",
        Who::Area => "#e08a3c",
        Who::UmfSycl => "#3d7fd6",
        Who::Umf => "#4fb3d9",
        Who::Pool => "#2e9e5b",
        Who::PoolKept | Who::Nobody => "#8fbf3f",
    }
}

impl Plot<'_> {
    /// The file, where there is something to show.
    fn draw(&self) -> Option<String> {
        let cells = self.rows.iter().flat_map(|row| &row.cells);
        let values = cells.filter_map(self.value);
        let payloads = self
            .payload
            .map(|payload| self.rows.iter().map(move |row| payload(row)));
        let values = values.chain(payloads.into_iter().flatten());
        let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        if least >= most || least <= 0.0 {
            return None;
        }
        let axis = Axis {
            step: self.step,
            low: least.log(self.step).floor(),
            high: most.log(self.step).ceil(),
        };
        let placements: Vec<PlacementKind> = PLACEMENTS
            .into_iter()
            .filter(|&of| self.rows.iter().any(|row| row.job.placement == of))
            .collect();
        let width = (PANEL.0 + LEFT) * placements.len() as f64 + 12.0;
        let height = TOP + PANEL.1 + BOTTOM;
        let mut svg = Svg(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\"><style>{STYLE}</style>\n"
        ));
        svg.text("t", 8.0, 18.0, self.title);
        self.legend(&mut svg);
        for (index, placement) in placements.into_iter().enumerate() {
            let left = index as f64 * (PANEL.0 + LEFT) + LEFT;
            self.panel(&mut svg, &axis, placement, left);
        }
        svg.0.push_str("</svg>\n");
        Some(svg.0)
    }

    fn legend(&self, svg: &mut Svg) {
        let mut x = 8.0;
        for who in Who::COLUMNS {
            let mut cells = self.rows.iter().filter_map(|row| row.cell(who));
            if !cells.any(|cell| (self.value)(cell).is_some()) {
                continue;
            }
            svg.line(color(who), &[(x, 36.0), (x + 14.0, 36.0)]);
            svg.text("", x + 18.0, 40.0, who.name());
            x += 34.0 + 6.5 * who.name().len() as f64;
        }
        if self.payload.is_some() {
            svg.dashes(&[(x, 36.0), (x + 14.0, 36.0)]);
            svg.text("", x + 18.0, 40.0, "the buffers themselves");
        }
    }

    fn panel(&self, svg: &mut Svg, axis: &Axis, placement: PlacementKind, left: f64) {
        let rows = || {
            self.rows
                .iter()
                .filter(|row| row.job.placement == placement)
        };
        let name = placement.to_string();
        svg.text("m", left + PANEL.0 / 2.0, TOP - 8.0, &name);
        for value in axis.lines() {
            let y = axis.y(value);
            svg.raw(format_args!(
                "<path class=\"g\" d=\"M{left} {y:.1}h{}\"/>\n",
                PANEL.0
            ));
            svg.text("e", left - 5.0, y + 4.0, &(self.unit)(value));
        }
        svg.raw(format_args!(
            "<rect class=\"f\" x=\"{left}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/>\n",
            PANEL.0, PANEL.1
        ));
        let count = rows().count() as f64;
        let x = |index: usize| left + PANEL.0 * (index as f64 + 0.5) / count;
        for (index, row) in rows().enumerate() {
            let y = TOP + PANEL.1 + 16.0;
            svg.text("m", x(index), y, &size(row.job.scale));
        }
        for who in Who::COLUMNS {
            let points: Vec<(f64, f64)> = rows()
                .enumerate()
                .filter_map(|(index, row)| {
                    let value = (self.value)(row.cell(who)?)?;
                    Some((x(index), axis.y(value)))
                })
                .collect();
            svg.line(color(who), &points);
        }
        if let Some(payload) = self.payload {
            let points = rows().enumerate();
            let points = points.map(|(index, row)| (x(index), axis.y(payload(row))));
            svg.dashes(&points.collect::<Vec<_>>());
        }
    }
}

/// A logarithmic axis, over whole powers of its step.
struct Axis {
    step: f64,
    low: f64,
    high: f64,
}

impl Axis {
    fn y(&self, value: f64) -> f64 {
        let part = (value.log(self.step) - self.low) / (self.high - self.low);
        TOP + PANEL.1 * (1.0 - part)
    }

    /// The values of its lines.
    fn lines(&self) -> impl Iterator<Item = f64> {
        let Self { step, low, high } = *self;
        (0..32)
            .map(move |line| low + f64::from(line))
            .take_while(move |&power| power <= high)
            .map(move |power| step.powf(power).round())
    }
}

/// The text of a file.
struct Svg(String);

impl Svg {
    fn raw(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _: std::fmt::Result = self.0.write_fmt(text);
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        self.raw(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>\n"
        ));
    }

    /// A line through the points, with a dot at each.
    fn line(&mut self, color: &str, points: &[(f64, f64)]) {
        self.path("l", color, points);
        for (x, y) in points {
            self.raw(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.4\" fill=\"{color}\"/>\n"
            ));
        }
    }

    /// A broken line through the points.
    fn dashes(&mut self, points: &[(f64, f64)]) {
        self.path("d", "#808080", points);
    }

    fn path(&mut self, class: &str, color: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (x, y) in points {
            let _: std::fmt::Result = write!(path, "{x:.1},{y:.1} ");
        }
        self.raw(format_args!(
            "<polyline class=\"{class}\" stroke=\"{color}\" points=\"{}\"/>\n",
            path.trim_end()
        ));
    }
}
