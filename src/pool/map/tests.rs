//! What users rely on of the text and of the picture.

use super::svg::Xml;
use super::{PoolMap, SlabMap, SlotState, SpareMap};
use crate::placement::PlacementKind;
use SlotState::{Cached, Free, Live};
use proptest::prelude::*;
use roxmltree::{Document, Node};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn map(name: &str, slabs: Vec<SlabMap>, spare: Vec<SpareMap>) -> PoolMap {
    PoolMap::new(name.to_owned(), PlacementKind::Device, slabs, spare)
}

/// A slab whose slots are these, a character each as in the text.
fn slab(address: usize, bytes: usize, slot_bytes: usize, slots: &str) -> SlabMap {
    let state = |character| match character {
        '#' => Live,
        '+' => Cached,
        _ => Free,
    };
    SlabMap::new(
        address,
        bytes,
        slot_bytes,
        slots.chars().map(state).collect(),
    )
}

/// Numbers that look random, the same in every run.
fn random(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    usize::try_from(*state >> 40).unwrap()
}

/// So many slabs of as many slots, with states in no order.
fn mixed(slabs: usize, slots: usize, slot_bytes: impl Fn(usize) -> usize) -> PoolMap {
    let mut state = 3;
    let slabs = (0..slabs).map(|at| {
        let states = (0..slots).map(|_| [Live, Cached, Free][random(&mut state) % 3]);
        let slot_bytes = slot_bytes(at);
        SlabMap::new(at << 32, slots * slot_bytes, slot_bytes, states.collect())
    });
    map("mixed", slabs.collect(), Vec::new())
}

#[test]
fn text_shows_each_slot() {
    let map = map(
        "weights",
        vec![
            slab(0x4_0000, 256 * KIB, 256 * KIB, "#"),
            slab(0x1_0000, 64 * KIB, 4 * KIB, "####++.........#"),
            slab(0xc_0000, 256 * KIB, 256 * KIB, "+"),
            slab(0x2_0000, 64 * KIB, 20 * KIB, "#.#"),
            slab(0x3_0000, 64 * KIB, 4 * KIB, "################"),
        ],
        vec![SpareMap::new(0x7f00_0000_0000, 64 * KIB)],
    );
    let expected = "\
pool \"weights\", device: 768 KiB held in 6 slabs, 380 KiB live (49 %), 264 KiB cached, 56 KiB free, 64 KiB spare, 4 KiB in remainders
# live   + cached   . free   = spare for any class   1-9 that many tenths live
4 KiB slots: 2 slabs, 128 KiB, 21 of 32 slots live (65 %), 2 cached
  0x000000010000 [####++.........#] 5/16
  0x000000030000 [################] 16/16
20 KiB slots: 1 slab, 64 KiB, 2 of 3 slots live (66 %)
  0x000000020000 [#.#] 2/3
256 KiB slots: 2 slabs, 512 KiB, 1 of 2 slots live (50 %), 1 cached
  0x000000040000 [#+] 1/2
spare for any class: 1 slab, 64 KiB
  0x7f0000000000 [=] 64 KiB";
    assert_eq!(map.to_string(), expected);
    assert_eq!(format!("{map:#}"), expected);
}

#[test]
fn text_says_how_full_columns_of_several_slots_are() {
    // 64 columns of 10 slots: all of it, then one less each, with one cached where it can be.
    let columns = (0..64).map(|column: usize| {
        let live = 10_usize.saturating_sub(column);
        let idle = if column > 1 && column.is_multiple_of(2) {
            "+"
        } else {
            ""
        };
        format!("{:.<10}", "#".repeat(live) + idle)
    });
    let slab = slab(0x1_0000, 64 * KIB, 100, &columns.collect::<String>());
    let text = map("", vec![slab], Vec::new()).to_string();
    let bar = text.lines().last().unwrap();
    let expected = format!("[#987654321{}]", "+.".repeat(27));
    assert_eq!(bar, format!("  0x000000010000 {expected} 55/640"));
    assert!(text.contains("; 10 slots a column"), "{text}");
}

#[test]
fn a_column_looks_full_or_empty_only_where_it_is() {
    let slots = "#".repeat(100) + "." + &".".repeat(100) + "#";
    let slots = slots + &"#".repeat(101 * 62);
    let slab = slab(0, 64 * KIB, 10, &slots);
    let text = map("", vec![slab], Vec::new()).to_string();
    assert!(text.contains(&format!("[91{}]", "#".repeat(62))), "{text}");
}

#[test]
fn text_of_a_huge_pool_is_short_and_says_so() {
    let one_class = mixed(100_000, 1, |_| 64 * KIB);
    let wide = mixed(30_000, 4, |_| 16 * KIB);
    let mut both = wide.slabs().to_vec();
    both.extend((0..30_000).map(|at| slab(at * 16 * KIB, 16 * KIB, 16 * KIB, "#")));
    let both = map("both", both, Vec::new());
    let many_classes = mixed(100_000, 1, |at| 64 * KIB * (1 + at % 900));
    let spare = (0..100_000)
        .map(|at| SpareMap::new(at * MIB, MIB))
        .collect();
    let spare = map("spare", many_classes.slabs().to_vec(), spare);
    for map in [one_class, wide, both, many_classes, spare] {
        let text = map.to_string();
        assert!(text.lines().count() <= 200, "{}", text.lines().count());
        assert!(text.lines().all(|line| line.len() <= 160), "{text}");
        assert!(text.contains(" more "), "{text}");
        assert!(text.ends_with("(shortened; formatted with {:#} it is complete)"));
        // What is there is used.
        assert!(text.lines().count() > 150, "{}", text.lines().count());
    }
}

#[test]
fn shortened_text_says_how_live_the_rest_is() {
    // Four slabs in ten are live, and none of those that are shown.
    let slot = |at: usize| if at < 600 { "...." } else { "####" };
    let slabs = (0..1000).map(|at| slab(at * MIB, MIB, MIB / 4, slot(at)));
    let text = map("", slabs.collect(), Vec::new()).to_string();
    let shown = text.lines().filter(|line| line.contains('[')).count();
    let rest = format!(
        "  ... {} more slabs, {} % live",
        1000 - shown,
        400 * 100 / (1000 - shown)
    );
    assert!(text.contains(&rest), "{rest} in {text}");
}

#[test]
fn an_empty_pool_says_that_it_is() {
    let map = map("", Vec::new(), Vec::new());
    assert_eq!(map.to_string(), "pool, device: holds nothing");
    let svg = map.to_svg();
    assert!(Document::parse(&svg).is_ok());
    assert!(svg.contains("holds nothing"));
}

#[test]
fn names_cannot_break_out() {
    let long = "x".repeat(100_000);
    for name in [
        "</title><script>alert(1)</script>",
        "\" onload=\"alert(1)",
        "a & b &amp; c ]]> <!-- ",
        "two\nlines\r\n",
        "\u{1b}[2J\0\u{7}\u{9b}",
        "\u{202e}right to left\u{2028}",
        "\u{fffe}\u{ffff}\u{85}",
        &long,
    ] {
        let map = map(name, vec![slab(0, MIB, MIB, "#")], Vec::new());
        assert_eq!(map.name(), name);
        let text = map.to_string();
        assert_eq!(text.lines().count(), 4, "{text}");
        let controls =
            |c: char| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c);
        assert!(!text.contains(controls), "{text:?}");
        assert!(text.len() < 600, "{text}");

        let svg = map.to_svg();
        let document = Document::parse(&svg).unwrap();
        assert!(!svg.contains(controls), "{svg:?}");
        assert!(svg.len() < 6000, "{}", svg.len());
        let tags = ["svg", "title", "desc", "style", "rect", "text", "path", "g"];
        let strange = elements(&document).find(|node| !tags.contains(&node.tag_name().name()));
        assert_eq!(strange, None);
        let strange = elements(&document).find(|node| node.has_attribute("onload"));
        assert_eq!(strange, None);
    }
}

#[test]
fn a_picture_shows_the_name() {
    let map = map("a & <b>", vec![slab(0, MIB, MIB, "#")], Vec::new());
    let svg = map.to_svg();
    let document = Document::parse(&svg).unwrap();
    let texts: Vec<_> = elements(&document).filter_map(|node| node.text()).collect();
    assert!(
        texts.contains(&"pool \"a & <b>\", device memory"),
        "{texts:?}"
    );
}

#[test]
fn a_picture_describes_itself() {
    let map = mixed(3, 4, |_| 16 * KIB);
    let svg = map.to_svg();
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let text = map.to_string();
    assert_eq!(root.attribute("aria-label"), text.lines().next());
    let tags = root.children().filter(Node::is_element);
    let tags: Vec<_> = tags.map(|node| node.tag_name().name()).take(2).collect();
    assert_eq!(tags, ["title", "desc"]);
}

#[test]
fn a_picture_of_a_huge_pool_stays_small() {
    for map in [
        mixed(100_000, 1, |_| 64 * KIB),
        mixed(20_000, 5, |_| 12 * KIB),
        mixed(2_800, 64, |_| KIB),
        mixed(1_400, 128, |_| KIB),
        mixed(100, 1024, |_| 64),
        mixed(1, 100_000, |_| 64),
        mixed(100_000, 1, |at| 64 * KIB * (1 + at % 900)),
        mixed(3_000, 64, |at| 64 * (1 + at % 1000)),
    ] {
        let size = map.to_svg().len();
        assert!(size < 1_000_000, "{size} for {} slabs", map.slabs().len());
    }
}

#[test]
fn slabs_have_a_rectangle_each_as_long_as_it_can_be_seen() {
    for slabs in [1, 2, 40, 1000] {
        let svg = mixed(slabs, 4, |_| 16 * KIB).to_svg();
        let document = Document::parse(&svg).unwrap();
        let drawn = elements(&document).filter(|node| node.has_tag_name("g"));
        assert_eq!(drawn.count(), slabs);
        assert!(!svg.contains("drawn several as one"));
    }
    assert!(
        mixed(100_000, 1, |_| KIB)
            .to_svg()
            .contains("drawn several as one")
    );
}

#[test]
fn what_xml_cannot_say_is_replaced() {
    let text: String = ('\0'..='\u{ff}')
        .chain(['\u{fffe}', '\u{ffff}', '\u{10ffff}'])
        .collect();
    let xml = format!("<a b=\"{0}\">{0}</a>", Xml(&text));
    let document = Document::parse(&xml).unwrap();
    let expected = text.replace(
        |c| c < ' ' || c == '\u{fffe}' || c == '\u{ffff}',
        "\u{fffd}",
    );
    assert_eq!(document.root_element().text(), Some(&*expected));
    assert_eq!(document.root_element().attribute("b"), Some(&*expected));
}

#[test]
fn areas_are_in_proportion_to_bytes() {
    // Slots that have a column each; a slab of more than a row.
    let slabs = vec![
        slab(0, 64 * KIB, 4 * KIB, "##..++.#........"),
        slab(MIB, 128 * KIB, 44 * KIB, "#+"),
        slab(2 * MIB, 256 * KIB, 256 * KIB, "#"),
        slab(3 * MIB, 192 * KIB, 192 * KIB, "."),
        slab(5 * MIB, 128 * KIB, 128 * KIB, "+"),
    ];
    let map = map("", slabs, vec![SpareMap::new(8 * MIB, 64 * KIB)]);
    let svg = map.to_svg();
    let document = Document::parse(&svg).unwrap();
    let area = |class| area(&document, class);
    // The free colour is below the others.
    let held = area("f") + area("k") + area("r") + covered(&document);
    let near = |area: f64, bytes: usize| {
        let expected = bytes as f64 / map.held_bytes() as f64;
        assert!(
            (area / held - expected).abs() < 0.01,
            "{} for {expected}",
            area / held
        );
    };
    near(area("l"), map.bytes(Live));
    near(area("c"), map.bytes(Cached));
    near(area("k"), map.spare_bytes());
    near(area("r"), map.remainder_bytes());
}

#[test]
fn a_slab_that_is_nearly_full_or_empty_does_not_look_so() {
    let slots = ".".to_owned() + &"#".repeat(49_999) + &".".repeat(49_999) + "#";
    let svg = map("", vec![slab(0, MIB, 10, &slots)], Vec::new()).to_svg();
    let document = Document::parse(&svg).unwrap();
    let live: Vec<_> = paths(&document, "l").flat_map(rectangles).collect();
    let heights: Vec<_> = live.iter().map(|rectangle| rectangle[3]).collect();
    assert_eq!(heights[..2], [13.0, 14.0]);
    assert_eq!(heights.last(), Some(&1.0));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_slot_is_in_the_text_and_in_the_picture(map in any_map()) {
        let expected = [Live, Cached, Free].map(|state| map.count(state));
        let all: usize = expected.iter().sum();

        // The lines of slabs of the whole text end with live and all.
        let text = format!("{map:#}");
        let sums = text.lines().filter_map(|line| line.rsplit_once("] ")?.1.split_once('/'));
        let sums = sums.fold((0, 0), |(live, all), (l, a)| {
            (live + l.parse::<usize>().unwrap(), all + a.parse::<usize>().unwrap())
        });
        prop_assert_eq!(sums, (expected[0], all));
        prop_assert!(map.to_string().lines().count() <= 200);

        // So do the tooltips.
        let svg = map.to_svg();
        let document = Document::parse(&svg).unwrap();
        let mut sums = [0; 3];
        let mut slabs = 0;
        for title in elements(&document).filter(|node| node.has_tag_name("g")) {
            let title = title.first_element_child().unwrap().text().unwrap();
            let words: Vec<_> = title.split_whitespace().collect();
            slabs += words[1].parse::<usize>().unwrap();
            for (sum, name) in sums.iter_mut().zip(["live", "cached", "free"]) {
                let at = words.iter().position(|word| word.trim_end_matches(',') == name);
                *sum += at.map_or(0, |at| words[at - 1].parse::<usize>().unwrap());
            }
        }
        prop_assert_eq!(sums, expected);
        prop_assert_eq!(slabs, map.slabs().len() + map.spare().len());
    }

    #[test]
    fn all_that_is_drawn_is_in_the_picture(map in any_map()) {
        let svg = map.to_svg();
        let document = Document::parse(&svg).unwrap();
        let size = |name| document.root_element().attribute(name).unwrap().parse::<f64>().unwrap();
        let (width, height) = (size("width"), size("height"));
        for class in ["l", "c", "f", "k", "r"] {
            for [x, y, w, h] in paths(&document, class).flat_map(rectangles) {
                prop_assert!(x + w <= width && y + h <= height, "{} {} {} {}", x, y, w, h);
            }
        }
    }

    #[test]
    fn the_order_of_slabs_makes_no_difference(map in any_map()) {
        let mut slabs = map.slabs().to_vec();
        let mut spare = map.spare().to_vec();
        slabs.reverse();
        spare.reverse();
        let other = PoolMap::new(map.name().to_owned(), map.placement(), slabs, spare);
        prop_assert_eq!(format!("{map:#}"), format!("{other:#}"));
        prop_assert_eq!(map.to_svg(), other.to_svg());
    }
}

/// Maps of all kinds, also those that no pool makes.
fn any_map() -> impl Strategy<Value = PoolMap> {
    let state = prop_oneof![4 => Just(Live), 1 => Just(Cached), 2 => Just(Free)];
    let count = prop_oneof![Just(1_usize), 0..300_usize];
    let states = count.prop_flat_map(move |count| proptest::collection::vec(state.clone(), count));
    let bytes = prop_oneof![8 => 1..10 * MIB, 1 => Just(0), 1 => Just(usize::MAX)];
    let slot_bytes = prop_oneof![8 => 1..40_usize, 1 => Just(0), 1 => Just(usize::MAX)];
    let slab = (bytes.clone(), slot_bytes, states);
    let slabs = proptest::collection::vec(slab, 0..100);
    let spare = proptest::collection::vec(bytes, 0..100);
    (".{0,60}", slabs, spare).prop_map(|(name, slabs, spare)| {
        let slabs = slabs.into_iter().enumerate();
        let slabs = slabs.map(|(at, (bytes, slot_bytes, states))| {
            SlabMap::new(at * MIB, bytes, slot_bytes, states)
        });
        let spare = spare.into_iter().enumerate();
        let spare = spare.map(|(at, bytes)| SpareMap::new(at * MIB, bytes));
        PoolMap::new(
            name,
            PlacementKind::Shared,
            slabs.collect(),
            spare.collect(),
        )
    })
}

fn elements<'a>(document: &'a Document<'_>) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(Node::is_element)
}

/// The paths of a class in the rectangles of slabs.
fn paths<'a>(document: &'a Document<'_>, class: &'a str) -> impl Iterator<Item = &'a str> {
    let slabs = elements(document).filter(|node| node.has_tag_name("g"));
    let paths = slabs.flat_map(|slab| slab.children());
    let paths = paths.filter(move |node| node.attribute("class") == Some(class));
    paths.map(|path| path.attribute("d").unwrap())
}

/// Left, top, width, height.
fn rectangles(path: &str) -> Vec<[f64; 4]> {
    let rectangle = |text: &str| {
        let numbers = text.trim_end_matches('z').split([' ', 'h', 'v']);
        let numbers: Vec<f64> = numbers.map(|number| number.parse().unwrap()).collect();
        let [x, y, width, height, back] = numbers[..] else {
            panic!("{text}")
        };
        assert_eq!(back, -width);
        [x, y, width, height]
    };
    path.split('M').skip(1).map(rectangle).collect()
}

fn area(document: &Document<'_>, class: &str) -> f64 {
    let rectangles = paths(document, class).flat_map(rectangles);
    rectangles.map(|[_, _, width, height]| width * height).sum()
}

/// The area of slabs without a free slot, which have no rectangle in the colour of these.
fn covered(document: &Document<'_>) -> f64 {
    let slabs = elements(document).filter(|node| node.has_tag_name("g"));
    let of_class = |slab: &Node<'_, '_>, class| {
        slab.children()
            .any(|node| node.attribute("class") == Some(class))
    };
    let full = slabs.filter(|slab| !of_class(slab, "f") && !of_class(slab, "k"));
    let paths = full.flat_map(|slab| slab.children());
    let paths = paths.filter(|node| matches!(node.attribute("class"), Some("l" | "c")));
    let rectangles = paths.flat_map(|path| rectangles(path.attribute("d").unwrap()));
    rectangles.map(|[_, _, width, height]| width * height).sum()
}
