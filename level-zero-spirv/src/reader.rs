//! Reads the instructions of a module, one after another.

use crate::decorations::Decorations;
use crate::layout::{Layout, POINTER, Type, after};
use crate::numbers::{number, op};
use crate::operands::{Operand, Operands, Step};
use std::collections::{HashMap, HashSet};

pub(crate) struct EntryPoint {
    pub(crate) function: u32,
    pub(crate) name: String,
    pub(crate) word: usize,
}

pub(crate) struct Function {
    pub(crate) function_type: u32,
    pub(crate) parameters: Vec<u32>,
}

/// Sizes by numbers or by the ids of constants.
#[derive(Default, Clone, Copy)]
pub(crate) struct Modes {
    pub(crate) group_size: Option<[Operand; 3]>,
    pub(crate) group_size_hint: Option<[Operand; 3]>,
    pub(crate) subgroup_size: Option<u32>,
    pub(crate) subgroups: Option<Operand>,
}

#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) bound: u32,
    pub(crate) memory_model: bool,
    pub(crate) defined: HashSet<u32>,
    pub(crate) names: HashMap<u32, String>,
    pub(crate) decorations: HashMap<u32, Decorations>,
    pub(crate) types: HashMap<u32, Type>,
    pub(crate) forward: HashSet<u32>,
    pub(crate) constants: HashMap<u32, u64>,
    pub(crate) spec_constants: Vec<(u32, u64)>,
    pub(crate) entry_points: Vec<EntryPoint>,
    pub(crate) modes: HashMap<u32, Modes>,
    pub(crate) functions: HashMap<u32, Function>,
    /// Functions and variables, in order: an id, and whether it is a function.
    pub(crate) symbols: Vec<(u32, bool)>,
    pub(crate) current: Option<u32>,
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

    pub(crate) fn instruction(
        &mut self,
        code: u16,
        mut operands: Operands<'_>,
        word: usize,
    ) -> Step {
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
}
