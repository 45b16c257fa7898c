//! What is read of modules, and that nothing that is no module does harm.

use crate::numbers::op;
use crate::words::{HEADER_WORDS, MAGIC};
use crate::{ArgumentKind, Kernel, Malformed, Module, Symbol, words};
use std::sync::Arc;

const KERNELS: &[u8] = include_bytes!("../../level-zero-cpu/tests/kernels/kernels.spv");
const GLOBALS: &[u8] = include_bytes!("../../level-zero-cpu/tests/kernels/globals.spv");
const IMPORTER: &[u8] = include_bytes!("../../level-zero-cpu/tests/kernels/importer.spv");
const CONSTANTS: &[u8] = include_bytes!("../../level-zero-cpu/tests/kernels/constants.spv");

fn parse(bytes: &[u8]) -> Result<Module, Malformed> {
    Module::parse(&words(bytes)?)
}

/// An instruction with its length.
fn instruction(code: u16, operands: &[u32]) -> Vec<u32> {
    let len = u32::try_from(operands.len() + 1).unwrap();
    let mut words = vec![(len << 16) | u32::from(code)];
    words.extend(operands);
    words
}

/// A module of the instructions given, after the memory model.
fn module(instructions: &[(u16, &[u32])]) -> Vec<u32> {
    let mut words = vec![MAGIC, 0x0001_0200, 0, 1000, 0];
    words.extend(instruction(op::MEMORY_MODEL, &[2, 2]));
    for (code, operands) in instructions {
        words.extend(instruction(*code, operands));
    }
    words
}

fn problem(instructions: &[(u16, &[u32])]) -> &'static str {
    Module::parse(&module(instructions)).unwrap_err().problem
}

fn shape(kernel: &Kernel) -> Vec<(ArgumentKind, u64)> {
    let arguments = kernel.arguments.iter();
    arguments.map(|it| (it.kind, it.size)).collect()
}

#[test]
fn arguments_have_their_kinds_and_sizes() {
    use ArgumentKind::{Constant, Global, Image, Local, Sampler, Value};
    let module = parse(KERNELS).unwrap();
    assert_eq!(module.version, (1, 1));
    let of = |name| shape(module.kernel(name).unwrap());
    let pointer = (Global, 8);
    assert_eq!(of("saxpy"), [pointer, pointer, (Value, 4), (Value, 4)]);
    let by_value = [pointer, (Value, 64), (Value, 1), (Value, 16), (Value, 8)];
    assert_eq!(of("by_value"), by_value);
    assert_eq!(of("reduce"), [pointer, pointer, (Local, 8)]);
    assert_eq!(of("is_null"), [pointer, pointer, (Constant, 8)]);
    assert_eq!(of("no_arguments"), []);
    assert_eq!(of("image"), [(Image, 8), (Sampler, 8), pointer]);
    assert_eq!(module.kernel("Saxpy"), None);
    let saxpy = &module.kernel("saxpy").unwrap().arguments;
    assert_eq!(saxpy[1].name.as_deref(), Some("x"));
    assert!(saxpy[1].read_only);
    assert!(!saxpy[0].read_only);
}

#[test]
fn what_kernels_ask_for_is_read() {
    let module = parse(KERNELS).unwrap();
    let required = module.kernel("required").unwrap();
    assert_eq!(required.required_group_size, Some([4, 2, 1]));
    let hinted = module.kernel("hinted").unwrap();
    assert_eq!(hinted.required_group_size, None);
    assert_eq!(hinted.group_size_hint, Some([16, 1, 1]));
    assert_eq!(hinted.required_subgroup_size, Some(8));
    assert_eq!(hinted.required_subgroups, None);
}

#[test]
fn constants_have_the_size_of_their_type() {
    let module = parse(CONSTANTS).unwrap();
    let mut constants: Vec<_> = module.constants.iter().map(|it| (it.id, it.size)).collect();
    constants.sort_unstable();
    assert_eq!(constants, [(1, 1), (2, 2), (3, 4), (10, 8), (11, 8)]);
}

#[test]
fn what_the_device_brings_is_no_import() {
    assert_eq!(parse(KERNELS).unwrap().imports, []);
    let twice = Symbol {
        name: "twice".into(),
        is_function: true,
    };
    assert_eq!(parse(IMPORTER).unwrap().imports, [twice]);
    let exports = parse(GLOBALS).unwrap().exports;
    let variables = exports.iter().filter(|it| !it.is_function);
    let names: Vec<_> = variables.map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["counter", "table"]);
}

#[test]
fn the_other_byte_order_is_read_too() {
    let swapped: Vec<u8> = words(KERNELS)
        .unwrap()
        .iter()
        .flat_map(|word| word.swap_bytes().to_ne_bytes())
        .collect();
    assert_eq!(parse(&swapped), parse(KERNELS));
}

#[test]
fn every_module_that_is_cut_off_is_refused() {
    for (bytes, step) in [(KERNELS, 23), (GLOBALS, 1), (IMPORTER, 1), (CONSTANTS, 1)] {
        for len in (0..bytes.len()).step_by(step) {
            // Between instructions the rest may be a module, but not one that ends in a function.
            if let Ok(module) = parse(&bytes[..len]) {
                assert!(len % 4 == 0 && module.kernels.is_empty(), "{len}");
            }
        }
    }
}

#[test]
fn changed_bits_do_no_harm() {
    for bytes in [GLOBALS, IMPORTER, CONSTANTS] {
        let mut changed = bytes.to_vec();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                changed[at] ^= 1 << bit;
                let _ = parse(&changed);
                changed[at] ^= 1 << bit;
            }
            for value in [0, 0x7f, 0xff] {
                changed[at] = value;
                let _ = parse(&changed);
            }
            changed[at] = bytes[at];
        }
    }
    // The long one at random places, several at a time.
    let mut random = 1_u32;
    for _ in 0..2000 {
        let mut changed = words(KERNELS).unwrap();
        for _ in 0..4 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (random >> 8) as usize % changed.len();
            changed[at] = changed[at].rotate_left(random % 31) ^ (random & 0xff);
        }
        let _ = Module::parse(&changed);
    }
}

#[test]
fn headers_are_checked() {
    let refused = |bytes: &[u8]| parse(bytes).unwrap_err().problem;
    assert_eq!(refused(b""), "the first word is not that of SPIR-V");
    assert_eq!(refused(b"abcd"), "the first word is not that of SPIR-V");
    assert_eq!(
        refused(&KERNELS[..7]),
        "the length is no multiple of 4 bytes"
    );
    assert_eq!(refused(&KERNELS[..16]), "the header is cut off");
    let mut words = words(KERNELS).unwrap();
    words[1] = 0x0002_0000;
    assert!(Module::parse(&words).is_err());
    words[1] = 0x0001_0300;
    words[4] = 1;
    assert!(Module::parse(&words).is_err());
}

#[test]
fn modules_without_sense_are_told_why() {
    let int: (u16, &[u32]) = (op::TYPE_INT, &[1, 32, 0]);
    assert_eq!(problem(&[int, int]), "an id is defined twice");
    assert_eq!(
        problem(&[(op::TYPE_INT, &[1000, 32, 0])]),
        "an id is 0 or not below the bound"
    );
    assert_eq!(
        problem(&[(op::TYPE_STRUCT, &[2, 2])]),
        "a type is used before it is defined"
    );
    assert_eq!(
        problem(&[
            (op::TYPE_FORWARD_POINTER, &[3, 5]),
            (op::TYPE_STRUCT, &[3, 3])
        ]),
        "a type was announced as a pointer and is none"
    );
    assert_eq!(
        problem(&[(op::TYPE_INT, &[1])]),
        "an instruction is too short"
    );
    assert_eq!(
        problem(&[(op::NAME, &[1, 0x4141_4141])]),
        "a string does not end"
    );
    assert_eq!(problem(&[(op::NAME, &[1, 0xff])]), "a string is not UTF-8");
    assert_eq!(
        problem(&[(op::ENTRY_POINT, &[6, 7, 0x41])]),
        "a kernel is no function of the module"
    );
    assert_eq!(
        problem(&[(op::ENTRY_POINT, &[5, 7, 0x41])]),
        "an entry point is no kernel"
    );
    assert_eq!(
        problem(&[(op::FUNCTION_END, &[])]),
        "a function ends that never began"
    );
    assert_eq!(
        problem(&[(op::TYPE_VOID, &[1]), (op::FUNCTION, &[1, 2, 0, 3])]),
        "the last function does not end"
    );
    let mut none = module(&[]);
    none.push(0);
    assert_eq!(
        Module::parse(&none).unwrap_err().problem,
        "an instruction has no words"
    );
    assert_eq!(
        Module::parse(&none[..HEADER_WORDS]).unwrap_err().problem,
        "there is no memory model"
    );
}

#[test]
fn kernels_of_one_name_are_refused() {
    let function = |id| {
        vec![
            (op::FUNCTION, vec![1, id, 0, 2]),
            (op::FUNCTION_END, vec![]),
        ]
    };
    let mut instructions = vec![
        (op::ENTRY_POINT, vec![6, 10, 0x41]),
        (op::ENTRY_POINT, vec![6, 11, 0x41]),
        (op::TYPE_VOID, vec![1]),
        (op::TYPE_FUNCTION, vec![2, 1]),
    ];
    instructions.extend(function(10));
    instructions.extend(function(11));
    let borrowed: Vec<_> = instructions
        .iter()
        .map(|(code, operands)| (*code, operands.as_slice()))
        .collect();
    assert_eq!(problem(&borrowed), "two kernels have the same name");
}

/// A kernel with one argument of the type 20, which the instructions define.
fn argument(types: &[(u16, &[u32])]) -> (ArgumentKind, u64) {
    let mut instructions: Vec<(u16, &[u32])> = vec![(op::ENTRY_POINT, &[6, 30, 0x41])];
    instructions.extend(types);
    instructions.extend::<[(u16, &[u32]); 5]>([
        (op::TYPE_VOID, &[40]),
        (op::TYPE_FUNCTION, &[41, 40, 20]),
        (op::FUNCTION, &[40, 30, 0, 41]),
        (op::FUNCTION_PARAMETER, &[20, 42]),
        (op::FUNCTION_END, &[]),
    ]);
    let parsed = Module::parse(&module(&instructions)).unwrap();
    shape(&parsed.kernels[0])[0]
}

#[test]
fn structures_are_laid_out_as_in_c() {
    let value = |size| (ArgumentKind::Value, size);
    let byte: (u16, &[u32]) = (op::TYPE_INT, &[1, 8, 0]);
    let int: (u16, &[u32]) = (op::TYPE_INT, &[2, 32, 0]);
    let long: (u16, &[u32]) = (op::TYPE_INT, &[3, 64, 0]);
    let by_value: (u16, &[u32]) = (op::TYPE_POINTER, &[20, 7, 10]);
    let padded: (u16, &[u32]) = (op::TYPE_STRUCT, &[10, 1, 3, 1]);
    assert_eq!(argument(&[byte, long, padded, by_value]), value(24));
    let packed: (u16, &[u32]) = (op::DECORATE, &[10, 10]);
    assert_eq!(argument(&[packed, byte, long, padded, by_value]), value(10));
    let direct: (u16, &[u32]) = (op::TYPE_STRUCT, &[20, 2, 1]);
    assert_eq!(argument(&[byte, int, direct]), value(8));
    // Three of four bytes in a vector, then one byte: aligned to 16.
    let vector: (u16, &[u32]) = (op::TYPE_VECTOR, &[4, 2, 3]);
    let mixed: (u16, &[u32]) = (op::TYPE_STRUCT, &[20, 4, 1]);
    assert_eq!(argument(&[byte, int, vector, mixed]), value(32));
    let five: (u16, &[u32]) = (op::CONSTANT, &[2, 5, 5]);
    let array: (u16, &[u32]) = (op::TYPE_ARRAY, &[6, 1, 5]);
    let holder: (u16, &[u32]) = (op::TYPE_STRUCT, &[20, 6, 2]);
    assert_eq!(argument(&[byte, int, five, array, holder]), value(12));
    // A list whose nodes point to nodes.
    let forward: (u16, &[u32]) = (op::TYPE_FORWARD_POINTER, &[7, 5]);
    let node: (u16, &[u32]) = (op::TYPE_STRUCT, &[20, 2, 7]);
    assert_eq!(argument(&[int, forward, node]), value(16));
}

#[test]
fn what_has_no_size_is_no_value() {
    let other = (ArgumentKind::Other, 0);
    let opaque: (u16, &[u32]) = (op::TYPE_OPAQUE, &[20, 0x41]);
    assert_eq!(argument(&[opaque]), other);
    let event: (u16, &[u32]) = (op::TYPE_EVENT, &[20]);
    assert_eq!(argument(&[event]), other);
    let empty: (u16, &[u32]) = (op::TYPE_STRUCT, &[20]);
    assert_eq!(argument(&[empty]), other);
    // A size past all numbers.
    let long: (u16, &[u32]) = (op::TYPE_INT, &[3, 64, 0]);
    let many: (u16, &[u32]) = (op::CONSTANT, &[3, 5, u32::MAX, u32::MAX]);
    let array: (u16, &[u32]) = (op::TYPE_ARRAY, &[20, 3, 5]);
    assert_eq!(argument(&[long, many, array]), other);
    let generic: (u16, &[u32]) = (op::TYPE_POINTER, &[20, 8, 3]);
    assert_eq!(argument(&[long, generic]), other);
}

/// Hostile input is read in a time that grows as its length does: deep nesting, many decorations.
#[test]
fn long_chains_are_read_without_recursion() {
    let mut words = module(&[]);
    words[3] = u32::MAX;
    words.extend(instruction(op::TYPE_INT, &[1, 8, 0]));
    for id in 2..200_000 {
        words.extend(instruction(op::TYPE_STRUCT, &[id, id - 1]));
        words.extend(instruction(op::DECORATE, &[id, 10]));
        words.extend(instruction(op::GROUP_DECORATE, &[id, id + 1]));
    }
    assert!(Module::parse(&words).is_ok());
}

/// What few words say of many must not be kept once for each of them.
#[test]
fn kernels_of_one_function_share_what_is_known_of_it() {
    let mut words = module(&[]);
    words[3] = u32::MAX;
    let name: Vec<u32> = [10]
        .into_iter()
        .chain([0x4141_4141; 1000])
        .chain([0])
        .collect();
    words.extend(instruction(op::NAME, &name));
    for number in 0..20_000_u32 {
        let text = format!("kernel{number:06}\0\0\0\0");
        let text = text.as_bytes().as_chunks::<4>().0.iter();
        let operands: Vec<u32> = [6, 5]
            .into_iter()
            .chain(text.map(|it| u32::from_le_bytes(*it)))
            .collect();
        words.extend(instruction(op::ENTRY_POINT, &operands));
    }
    words.extend(instruction(op::TYPE_VOID, &[1]));
    words.extend(instruction(op::TYPE_INT, &[2, 32, 0]));
    let types: Vec<u32> = [3, 1].into_iter().chain([2; 20_000]).collect();
    words.extend(instruction(op::TYPE_FUNCTION, &types));
    words.extend(instruction(op::FUNCTION, &[1, 5, 0, 3]));
    for id in 10..20_010 {
        words.extend(instruction(op::FUNCTION_PARAMETER, &[2, id]));
    }
    words.extend(instruction(op::FUNCTION_END, &[]));
    let parsed = Module::parse(&words).unwrap();
    assert_eq!(parsed.kernels.len(), 20_000);
    let [first, second, ..] = &parsed.kernels[..] else {
        unreachable!()
    };
    assert_eq!(first.arguments.len(), 20_000);
    assert!(Arc::ptr_eq(&first.arguments, &second.arguments));
}

#[test]
fn names_to_link_by_are_of_one_id_each() {
    let linkage: (u16, &[u32]) = (op::DECORATE, &[9, 41, 0x41, 0]);
    let group: (u16, &[u32]) = (op::GROUP_DECORATE, &[9, 10, 11]);
    assert_eq!(
        problem(&[linkage, group]),
        "a group of ids has one name to be linked by"
    );
}

#[test]
fn constants_are_numbers_or_booleans() {
    let int: (u16, &[u32]) = (op::TYPE_INT, &[1, 64, 0]);
    let many: (u16, &[u32]) = (op::CONSTANT, &[1, 2, 0, 1 << 20]);
    let array: (u16, &[u32]) = (op::TYPE_ARRAY, &[3, 1, 2]);
    let kind = "a constant has a type of another kind";
    // One whose value would take petabytes.
    for code in [op::CONSTANT, op::SPEC_CONSTANT, op::SPEC_CONSTANT_TRUE] {
        assert_eq!(problem(&[int, many, array, (code, &[3, 4, 0])]), kind);
    }
    assert_eq!(problem(&[int, (op::SPEC_CONSTANT_TRUE, &[1, 4])]), kind);
    let boolean: (u16, &[u32]) = (op::TYPE_BOOL, &[5]);
    assert_eq!(problem(&[boolean, (op::SPEC_CONSTANT, &[5, 4, 1])]), kind);
}
