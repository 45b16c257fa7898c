//! What the picture draws as one rectangle: a slab, or several that are too small to see.

use super::figures::{Bytes, Count, Px, scaled};
use super::svg::Xml;
use super::{SlabMap, SlotState, SpareMap, Tally, plus};
use core::fmt;

/// The least width of a column, in tenths of a pixel: more slots than fit share one.
const LEAST_COLUMN: usize = 25;
/// The least width of a slot that is drawn apart from its neighbours.
const LEAST_APART: usize = 60;
/// What stays visible of a part of a column, however small, and of what it leaves.
const LEAST_LEVEL: usize = 10;

/// One rectangle of the picture.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    /// What its tooltip says.
    title: String,
    bytes: usize,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    /// A slab.
    Slots(&'a SlabMap),
    /// Several slabs: the bytes of their slots by state.
    Slabs([usize; 3]),
    /// Slabs without slots.
    Spare,
}

/// Where a cell is drawn, in tenths of a pixel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl<'a> Cell<'a> {
    /// The cells of slabs of one class: several slabs are one cell until that has `enough` bytes.
    pub(super) fn of_slabs(slabs: &'a [SlabMap], enough: impl Fn(usize) -> bool) -> Vec<Self> {
        let runs = runs(slabs, SlabMap::bytes, enough);
        runs.into_iter().map(Self::of_run).collect()
    }

    fn of_run(run: &'a [SlabMap]) -> Self {
        let tally = Tally::of(run);
        let (first, slabs) = (&run[0], Count(run.len(), "slab"));
        let (address, bytes) = (first.address, Bytes(tally.bytes));
        let [live, cached, free] = tally.slots;
        Self {
            title: format!(
                "{address:#x}: {slabs}, {bytes}, {:#} slots: {live} live, {cached} cached, {free} free",
                Bytes(first.slot_bytes)
            ),
            bytes: tally.bytes,
            content: match run {
                [slab] => Content::Slots(slab),
                _ => Content::Slabs(tally.slot_bytes),
            },
        }
    }

    /// The cells of slabs without slots.
    pub(super) fn of_spare(slabs: &[SpareMap], enough: impl Fn(usize) -> bool) -> Vec<Self> {
        let cell = |run: &[SpareMap]| {
            let bytes = run.iter().map(SpareMap::bytes).fold(0, plus);
            let (address, slabs) = (run[0].address, Count(run.len(), "slab"));
            Self {
                title: format!("{address:#x}: {slabs}, {}, spare", Bytes(bytes)),
                bytes,
                content: Content::Spare,
            }
        };
        let runs = runs(slabs, SpareMap::bytes, enough);
        runs.into_iter().map(cell).collect()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it is several slabs.
    pub(super) const fn is_merged(&self) -> bool {
        matches!(self.content, Content::Slabs(_))
    }

    /// Draws it with its tooltip.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, place: Place) -> fmt::Result {
        write!(f, "<g><title>{}</title>", Xml(&self.title))?;
        match self.content {
            Content::Spare => write_path(f, "k", &rectangle(place))?,
            Content::Slabs(states) => self.write_columns(f, place, &[states], 1, 1)?,
            Content::Slots(slab) => {
                let all = slab.slots.len();
                let width = self.used(place);
                let each = all.div_ceil((width / LEAST_COLUMN).max(1)).max(1);
                let count = |slots: &[SlotState]| {
                    SlotState::ALL.map(|state| slots.iter().filter(|&&slot| slot == state).count())
                };
                let columns: Vec<_> = slab.slots.chunks(each).map(count).collect();
                self.write_columns(f, place, &columns, each, all)?;
                if all > 1 && width / all >= LEAST_APART {
                    let Place { x, y, height, .. } = place;
                    let line = |slot| {
                        let x = x + scaled(slot, all, width);
                        format!("M{} {}v{}", Px(x), Px(y), Px(height))
                    };
                    write_path(f, "s", &(1..all).map(line).collect::<String>())?;
                }
            }
        }
        f.write_str("</g>\n")
    }

    /// The width of its slots: what is behind them is no slot's.
    fn used(&self, place: Place) -> usize {
        let bytes = match self.content {
            Content::Slots(slab) => slab.slot_bytes.saturating_mul(slab.slots.len()),
            Content::Slabs(states) => states.into_iter().fold(0, plus),
            Content::Spare => 0,
        };
        scaled(bytes.min(self.bytes), self.bytes, place.width)
    }

    /// Draws columns of `each` slots, of `all`, as full as their slots are live and cached.
    fn write_columns(
        &self,
        f: &mut fmt::Formatter<'_>,
        place: Place,
        columns: &[[usize; 3]],
        each: usize,
        all: usize,
    ) -> fmt::Result {
        let Place {
            x,
            y,
            width,
            height,
        } = place;
        let used = self.used(place);
        let edge = |column: usize| x + scaled((column * each).min(all), all, used);
        let levels = columns.iter().map(|&[live, cached, free]| {
            let (idle, whole) = (plus(live, cached), plus(plus(live, cached), free));
            (level(live, whole, height), level(idle, whole, height))
        });
        let levels: Vec<_> = levels.collect();

        let (mut live, mut cached) = (String::new(), String::new());
        let mut column = 0;
        for run in levels.chunk_by(|a, b| a == b) {
            let (x, end) = (edge(column), edge(column + run.len()));
            let width = end.saturating_sub(x);
            column += run.len();
            let (low, high) = run[0];
            let part = |from: usize, to: usize| {
                rectangle(Place {
                    x,
                    y: y + height - to,
                    width,
                    height: to - from,
                })
            };
            if low > 0 {
                live += &part(0, low);
            }
            if high > low {
                cached += &part(low, high);
            }
        }

        if levels.iter().any(|&(_, high)| high < height) {
            write_path(
                f,
                "f",
                &rectangle(Place {
                    width: used,
                    ..place
                }),
            )?;
        }
        write_path(f, "c", &cached)?;
        write_path(f, "l", &live)?;
        if width > used {
            let rest = Place {
                x: x + used,
                width: width - used,
                ..place
            };
            write_path(f, "r", &rectangle(rest))?;
        }
        Ok(())
    }
}

/// Cuts slabs into runs that have `enough` bytes each, but for the last.
fn runs<T>(mut slabs: &[T], of: fn(&T) -> usize, enough: impl Fn(usize) -> bool) -> Vec<&[T]> {
    let mut runs = Vec::new();
    while !slabs.is_empty() {
        let mut bytes = 0;
        let last = slabs.iter().position(|slab| {
            bytes = plus(bytes, of(slab));
            enough(bytes)
        });
        let (run, rest) = slabs.split_at(last.map_or(slabs.len(), |last| last + 1));
        runs.push(run);
        slabs = rest;
    }
    runs
}

/// How high that part of a column stands.
fn level(part: usize, whole: usize, height: usize) -> usize {
    if part == 0 || part == whole {
        return if part == 0 { 0 } else { height };
    }
    scaled(part, whole, height).clamp(LEAST_LEVEL, height - LEAST_LEVEL)
}

/// A rectangle as part of a path.
pub(super) fn rectangle(place: Place) -> String {
    let (x, y) = (Px(place.x), Px(place.y));
    let (width, height) = (Px(place.width), Px(place.height));
    format!("M{x} {y}h{width}v{height}h-{width}z")
}

/// A path of that class, if there is anything in it.
pub(super) fn write_path(f: &mut fmt::Formatter<'_>, class: &str, path: &str) -> fmt::Result {
    if path.is_empty() {
        return Ok(());
    }
    write!(f, "<path class=\"{class}\" d=\"{path}\"/>")
}
