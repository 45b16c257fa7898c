//! The map as a picture: a table with a row for each class, and its slabs to scale beside it.
//!
//! Lengths are in tenths of a pixel, so that the same map gives the same file everywhere.

use super::cell::{Cell, Place, rectangle, write_path};
use super::figures::{Bytes, Count, Percent, Px, scaled};
use super::text::Summary;
use super::{MOST_CLASSES, PoolMap, SlabMap, SlotState, SpareMap, Tally, largest, plus};
use core::fmt;

const WIDTH: usize = 9600;
const MARGIN: usize = 240;
/// Where the slabs begin, right of the table.
const LEFT: usize = 2160;
/// The width of a full row of slabs.
const ROW: usize = WIDTH - MARGIN - LEFT;
/// The height of a row, and that with what is between two.
const HEIGHT: usize = 140;
const PITCH: usize = 180;
/// The most full rows that the slabs are drawn on.
const ROWS: usize = 40;
/// The least width of a cell: slabs that are narrower are drawn several as one.
const LEAST_CELL: usize = 100;
/// What is between two cells, also narrow ones.
const GAP: usize = 10;
/// Where the first row begins.
const TOP: usize = 1560;

/// For those who do not see it; the sums are the picture's label.
const DESCRIPTION: &str = "A table with a row for each size of slots. Beside it a rectangle for each slab, \
    its area in proportion to its bytes, coloured by what its slots are used for.";

/// The map as a file.
pub(super) struct Svg<'a>(pub(super) &'a PoolMap);

impl fmt::Display for Svg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.0;
        let scale = Scale::of(map);
        let sections = sections(map, scale);
        let mut y = TOP;
        let mut places = Vec::with_capacity(sections.len());
        for section in &sections {
            places.push((y, section.place(scale, &mut y)));
        }

        let summary = Summary(map).to_string();
        let (width, height) = (Px(WIDTH), Px(y + 700));
        write!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"ze-pool-map\" role=\"img\" \
             aria-label=\"{}\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n\
             <title>{}</title>\n<desc>{}</desc>\n<style>\n{}</style>\n\
             <rect class=\"p\" width=\"100%\" height=\"100%\"/>\n",
            Xml(&summary),
            Xml(&map.title()),
            DESCRIPTION,
            include_str!("style.css"),
        )?;
        write_head(f, map)?;
        for (section, (y, places)) in sections.iter().zip(places) {
            section.write(f, y, &places)?;
        }

        for (line, note) in notes(map, scale, &sections).iter().enumerate() {
            write_text(f, "d", LEFT, y + 160 + 170 * line, note)?;
        }
        f.write_str("</svg>\n")
    }
}

/// What is below the table.
fn notes(map: &PoolMap, scale: Scale, sections: &[Section<'_>]) -> Vec<String> {
    if sections.is_empty() {
        return vec!["The pool holds nothing.".to_owned()];
    }
    let mut notes = vec![format!(
        "Slabs to scale: a full row is {}. Columns of several slots fill from below.",
        Bytes(scale.0)
    )];
    let mut cells = sections.iter().flat_map(|section| &section.cells);
    if cells.any(Cell::is_merged) {
        notes.push("Slabs too small to see are drawn several as one.".to_owned());
    }
    if map.remainder_bytes() > 0 {
        notes.push("Remainders are ends of slabs, too small for one more slot.".to_owned());
    }
    notes
}

/// How many bytes are a full row.
#[derive(Debug, Clone, Copy)]
struct Scale(usize);

impl Scale {
    /// As many of the smallest slab as a power of two: slabs mostly are multiples of it.
    fn of(map: &PoolMap) -> Self {
        let slabs = map.slabs.iter().map(SlabMap::bytes);
        let slabs = slabs.chain(map.spare.iter().map(SpareMap::bytes));
        let mut row = slabs.filter(|&bytes| bytes > 0).min().unwrap_or(1);
        while map.held_bytes() / row > ROWS {
            row = row.saturating_mul(2);
        }
        Self(row)
    }

    fn width_of(self, bytes: usize) -> usize {
        scaled(bytes, self.0, ROW)
    }
}

/// A line of the table and its slabs.
#[derive(Debug)]
struct Section<'a> {
    size: String,
    slabs: usize,
    live: String,
    cells: Vec<Cell<'a>>,
}

fn sections(map: &PoolMap, scale: Scale) -> Vec<Section<'_>> {
    let enough = |bytes| scale.width_of(bytes) >= LEAST_CELL;
    let section = |size, tally: Tally, cells| Section {
        size,
        slabs: tally.slabs,
        live: Percent(tally.live(), tally.all()).to_string(),
        cells,
    };
    let (classes, others) = largest(map.classes(), MOST_CLASSES);
    let mut sections: Vec<_> = classes
        .into_iter()
        .map(|class| {
            let size = format!("{:#}", Bytes(class.slot_bytes));
            section(size, class.tally, Cell::of_slabs(class.slabs, enough))
        })
        .collect();
    if !others.is_empty() {
        let tally = others.iter().map(|class| class.tally);
        let cells = others
            .iter()
            .flat_map(|class| Cell::of_slabs(class.slabs, enough));
        sections.push(section(
            Count(others.len(), "other").to_string(),
            tally.fold(Tally::default(), Tally::and),
            cells.collect(),
        ));
    }
    if !map.spare.is_empty() {
        sections.push(Section {
            size: "spare".to_owned(),
            slabs: map.spare.len(),
            live: String::new(),
            cells: Cell::of_spare(&map.spare, enough),
        });
    }
    sections
}

impl Section<'_> {
    /// Where its cells go from `y` on, which becomes where the next section does.
    fn place(&self, scale: Scale, y: &mut usize) -> Vec<Place> {
        let mut places = Vec::with_capacity(self.cells.len());
        let mut x = 0;
        for cell in &self.cells {
            let width = scale.width_of(cell.bytes()).max(3 * GAP);
            if x > 0 && plus(x, width) > ROW {
                (x, *y) = (0, *y + PITCH);
            }
            // The same area where a row is too short for it.
            let height = scaled(width, ROW, HEIGHT).max(HEIGHT);
            let width = width.min(ROW);
            // Wider than what is between slots, where these are drawn apart.
            let gap = if width < 24 * GAP { GAP } else { 3 * GAP };
            places.push(Place {
                x: LEFT + x,
                y: *y,
                width: width - gap,
                height,
            });
            x += width;
            *y += height - HEIGHT;
        }
        *y += PITCH + 60;
        places
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, y: usize, places: &[Place]) -> fmt::Result {
        let slabs = self.slabs.to_string();
        for (x, text) in [(960, &self.size), (1440, &slabs), (1980, &self.live)] {
            write_text(f, "n", x, y + 110, text)?;
        }
        for (cell, place) in self.cells.iter().zip(places) {
            cell.write(f, *place)?;
        }
        Ok(())
    }
}

/// What is above the table: the name, the sums as a bar, the legend.
fn write_head(f: &mut fmt::Formatter<'_>, map: &PoolMap) -> fmt::Result {
    let title = format!("{}, {} memory", map.title(), map.placement);
    write_text(f, "h", MARGIN, 400, &title)?;
    let held = map.held_bytes();
    let slabs = Count(plus(map.slabs.len(), map.spare.len()), "slab");
    let held_in = format!("{} held in {slabs}", Bytes(held));
    write_text(f, "d", MARGIN, 610, &held_in)?;

    let states = SlotState::ALL.map(|state| (map.bytes(state), state.name()));
    let [live, cached, free] = states;
    let parts = [
        ("l", live),
        ("c", cached),
        ("f", free),
        ("k", (map.spare_bytes(), "spare")),
        ("r", (map.remainder_bytes(), "remainders")),
    ];
    let (mut before, mut x) = (0, MARGIN);
    for (class, (bytes, name)) in parts {
        let edge = |bytes| MARGIN + scaled(bytes, held, WIDTH - 2 * MARGIN);
        let after = plus(before, bytes);
        let bar = Place {
            x: edge(before),
            y: 720,
            width: edge(after) - edge(before),
            height: 100,
        };
        if bar.width > 0 {
            write_path(f, class, &rectangle(bar))?;
        }
        before = after;
        let swatch = Place {
            x,
            y: 950,
            width: 100,
            height: 100,
        };
        write_path(f, class, &rectangle(swatch))?;
        let text = format!("{name} {} ({})", Bytes(bytes), Percent(bytes, held));
        write_text(f, "", x + 160, 1045, &text)?;
        x += (WIDTH - 2 * MARGIN) / parts.len();
    }
    for (x, text) in [(960, "slots of"), (1440, "slabs"), (1980, "live")] {
        write_text(f, "n d", x, TOP - 110, text)?;
    }
    f.write_str("\n")
}

fn write_text(
    f: &mut fmt::Formatter<'_>,
    class: &str,
    x: usize,
    y: usize,
    text: &str,
) -> fmt::Result {
    let (x, y, text) = (Px(x), Px(y), Xml(text));
    write!(
        f,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
    )
}

/// Text as the content of an element, or as the value of an attribute.
pub(super) struct Xml<'a>(pub(super) &'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                // What no document of XML may have, not even escaped.
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char(char::REPLACEMENT_CHARACTER)?;
                }
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}
