//! Random programs on pools against a plain model of them: what lives does not overlap, is aligned and
//! keeps its contents; bytes are accounted for; in the end nothing is left.
#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "pool_model/program.rs"]
mod program;

use core::mem::MaybeUninit;
use program::{Plan, Step, plan, step};
use proptest::prelude::*;
use proptest::test_runner::{Config as Runner, TestCaseError, TestRunner};
use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use ze_area::cpu::{Config, Instance};
use ze_area::{
    Context, Device, Driver, Error, Host, Placement, PlacementKind, Pool, RuntimeAlign, Shared,
    SlabMap, SlotState, ZeBuffer,
};

/// How many pools a program has at once.
const POOLS: usize = 2;

type Bytes<P> = ZeBuffer<MaybeUninit<u8>, P>;

/// A pool of any placement.
#[derive(Clone)]
enum Any {
    Device(Pool<RuntimeAlign, Device>),
    Shared(Pool<RuntimeAlign, Shared>),
    Host(Pool<RuntimeAlign, Host>),
}

enum Buffer {
    Device(Bytes<Device>),
    Shared(Bytes<Shared>),
    Host(Bytes<Host>),
}

macro_rules! with_pool {
    ($pool:expr, |$name:ident| $body:expr) => {
        match $pool {
            Any::Device($name) => $body,
            Any::Shared($name) => $body,
            Any::Host($name) => $body,
        }
    };
}

fn build(context: &Context, plan: &Plan) -> Any {
    macro_rules! built {
        ($area:expr) => {
            Pool::builder(&$area.runtime_align(plan.align).unwrap())
                .smallest_bucket(plan.smallest)
                .slab_size(plan.slab)
                .largest_pooled(plan.largest.max(plan.smallest))
                .kept_capacity(plan.capacity)
                .zero_on_free(plan.erase)
                .share_slabs(plan.share)
                .idle_after(plan.idle)
                .build()
                .unwrap()
        };
    }
    let area = context.default_device_area().unwrap();
    match plan.placement {
        PlacementKind::Device => Any::Device(built!(area)),
        PlacementKind::Shared => Any::Shared(built!(area.shared())),
        PlacementKind::Host => Any::Host(built!(context.host_area())),
    }
}

fn allocate(pool: &Any, bytes: usize) -> Buffer {
    match pool {
        Any::Device(pool) => Buffer::Device(pool.mmap_uninit(bytes).unwrap()),
        Any::Shared(pool) => Buffer::Shared(pool.mmap_uninit(bytes).unwrap()),
        Any::Host(pool) => Buffer::Host(pool.mmap_uninit(bytes).unwrap()),
    }
}

impl Buffer {
    fn address(&self) -> usize {
        fn of<P: Placement>(buffer: &Bytes<P>) -> usize {
            buffer.device_ptr().addr()
        }
        match self {
            Self::Device(buffer) => of(buffer),
            Self::Shared(buffer) => of(buffer),
            Self::Host(buffer) => of(buffer),
        }
    }

    fn elements(&mut self) -> &mut [MaybeUninit<u8>] {
        match self {
            Self::Device(_) => &mut [],
            Self::Shared(buffer) => buffer,
            Self::Host(buffer) => buffer,
        }
    }
}

/// A buffer that lives, as the model knows it.
struct Live {
    buffer: Buffer,
    bytes: usize,
    tag: u8,
    /// Which of the pools that there were it is of.
    pool: usize,
}

impl Live {
    /// Writes where the host can.
    fn write(&mut self) {
        let elements = self.buffer.elements();
        // SAFETY: the elements are the buffer's, as many as that.
        unsafe { elements.as_mut_ptr().write_bytes(self.tag, elements.len()) };
    }

    /// Whether what was written is there.
    fn is_whole(&mut self) -> bool {
        let elements = self.buffer.elements();
        let (start, len) = (elements.as_ptr().cast::<u8>(), elements.len());
        // SAFETY: all elements were written when it was allocated.
        let bytes = unsafe { core::slice::from_raw_parts(start, len) };
        // The first is the tag, and each is as the one before.
        len == 0 || (bytes[0] == self.tag && bytes[1..] == bytes[..len - 1])
    }
}

/// A thread that frees what it is given.
struct Helper {
    to: Option<Sender<(Buffer, Any)>>,
    done: std::sync::mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Helper {
    fn new() -> Self {
        let (to, from) = channel::<(Buffer, Any)>();
        let (tell, done) = channel();
        let thread = std::thread::spawn(move || {
            let mut kept = Vec::new();
            for (number, (buffer, pool)) in from.into_iter().enumerate() {
                drop(buffer);
                if number % 3 == 0 {
                    kept.push(allocate(&pool, 100 + number));
                }
                if number % 5 == 0 {
                    kept.clear();
                }
                kept.truncate(4);
                // Nothing of its own lives while the program goes on, so that the model knows all.
                kept.clear();
                drop(pool);
                tell.send(()).unwrap();
            }
        });
        Self {
            to: Some(to),
            done,
            thread: Some(thread),
        }
    }

    fn free(&self, buffer: Buffer, pool: &Any) {
        self.to
            .as_ref()
            .unwrap()
            .send((buffer, pool.clone()))
            .unwrap();
        self.done.recv().unwrap();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.to.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

struct Model {
    context: Context,
    plans: [Plan; POOLS],
    pools: [Any; POOLS],
    /// The numbers of the pools that there are, in the order in which they were made.
    numbers: [usize; POOLS],
    made: usize,
    live: Vec<Live>,
    /// Where what lives begins and ends.
    ranges: BTreeMap<usize, usize>,
    helper: Helper,
    tag: u8,
}

type Check = Result<(), TestCaseError>;

impl Model {
    fn new(context: Context, plans: [Plan; POOLS]) -> Self {
        let pools = [0, 1].map(|i| build(&context, &plans[i]));
        Self {
            context,
            plans,
            pools,
            numbers: [0, 1],
            made: POOLS,
            live: Vec::new(),
            ranges: BTreeMap::new(),
            helper: Helper::new(),
            tag: 0,
        }
    }

    fn allocate(&mut self, pool: usize, bytes: usize) -> Check {
        let buffer = allocate(&self.pools[pool], bytes);
        let start = buffer.address();
        prop_assert_eq!(start % self.plans[pool].align, 0);
        let before = self.ranges.range(..start + bytes).next_back();
        prop_assert!(
            before.is_none_or(|(_, &end)| end <= start),
            "{:#x} overlaps",
            start
        );
        self.ranges.insert(start, start + bytes);
        self.tag = self.tag.wrapping_add(1);
        let mut live = Live {
            buffer,
            bytes,
            tag: self.tag,
            pool: self.numbers[pool],
        };
        live.write();
        self.live.push(live);
        Ok(())
    }

    fn take(&mut self, which: usize) -> Result<Option<Live>, TestCaseError> {
        if self.live.is_empty() {
            return Ok(None);
        }
        let mut live = self.live.swap_remove(which % self.live.len());
        prop_assert!(live.is_whole(), "{} bytes changed", live.bytes);
        prop_assert!(self.ranges.remove(&live.buffer.address()).is_some());
        Ok(Some(live))
    }

    /// What lives of a pool: how many buffers, and how many bytes were asked for.
    fn lives(&self, pool: usize) -> (u64, u64) {
        let of = self
            .live
            .iter()
            .filter(|live| live.pool == self.numbers[pool]);
        of.fold((0, 0), |(count, bytes), live| {
            (count + 1, bytes + live.bytes as u64)
        })
    }

    fn check(&self, pool: usize) -> Check {
        let plan = &self.plans[pool];
        let stats = with_pool!(&self.pools[pool], |pool| pool.stats());
        let (count, asked) = self.lives(pool);
        prop_assert_eq!(stats.live_buffers, count);
        prop_assert!(stats.live_bytes >= asked, "{}: {}", stats, asked);
        let granule = plan.smallest.max(plan.align).max(64);
        let granule = if plan.share {
            granule
        } else {
            granule.max(plan.slab)
        };
        // From the size of a slab on it counts in slabs.
        let of = self
            .live
            .iter()
            .filter(|live| live.pool == self.numbers[pool]);
        let most: usize = of
            .map(|live| {
                let coarse = live.bytes > plan.slab / 16 * 15;
                let granule = if coarse {
                    granule.max(plan.slab)
                } else {
                    granule
                };
                let class = live.bytes + (live.bytes / 8).max(granule);
                // Idle memory of a large size serves for what is a quarter smaller.
                if coarse { class / 4 * 5 } else { class }
            })
            .sum();
        prop_assert!(stats.live_bytes <= most as u64, "{}: {}", stats, most);
        prop_assert!(stats.held_bytes >= stats.live_bytes, "{}", stats);
        prop_assert!(stats.peak_held_bytes >= stats.held_bytes, "{}", stats);
        self.check_map(pool, count)
    }

    /// The map shows what lives where it is, and nothing else as alive.
    fn check_map(&self, pool: usize, count: u64) -> Check {
        let map = with_pool!(&self.pools[pool], |pool| pool.map());
        let live = map.slabs().iter().map(|slab| slab.count(SlotState::Live));
        prop_assert_eq!(live.sum::<usize>() as u64, count);
        let slabs: BTreeMap<usize, &SlabMap> = map
            .slabs()
            .iter()
            .map(|slab| (slab.address(), slab))
            .collect();
        let of = self
            .live
            .iter()
            .filter(|live| live.pool == self.numbers[pool]);
        for live in of {
            let start = live.buffer.address();
            let (&address, slab) = slabs.range(..=start).next_back().unwrap();
            let slot = (start - address) / slab.slot_bytes();
            prop_assert_eq!(slab.slots()[slot], SlotState::Live);
            prop_assert!(start + live.bytes <= address + slab.bytes());
        }
        Ok(())
    }

    /// What the pools hold is what the context has, unless pools without a handle hold some too.
    fn check_held(&self) -> Check {
        let memory = self.context.memory();
        for kind in [
            PlacementKind::Device,
            PlacementKind::Shared,
            PlacementKind::Host,
        ] {
            let of = self
                .pools
                .iter()
                .zip(&self.plans)
                .filter(|(_, plan)| plan.placement == kind);
            let held: u64 = of
                .map(|(pool, _)| with_pool!(pool, |pool| pool.stats().held_bytes))
                .sum();
            let closed = self
                .live
                .iter()
                .any(|live| !self.numbers.contains(&live.pool));
            let has = memory.of(kind).live_bytes;
            prop_assert!(
                has == held || (closed && has > held),
                "{:?}: {} of {}",
                kind,
                held,
                has
            );
        }
        prop_assert_eq!(memory.failed_frees(), 0);
        Ok(())
    }

    fn run(&mut self, step: &Step) -> Check {
        match *step {
            Step::Allocate { pool, bytes } => self.allocate(pool, bytes),
            Step::Free { which } => self.take(which).map(drop),
            Step::FreeMany { from, count } => {
                for _ in 0..count {
                    drop(self.take(from)?);
                }
                Ok(())
            }
            Step::FreeElsewhere { which } => {
                if let Some(live) = self.take(which)? {
                    let pool = &self.pools[live.pool % POOLS];
                    self.helper.free(live.buffer, pool);
                }
                Ok(())
            }
            Step::Trim { pool } => {
                let before = with_pool!(&self.pools[pool], |pool| pool.stats());
                let given = with_pool!(&self.pools[pool], |pool| pool.trim());
                let after = with_pool!(&self.pools[pool], |pool| pool.stats());
                prop_assert_eq!(after.held_bytes + given as u64, before.held_bytes);
                prop_assert_eq!(after.live_bytes, before.live_bytes);
                if after.live_buffers == 0 {
                    prop_assert_eq!(after.held_bytes, 0);
                }
                self.check(pool)
            }
            Step::Reset { pool } => {
                let reset = with_pool!(&self.pools[pool], |pool| pool.reset());
                let (count, _) = self.lives(pool);
                if count == 0 {
                    prop_assert!(reset.is_ok());
                    let stats = with_pool!(&self.pools[pool], |pool| pool.stats());
                    prop_assert_eq!((stats.held_bytes, stats.allocations), (0, 0));
                } else {
                    let said = matches!(
                        reset,
                        Err(Error::PoolInUse { live_buffers, .. }) if live_buffers == count
                    );
                    prop_assert!(said);
                }
                self.check(pool)
            }
            Step::Close { pool } => {
                self.pools[pool] = build(&self.context, &self.plans[pool]);
                self.numbers[pool] = self.made;
                self.made += 1;
                self.check_held()
            }
            Step::EndThread => {
                self.helper = Helper::new();
                Ok(())
            }
            Step::Statistics { pool } => {
                self.check(pool)?;
                self.check_held()
            }
        }
    }

    fn end(mut self, last: usize) -> Check {
        self.check_held()?;
        for pool in 0..POOLS {
            self.check(pool)?;
        }
        while self.take(last)?.is_some() {}
        for pool in 0..POOLS {
            self.check(pool)?;
        }
        // Those without a handle have ended.
        self.check_held()?;
        for pool in &self.pools {
            with_pool!(pool, |pool| pool.trim());
        }
        prop_assert!(
            self.context.memory().is_empty(),
            "{}",
            self.context.memory()
        );
        Ok(())
    }
}

fn program(honour: bool) -> impl Fn((Plan, Plan, Vec<Step>, usize)) -> Check {
    move |(one, two, steps, last)| {
        let config = Config::new().honour_alignment(honour).fill_limit(0);
        let instance = Instance::new(config).unwrap();
        let driver = Driver::from_cpu(&instance).unwrap();
        let context = Context::builder().driver(&driver).build().unwrap();
        let mut model = Model::new(context, [one, two]);
        for step in &steps {
            model.run(step)?;
        }
        model.end(last)?;
        drop(driver);
        let ledger = instance.ledger();
        prop_assert!(ledger.is_empty(), "{}", ledger);
        Ok(())
    }
}

fn check(cases: u32, honour: bool) {
    let cases = std::env::var("ZE_AREA_TEST_PROGRAMS").map_or(cases, |it| it.parse().unwrap());
    let mut runner = TestRunner::new(Runner {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..Runner::default()
    });
    let steps = prop::collection::vec(step(), 1..400);
    runner
        .run(&(plan(), plan(), steps, 0..1000_usize), program(honour))
        .unwrap();
}

#[test]
fn random_programs_do_what_the_model_says() {
    check(200, true);
}

#[test]
fn random_programs_do_what_the_model_says_where_alignment_is_ignored() {
    check(80, false);
}
