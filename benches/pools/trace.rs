//! The tensors of a language model that answers a prompt, as a sequence of allocations and frees.
//!
//! The shapes are the published ones of GPT-2 (124 million parameters): 12 layers, hidden size 768,
//! 12 heads, a vocabulary of 50,257, up to 1024 positions; 16-bit floats. A program loads the
//! weights, takes a prompt of 512 tokens and generates 64 more, one a step. The cache of keys and
//! values of a layer grows as in eager frameworks: each step allocates the longer one, then frees
//! the one before. Everything between is allocated when an operation needs its result and freed
//! after the last operation that reads it; additions to the residual, the softmax and the
//! activation work in place.
//!
//! The file has a line for each tensor, in the order of allocation: its bytes, and how many more
//! tensors are allocated while it lives; nothing for one that lives to the end.

use crate::contender::Failure;
use std::fmt::Write;
use std::path::PathBuf;

const LAYERS: usize = 12;
const HIDDEN: usize = 768;
const HEADS: usize = 12;
const VOCABULARY: usize = 50_257;
const POSITIONS: usize = 1024;
const PROMPT: usize = 512;
const GENERATED: usize = 64;
/// Bytes of a number, and of a token.
const NUMBER: usize = 2;
const TOKEN: usize = 8;

/// What the repository has.
const SHIPPED: &str = include_str!("traces/gpt2.csv");
const HEADER: &str = "bytes,life";

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Event {
    /// Allocates that many bytes into an empty slot.
    Allocate { slot: usize, bytes: usize },
    /// Frees what is in the slot.
    Free { slot: usize },
}

/// A sequence of allocations and frees, in the end of which nothing is left.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) events: Vec<Event>,
    /// How many tensors there are.
    pub(crate) tensors: usize,
    /// How many of them live at once, at most.
    pub(crate) slots: usize,
    /// How many bytes live at once, at most.
    pub(crate) peak: usize,
}

/// One tensor: its bytes, and how many more are allocated while it lives.
type Tensor = (usize, Option<usize>);

impl Trace {
    /// The one that is shipped.
    pub(crate) fn shipped() -> Result<Self, Failure> {
        let mut tensors = Vec::new();
        for line in SHIPPED.lines().skip(1) {
            let (bytes, life) = line.split_once(',').ok_or("a line without a comma")?;
            let life = match life {
                "" => None,
                life => Some(life.parse()?),
            };
            tensors.push((bytes.parse()?, life));
        }
        Ok(Self::of(&tensors))
    }

    fn of(tensors: &[Tensor]) -> Self {
        // Which tensors are freed after that many were allocated.
        let mut ends = vec![Vec::new(); tensors.len() + 1];
        for (index, (_, life)) in tensors.iter().enumerate() {
            let end = life.map_or(tensors.len(), |life| index + 1 + life);
            ends[end.min(tensors.len())].push(index);
        }
        let (mut events, mut empty, mut slots) = (Vec::new(), Vec::new(), 0);
        let mut slot_of = vec![0; tensors.len()];
        let (mut live, mut peak) = (0, 0);
        for (index, end) in ends.iter().enumerate() {
            for &freed in end {
                events.push(Event::Free {
                    slot: slot_of[freed],
                });
                empty.push(slot_of[freed]);
                live -= tensors[freed].0;
            }
            if let Some(&(bytes, _)) = tensors.get(index) {
                let slot = empty.pop().unwrap_or_else(|| {
                    slots += 1;
                    slots - 1
                });
                slot_of[index] = slot;
                events.push(Event::Allocate { slot, bytes });
                live += bytes;
                peak = peak.max(live);
            }
        }
        Self {
            events,
            tensors: tensors.len(),
            slots,
            peak,
        }
    }
}

/// Whether the file is what the generator makes.
pub(crate) fn is_shipped() -> bool {
    SHIPPED == file()
}

/// Writes the file; its path.
pub(crate) fn write() -> std::io::Result<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/pools/traces/gpt2.csv");
    std::fs::write(&path, file())?;
    Ok(path)
}

fn file() -> String {
    let mut text = format!("{HEADER}\n");
    for (bytes, life) in Program::run() {
        let life = life.map(|life| life.to_string()).unwrap_or_default();
        // Writing to a string does not fail.
        let _: std::fmt::Result = writeln!(text, "{bytes},{life}");
    }
    text
}

/// The program that allocates the tensors.
#[derive(Default)]
struct Program {
    tensors: Vec<Tensor>,
}

/// A tensor of the program, by its number.
type Id = usize;

impl Program {
    fn run() -> Vec<Tensor> {
        let mut program = Self::default();
        program.weights();
        let mut caches = vec![None; LAYERS];
        let mut tokens = program.bytes(PROMPT * TOKEN);
        program.step(PROMPT, 0, &mut caches, &mut tokens);
        for generated in 0..GENERATED {
            program.step(1, PROMPT + generated, &mut caches, &mut tokens);
        }
        program.free(tokens);
        for (keys, values) in caches.into_iter().flatten() {
            program.free(keys);
            program.free(values);
        }
        program.tensors
    }

    /// They live to the end.
    fn weights(&mut self) {
        self.numbers(VOCABULARY * HIDDEN);
        self.numbers(POSITIONS * HIDDEN);
        for _ in 0..LAYERS {
            // Normalisation; the attention's input and output; normalisation; the two layers of
            // the network behind. Each has a bias.
            for (rows, columns) in [
                (1, HIDDEN),
                (HIDDEN, 3 * HIDDEN),
                (HIDDEN, HIDDEN),
                (1, HIDDEN),
                (HIDDEN, 4 * HIDDEN),
                (4 * HIDDEN, HIDDEN),
            ] {
                self.numbers(rows * columns);
                self.numbers(columns);
            }
        }
        self.numbers(HIDDEN);
        self.numbers(HIDDEN);
    }

    /// Takes `count` tokens after `past` others and makes the next.
    fn step(
        &mut self,
        count: usize,
        past: usize,
        caches: &mut [Option<(Id, Id)>],
        tokens: &mut Id,
    ) {
        let residual = self.numbers(count * HIDDEN);
        let positions = self.numbers(count * HIDDEN);
        self.free(positions);
        for cache in caches {
            self.layer(count, past, cache);
        }
        let normal = self.numbers(count * HIDDEN);
        self.free(residual);
        let logits = self.numbers(VOCABULARY);
        self.free(normal);
        let next = self.bytes(TOKEN);
        self.free(logits);
        self.free(core::mem::replace(tokens, next));
    }

    fn layer(&mut self, count: usize, past: usize, cache: &mut Option<(Id, Id)>) {
        let normal = self.numbers(count * HIDDEN);
        let queries_keys_values = self.numbers(count * 3 * HIDDEN);
        self.free(normal);
        let keys = self.numbers((past + count) * HIDDEN);
        let values = self.numbers((past + count) * HIDDEN);
        if let Some((keys, values)) = cache.replace((keys, values)) {
            self.free(keys);
            self.free(values);
        }
        let scores = self.numbers(HEADS * count * (past + count));
        let heads = self.numbers(count * HIDDEN);
        self.free(scores);
        self.free(queries_keys_values);
        let attention = self.numbers(count * HIDDEN);
        self.free(heads);
        self.free(attention);

        let normal = self.numbers(count * HIDDEN);
        let wide = self.numbers(count * 4 * HIDDEN);
        self.free(normal);
        let narrow = self.numbers(count * HIDDEN);
        self.free(wide);
        self.free(narrow);
    }

    fn numbers(&mut self, count: usize) -> Id {
        self.bytes(count * NUMBER)
    }

    fn bytes(&mut self, bytes: usize) -> Id {
        self.tensors.push((bytes, None));
        self.tensors.len() - 1
    }

    fn free(&mut self, tensor: Id) {
        self.tensors[tensor].1 = Some(self.tensors.len() - tensor - 1);
    }
}
