//! SPIR-V modules: which kernels there are, what arguments they take, what can be specialised.
//!
//! Reads what a driver must know before it compiles, and checks as much as that takes. Input of any
//! kind is safe: time and memory are linear in its length, and nothing is trusted to be in order.
//!
//! From the [specification](https://registry.khronos.org/SPIR-V/specs/unified1/SPIRV.html) and the
//! [environment of OpenCL](https://registry.khronos.org/OpenCL/specs/3.0-unified/html/OpenCL_Env.html).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

const MAGIC: u32 = 0x0723_0203;
const HEADER_WORDS: usize = 5;
/// Bytes of a pointer, by the only addressing model that is accepted.
const POINTER: u64 = 8;

/// The numbers of the specification.
mod op {
    pub(super) const NAME: u16 = 5;
    pub(super) const MEMORY_MODEL: u16 = 14;
    pub(super) const ENTRY_POINT: u16 = 15;
    pub(super) const EXECUTION_MODE: u16 = 16;
    pub(super) const TYPE_VOID: u16 = 19;
    pub(super) const TYPE_BOOL: u16 = 20;
    pub(super) const TYPE_INT: u16 = 21;
    pub(super) const TYPE_FLOAT: u16 = 22;
    pub(super) const TYPE_VECTOR: u16 = 23;
    pub(super) const TYPE_IMAGE: u16 = 25;
    pub(super) const TYPE_SAMPLER: u16 = 26;
    pub(super) const TYPE_SAMPLED_IMAGE: u16 = 27;
    pub(super) const TYPE_ARRAY: u16 = 28;
    pub(super) const TYPE_STRUCT: u16 = 30;
    pub(super) const TYPE_OPAQUE: u16 = 31;
    pub(super) const TYPE_POINTER: u16 = 32;
    pub(super) const TYPE_FUNCTION: u16 = 33;
    /// Events, queues, pipes, reservations: types that no argument here can have.
    pub(super) const TYPE_EVENT: u16 = 34;
    pub(super) const TYPE_PIPE: u16 = 38;
    pub(super) const TYPE_FORWARD_POINTER: u16 = 39;
    pub(super) const CONSTANT: u16 = 43;
    pub(super) const SPEC_CONSTANT_TRUE: u16 = 48;
    pub(super) const SPEC_CONSTANT_FALSE: u16 = 49;
    pub(super) const SPEC_CONSTANT: u16 = 50;
    pub(super) const FUNCTION: u16 = 54;
    pub(super) const FUNCTION_PARAMETER: u16 = 55;
    pub(super) const FUNCTION_END: u16 = 56;
    pub(super) const VARIABLE: u16 = 59;
    pub(super) const DECORATE: u16 = 71;
    pub(super) const GROUP_DECORATE: u16 = 74;
    pub(super) const EXECUTION_MODE_ID: u16 = 331;
}

mod number {
    pub(super) const ADDRESSING_PHYSICAL64: u32 = 2;
    pub(super) const MEMORY_OPENCL: u32 = 2;
    pub(super) const MODEL_KERNEL: u32 = 6;
    pub(super) const STORAGE_UNIFORM_CONSTANT: u32 = 0;
    pub(super) const STORAGE_WORKGROUP: u32 = 4;
    pub(super) const STORAGE_CROSS_WORKGROUP: u32 = 5;
    pub(super) const STORAGE_FUNCTION: u32 = 7;
    pub(super) const MODE_LOCAL_SIZE: u32 = 17;
    pub(super) const MODE_LOCAL_SIZE_HINT: u32 = 18;
    pub(super) const MODE_SUBGROUP_SIZE: u32 = 35;
    pub(super) const MODE_SUBGROUPS_PER_WORKGROUP: u32 = 36;
    pub(super) const MODE_SUBGROUPS_PER_WORKGROUP_ID: u32 = 37;
    pub(super) const MODE_LOCAL_SIZE_ID: u32 = 38;
    pub(super) const MODE_LOCAL_SIZE_HINT_ID: u32 = 39;
    pub(super) const DECORATION_SPEC_ID: u32 = 1;
    pub(super) const DECORATION_C_PACKED: u32 = 10;
    pub(super) const DECORATION_BUILT_IN: u32 = 11;
    pub(super) const DECORATION_FUNC_PARAM_ATTR: u32 = 38;
    pub(super) const DECORATION_LINKAGE: u32 = 41;
    pub(super) const ATTRIBUTE_NO_WRITE: u32 = 6;
    pub(super) const LINKAGE_IMPORT: u32 = 1;
}

/// Why a module was refused: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// The word at which the instruction starts.
    pub(crate) word: usize,
    pub(crate) problem: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid SPIR-V at word {}: {}", self.word, self.problem)
    }
}

/// What a module offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// Major and minor.
    pub(crate) version: (u8, u8),
    /// In the order of the module.
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) constants: Vec<SpecConstant>,
    /// What another module must bring. What the device itself brings is not among them.
    pub(crate) imports: Vec<Symbol>,
    /// What other modules may use.
    pub(crate) exports: Vec<Symbol>,
}

/// An entry point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) name: String,
    /// Shared by the kernels that are one function.
    pub(crate) arguments: Arc<[Argument]>,
    pub(crate) required_group_size: Option<[u32; 3]>,
    pub(crate) group_size_hint: Option<[u32; 3]>,
    pub(crate) required_subgroup_size: Option<u32>,
    pub(crate) required_subgroups: Option<u32>,
}

/// An argument of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Argument {
    /// As in the source, where the compiler kept it.
    pub(crate) name: Option<String>,
    pub(crate) kind: ArgumentKind,
    /// Bytes of the value that is handed over; of a pointer, those of the pointer.
    pub(crate) size: u64,
    /// The kernel is known to leave what the pointer points to as it is.
    pub(crate) read_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgumentKind {
    /// A pointer to memory of the device.
    Global,
    /// A pointer to memory that no kernel changes.
    Constant,
    /// Memory of a group, of a size that is given at the launch.
    Local,
    /// A scalar, vector or structure, by value.
    Value,
    Image,
    Sampler,
    /// Anything else: pipes, queues, structures without a known size.
    Other,
}

/// A constant that is given a value before the module is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpecConstant {
    pub(crate) id: u32,
    /// In bytes; 1 for a boolean.
    pub(crate) size: u64,
}

/// What is linked by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) is_function: bool,
}

/// The words of a module in the byte order of this machine.
///
/// # Errors
///
/// The length is no multiple of four, or too short, or the first word is not SPIR-V's.
pub(crate) fn words(bytes: &[u8]) -> Result<Vec<u32>, Malformed> {
    let refuse = |problem| Err(Malformed { word: 0, problem });
    let (chunks, []) = bytes.as_chunks::<4>() else {
        return refuse("the length is no multiple of 4 bytes");
    };
    let swapped = match chunks.first().map(|first| u32::from_ne_bytes(*first)) {
        Some(MAGIC) => false,
        Some(other) if other.swap_bytes() == MAGIC => true,
        _ => return refuse("the first word is not that of SPIR-V"),
    };
    if chunks.len() < HEADER_WORDS {
        return refuse("the header is cut off");
    }
    let word = |chunk: &[u8; 4]| {
        let word = u32::from_ne_bytes(*chunk);
        if swapped { word.swap_bytes() } else { word }
    };
    Ok(chunks.iter().map(word).collect())
}

/// Size and alignment of a type in memory.
#[derive(Clone, Copy)]
struct Layout {
    size: u64,
    align: u64,
}

#[derive(Clone)]
enum Type {
    /// An integer of that many bits: what a specialisation or a length may be.
    Int(Layout),
    Float(Layout),
    Bool,
    Plain(Option<Layout>),
    Pointer {
        storage: u32,
        target: u32,
    },
    Function(Rc<[u32]>),
    Image,
    Sampler,
    Opaque,
}

impl Type {
    fn layout(&self) -> Option<Layout> {
        match self {
            Self::Int(layout) | Self::Float(layout) => Some(*layout),
            Self::Bool => Some(Layout { size: 1, align: 1 }),
            Self::Plain(layout) => *layout,
            Self::Pointer { .. } => Some(Layout {
                size: POINTER,
                align: POINTER,
            }),
            Self::Function(_) | Self::Image | Self::Sampler | Self::Opaque => None,
        }
    }
}

/// What the decorations of an id say, as far as it matters here.
#[derive(Clone, Default)]
struct Decorations {
    spec_id: Option<u32>,
    packed: bool,
    built_in: bool,
    no_write: bool,
    /// The name, and whether it is imported.
    linkage: Option<(Rc<str>, bool)>,
}

impl Decorations {
    fn merge(&mut self, other: &Self) {
        self.spec_id = self.spec_id.or(other.spec_id);
        self.packed |= other.packed;
        self.built_in |= other.built_in;
        self.no_write |= other.no_write;
        if self.linkage.is_none() {
            self.linkage.clone_from(&other.linkage);
        }
    }
}

struct EntryPoint {
    function: u32,
    name: String,
    word: usize,
}

struct Function {
    function_type: u32,
    parameters: Vec<u32>,
}

/// Sizes by numbers or by the ids of constants.
#[derive(Default, Clone, Copy)]
struct Modes {
    group_size: Option<[Operand; 3]>,
    group_size_hint: Option<[Operand; 3]>,
    subgroup_size: Option<u32>,
    subgroups: Option<Operand>,
}

#[derive(Clone, Copy)]
enum Operand {
    Literal(u32),
    Constant(u32),
}

#[derive(Default)]
struct Reader {
    bound: u32,
    memory_model: bool,
    defined: HashSet<u32>,
    names: HashMap<u32, String>,
    decorations: HashMap<u32, Decorations>,
    types: HashMap<u32, Type>,
    forward: HashSet<u32>,
    constants: HashMap<u32, u64>,
    spec_constants: Vec<(u32, u64)>,
    entry_points: Vec<EntryPoint>,
    modes: HashMap<u32, Modes>,
    functions: HashMap<u32, Function>,
    /// Functions and variables, in order: an id, and whether it is a function.
    symbols: Vec<(u32, bool)>,
    current: Option<u32>,
}

type Step<T = ()> = Result<T, &'static str>;

/// The words of one instruction after the first.
struct Operands<'a>(&'a [u32]);

impl<'a> Operands<'a> {
    fn next(&mut self) -> Step<u32> {
        let (first, rest) = self.0.split_first().ok_or("an instruction is too short")?;
        self.0 = rest;
        Ok(*first)
    }

    /// A string that ends inside of the instruction.
    fn text(&mut self) -> Step<String> {
        let mut bytes = Vec::new();
        loop {
            let word = self
                .next()
                .map_err(|_| "a string does not end")?
                .to_le_bytes();
            match word.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    bytes.extend_from_slice(&word[..end]);
                    break;
                }
                None => bytes.extend_from_slice(&word),
            }
        }
        String::from_utf8(bytes).map_err(|_| "a string is not UTF-8")
    }

    fn three(&mut self, make: fn(u32) -> Operand) -> Step<[Operand; 3]> {
        Ok([make(self.next()?), make(self.next()?), make(self.next()?)])
    }

    fn rest(self) -> &'a [u32] {
        self.0
    }
}

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    ///
    /// What is wrong, at the first place where something is.
    pub(crate) fn parse(words: &[u32]) -> Result<Self, Malformed> {
        let refuse = |word, problem| Malformed { word, problem };
        let [magic, version, _, bound, schema, ..] = *words else {
            return Err(refuse(0, "the header is cut off"));
        };
        if magic != MAGIC {
            return Err(refuse(0, "the first word is not that of SPIR-V"));
        }
        let [low, minor, major, high] = version.to_le_bytes();
        if low != 0 || high != 0 || major != 1 {
            return Err(refuse(1, "the version is not of the form 1.x"));
        }
        if schema != 0 {
            return Err(refuse(4, "the schema is not 0"));
        }
        let mut reader = Reader {
            bound,
            ..Reader::default()
        };
        let mut at = HEADER_WORDS;
        while let Some(&first) = words.get(at) {
            let [a, b, c, d] = first.to_le_bytes();
            let (code, len) = (
                u16::from_le_bytes([a, b]),
                usize::from(u16::from_le_bytes([c, d])),
            );
            if len == 0 {
                return Err(refuse(at, "an instruction has no words"));
            }
            let operands = words
                .get(at + 1..at + len)
                .ok_or(refuse(at, "the last instruction is cut off"))?;
            reader
                .instruction(code, Operands(operands), at)
                .map_err(|problem| refuse(at, problem))?;
            at += len;
        }
        if reader.current.is_some() {
            return Err(refuse(at, "the last function does not end"));
        }
        if !reader.memory_model {
            return Err(refuse(at, "there is no memory model"));
        }
        reader.finish((major, minor))
    }

    /// The kernel of a name.
    pub(crate) fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|kernel| kernel.name == name)
    }
}

impl Reader {
    fn define(&mut self, id: u32) -> Step<u32> {
        if id == 0 || id >= self.bound {
            return Err("an id is 0 or not below the bound");
        }
        if !self.defined.insert(id) {
            return Err("an id is defined twice");
        }
        Ok(id)
    }

    fn instruction(&mut self, code: u16, mut operands: Operands<'_>, word: usize) -> Step {
        match code {
            op::NAME => {
                let id = operands.next()?;
                let text = operands.text()?;
                self.names.insert(id, text);
            }
            op::MEMORY_MODEL => {
                if operands.next()? != number::ADDRESSING_PHYSICAL64 {
                    return Err("the addressing model is not Physical64");
                }
                if operands.next()? != number::MEMORY_OPENCL {
                    return Err("the memory model is not OpenCL");
                }
                self.memory_model = true;
            }
            op::ENTRY_POINT => {
                if operands.next()? != number::MODEL_KERNEL {
                    return Err("an entry point is no kernel");
                }
                self.entry_points.push(EntryPoint {
                    function: operands.next()?,
                    name: operands.text()?,
                    word,
                });
            }
            op::EXECUTION_MODE | op::EXECUTION_MODE_ID => self.execution_mode(operands)?,
            op::DECORATE => self.decorate(operands)?,
            op::GROUP_DECORATE => {
                let group = self
                    .decorations
                    .get(&operands.next()?)
                    .cloned()
                    .unwrap_or_default();
                if group.linkage.is_some() {
                    return Err("a group of ids has one name to be linked by");
                }
                for target in operands.rest() {
                    self.decorations.entry(*target).or_default().merge(&group);
                }
            }
            op::TYPE_FORWARD_POINTER => {
                self.forward.insert(operands.next()?);
            }
            op::TYPE_VOID..=op::TYPE_PIPE => self.type_of(code, operands)?,
            op::CONSTANT | op::SPEC_CONSTANT | op::SPEC_CONSTANT_TRUE | op::SPEC_CONSTANT_FALSE => {
                self.constant(code, operands)?;
            }
            op::FUNCTION => {
                if self.current.is_some() {
                    return Err("a function begins inside of another");
                }
                operands.next()?;
                let id = self.define(operands.next()?)?;
                operands.next()?;
                let function = Function {
                    function_type: operands.next()?,
                    parameters: Vec::new(),
                };
                self.functions.insert(id, function);
                self.symbols.push((id, true));
                self.current = Some(id);
            }
            op::FUNCTION_PARAMETER => {
                operands.next()?;
                let id = self.define(operands.next()?)?;
                let current = self.current.ok_or("a parameter is outside of a function")?;
                if let Some(function) = self.functions.get_mut(&current) {
                    function.parameters.push(id);
                }
            }
            op::FUNCTION_END => {
                self.current
                    .take()
                    .ok_or("a function ends that never began")?;
            }
            op::VARIABLE if self.current.is_none() => {
                operands.next()?;
                let id = self.define(operands.next()?)?;
                operands.next()?;
                self.symbols.push((id, false));
            }
            _ => {}
        }
        Ok(())
    }

    fn execution_mode(&mut self, mut operands: Operands<'_>) -> Step {
        let modes = self.modes.entry(operands.next()?).or_default();
        match operands.next()? {
            number::MODE_LOCAL_SIZE => {
                modes.group_size = Some(operands.three(Operand::Literal)?);
            }
            number::MODE_LOCAL_SIZE_ID => {
                modes.group_size = Some(operands.three(Operand::Constant)?);
            }
            number::MODE_LOCAL_SIZE_HINT => {
                modes.group_size_hint = Some(operands.three(Operand::Literal)?);
            }
            number::MODE_LOCAL_SIZE_HINT_ID => {
                modes.group_size_hint = Some(operands.three(Operand::Constant)?);
            }
            number::MODE_SUBGROUP_SIZE => modes.subgroup_size = Some(operands.next()?),
            number::MODE_SUBGROUPS_PER_WORKGROUP => {
                modes.subgroups = Some(Operand::Literal(operands.next()?));
            }
            number::MODE_SUBGROUPS_PER_WORKGROUP_ID => {
                modes.subgroups = Some(Operand::Constant(operands.next()?));
            }
            _ => {}
        }
        Ok(())
    }

    fn decorate(&mut self, mut operands: Operands<'_>) -> Step {
        let target = operands.next()?;
        let decoration = operands.next()?;
        let mut said = Decorations::default();
        match decoration {
            number::DECORATION_SPEC_ID => said.spec_id = Some(operands.next()?),
            number::DECORATION_C_PACKED => said.packed = true,
            number::DECORATION_BUILT_IN => said.built_in = true,
            number::DECORATION_FUNC_PARAM_ATTR => {
                said.no_write = operands.next()? == number::ATTRIBUTE_NO_WRITE;
            }
            number::DECORATION_LINKAGE => {
                let name = operands.text()?;
                let imported = operands.next()? == number::LINKAGE_IMPORT;
                said.linkage = Some((name.into(), imported));
            }
            _ => return Ok(()),
        }
        self.decorations.entry(target).or_default().merge(&said);
        Ok(())
    }

    /// The layout of a part of a type, which comes before the whole, or is a pointer.
    fn part(&self, id: u32) -> Step<Option<Layout>> {
        match self.types.get(&id) {
            Some(part) => Ok(part.layout()),
            None if self.forward.contains(&id) => Ok(Some(Layout {
                size: POINTER,
                align: POINTER,
            })),
            None => Err("a type is used before it is defined"),
        }
    }

    fn type_of(&mut self, code: u16, mut operands: Operands<'_>) -> Step {
        let id = self.define(operands.next()?)?;
        if self.forward.contains(&id) && code != op::TYPE_POINTER {
            return Err("a type was announced as a pointer and is none");
        }
        let scalar = |bits: u32| match bits {
            8 | 16 | 32 | 64 => {
                let size = u64::from(bits / 8);
                Some(Layout { size, align: size })
            }
            _ => None,
        };
        let made = match code {
            op::TYPE_VOID => Type::Plain(None),
            op::TYPE_BOOL => Type::Bool,
            op::TYPE_INT => match scalar(operands.next()?) {
                Some(layout) => Type::Int(layout),
                None => Type::Plain(None),
            },
            op::TYPE_FLOAT => match scalar(operands.next()?) {
                Some(layout) => Type::Float(layout),
                None => Type::Plain(None),
            },
            op::TYPE_VECTOR => {
                let part = self.part(operands.next()?)?;
                // Vectors of three take the room of four.
                let count = u64::from(operands.next()?.max(1)).next_power_of_two();
                Type::Plain(part.and_then(|part| {
                    let size = part.size.checked_mul(count)?;
                    Some(Layout { size, align: size })
                }))
            }
            op::TYPE_ARRAY => {
                let part = self.part(operands.next()?)?;
                let count = self.constants.get(&operands.next()?);
                Type::Plain(part.zip(count).and_then(|(part, count)| {
                    let size = part.size.checked_mul(*count)?;
                    let align = part.align;
                    Some(Layout { size, align })
                }))
            }
            op::TYPE_STRUCT => {
                let packed = self.decorations.get(&id).is_some_and(|said| said.packed);
                let mut whole = Some(Layout { size: 0, align: 1 });
                for member in operands.rest() {
                    let part = self.part(*member)?;
                    whole = whole
                        .zip(part)
                        .and_then(|(whole, part)| after(whole, part, packed));
                }
                Type::Plain(whole.and_then(|whole| {
                    let size = whole.size.checked_next_multiple_of(whole.align)?;
                    Some(Layout { size, ..whole })
                }))
            }
            op::TYPE_POINTER => {
                let storage = operands.next()?;
                let target = operands.next()?;
                if !self.types.contains_key(&target) && !self.forward.contains(&id) {
                    return Err("a type is used before it is defined");
                }
                Type::Pointer { storage, target }
            }
            op::TYPE_FUNCTION => {
                operands.next()?;
                let parameters = operands.rest();
                for parameter in parameters {
                    self.part(*parameter)?;
                }
                Type::Function(parameters.into())
            }
            op::TYPE_IMAGE | op::TYPE_SAMPLED_IMAGE => Type::Image,
            op::TYPE_SAMPLER => Type::Sampler,
            op::TYPE_OPAQUE..=op::TYPE_PIPE
                if code >= op::TYPE_EVENT || code == op::TYPE_OPAQUE =>
            {
                Type::Opaque
            }
            _ => Type::Plain(None),
        };
        self.types.insert(id, made);
        Ok(())
    }

    fn constant(&mut self, code: u16, mut operands: Operands<'_>) -> Step {
        let of = operands.next()?;
        let id = self.define(operands.next()?)?;
        let fits = match self.types.get(&of) {
            None => return Err("a constant has a type that is not defined"),
            Some(Type::Bool) => matches!(code, op::SPEC_CONSTANT_TRUE | op::SPEC_CONSTANT_FALSE),
            Some(Type::Int(_) | Type::Float(_)) => {
                matches!(code, op::CONSTANT | op::SPEC_CONSTANT)
            }
            // Numbers of other widths have no layout here, and as little to do with kernels.
            Some(Type::Plain(None)) => code == op::CONSTANT,
            Some(_) => false,
        };
        if !fits {
            return Err("a constant has a type of another kind");
        }
        if code == op::CONSTANT || code == op::SPEC_CONSTANT {
            let low = operands.next()?;
            let high = operands.next().unwrap_or(0);
            if let Some(Type::Int(_)) = self.types.get(&of) {
                let value = u64::from(low) | (u64::from(high) << 32);
                self.constants.insert(id, value);
            }
        }
        if code != op::CONSTANT {
            let layout = self.types.get(&of).and_then(Type::layout);
            let size = layout.ok_or("a constant has a type without a size")?.size;
            self.spec_constants.push((id, size));
        }
        Ok(())
    }

    fn value(&self, operand: Operand) -> Step<u32> {
        match operand {
            Operand::Literal(value) => Ok(value),
            Operand::Constant(id) => self
                .constants
                .get(&id)
                .and_then(|value| u32::try_from(*value).ok())
                .ok_or("a size is no constant of 32 bits"),
        }
    }

    fn three(&self, operands: Option<[Operand; 3]>) -> Step<Option<[u32; 3]>> {
        let Some([x, y, z]) = operands else {
            return Ok(None);
        };
        Ok(Some([self.value(x)?, self.value(y)?, self.value(z)?]))
    }

    fn finish(self, version: (u8, u8)) -> Result<Module, Malformed> {
        let mut kernels = Vec::new();
        let (mut seen, mut arguments) = (HashSet::new(), HashMap::new());
        for entry in &self.entry_points {
            let kernel = self.kernel(entry, &mut arguments).and_then(|kernel| {
                if seen.insert(entry.name.as_str()) {
                    Ok(kernel)
                } else {
                    Err("two kernels have the same name")
                }
            });
            kernels.push(kernel.map_err(|problem| Malformed {
                word: entry.word,
                problem,
            })?);
        }
        let spec_id = |id| self.decorations.get(id).and_then(|said| said.spec_id);
        let constants = self
            .spec_constants
            .iter()
            .filter_map(|(id, size)| {
                Some(SpecConstant {
                    id: spec_id(id)?,
                    size: *size,
                })
            })
            .collect();
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        for (id, is_function) in &self.symbols {
            let Some(said) = self.decorations.get(id) else {
                continue;
            };
            if let (Some((name, imported)), false) = (&said.linkage, said.built_in) {
                let symbols = if *imported {
                    &mut imports
                } else {
                    &mut exports
                };
                symbols.push(Symbol {
                    name: name.to_string(),
                    is_function: *is_function,
                });
            }
        }
        Ok(Module {
            version,
            kernels,
            constants,
            imports,
            exports,
        })
    }

    /// The kernel of an entry point, with the arguments of its function, which are kept for others.
    fn kernel(
        &self,
        entry: &EntryPoint,
        known: &mut HashMap<u32, Arc<[Argument]>>,
    ) -> Step<Kernel> {
        let function = self
            .functions
            .get(&entry.function)
            .ok_or("a kernel is no function of the module")?;
        let Some(Type::Function(types)) = self.types.get(&function.function_type) else {
            return Err("a function has a type that is not one of functions");
        };
        if types.len() != function.parameters.len() {
            return Err("a function has not as many parameters as its type");
        }
        let arguments = known.entry(entry.function).or_insert_with(|| {
            let parameters = function.parameters.iter().zip(types.iter());
            parameters.map(|(id, of)| self.argument(*id, *of)).collect()
        });
        let modes = self.modes.get(&entry.function).copied().unwrap_or_default();
        let required_group_size = self.three(modes.group_size)?;
        if required_group_size.is_some_and(|size| size.contains(&0)) {
            return Err("a required size of groups is 0");
        }
        Ok(Kernel {
            name: entry.name.clone(),
            arguments: Arc::clone(arguments),
            required_group_size,
            group_size_hint: self.three(modes.group_size_hint)?,
            required_subgroup_size: modes.subgroup_size,
            required_subgroups: modes
                .subgroups
                .map(|operand| self.value(operand))
                .transpose()?,
        })
    }

    fn argument(&self, id: u32, of: u32) -> Argument {
        let by_value = |layout: Option<Layout>| match layout {
            Some(layout) if layout.size > 0 => (ArgumentKind::Value, layout.size),
            _ => (ArgumentKind::Other, 0),
        };
        let (kind, size) = match self.types.get(&of) {
            Some(Type::Pointer { storage, target }) => match *storage {
                number::STORAGE_CROSS_WORKGROUP => (ArgumentKind::Global, POINTER),
                number::STORAGE_UNIFORM_CONSTANT => (ArgumentKind::Constant, POINTER),
                number::STORAGE_WORKGROUP => (ArgumentKind::Local, POINTER),
                // A structure by value is a pointer to the copy that each item has.
                number::STORAGE_FUNCTION => by_value(self.types.get(target).and_then(Type::layout)),
                _ => (ArgumentKind::Other, 0),
            },
            Some(Type::Image) => (ArgumentKind::Image, POINTER),
            Some(Type::Sampler) => (ArgumentKind::Sampler, POINTER),
            Some(Type::Int(layout) | Type::Float(layout)) => by_value(Some(*layout)),
            Some(Type::Plain(layout)) => by_value(*layout),
            _ => (ArgumentKind::Other, 0),
        };
        Argument {
            name: self.names.get(&id).filter(|name| !name.is_empty()).cloned(),
            kind,
            size,
            read_only: self.decorations.get(&id).is_some_and(|said| said.no_write),
        }
    }
}

/// A structure with one more member at its end.
fn after(whole: Layout, part: Layout, packed: bool) -> Option<Layout> {
    let align = if packed { 1 } else { part.align };
    let start = whole.size.checked_next_multiple_of(align.max(1))?;
    Some(Layout {
        size: start.checked_add(part.size)?,
        align: whole.align.max(align),
    })
}

#[cfg(test)]
mod tests;
