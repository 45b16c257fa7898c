//! What comes of a module that was read to its end.

use crate::kernel::{Argument, ArgumentKind, Kernel};
use crate::layout::{Layout, POINTER, Type};
use crate::malformed::Malformed;
use crate::module::{Module, SpecConstant, Symbol};
use crate::numbers::number;
use crate::operands::{Operand, Step};
use crate::reader::{EntryPoint, Reader};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Reader {
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

    pub(crate) fn finish(self, version: (u8, u8)) -> Result<Module, Malformed> {
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
