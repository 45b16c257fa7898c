//! Buffers of a pool that show who had them.

use core::mem::MaybeUninit;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use ze_area::cpu::{Config, Instance};
use ze_area::{Align, Context, Driver, Host, Pool, ZeBuffer};

pub(crate) type Buffer = ZeBuffer<MaybeUninit<u64>, Host>;
pub(crate) type HostPool = Pool<Align<64>, Host>;

pub(crate) fn operations() -> u64 {
    let usual = if cfg!(debug_assertions) {
        300_000
    } else {
        10_000_000
    };
    std::env::var("ZE_AREA_TEST_OPERATIONS").map_or(usual, |it| it.parse().unwrap())
}

pub(crate) fn setup() -> (Instance, Context) {
    let instance = Instance::new(Config::new().fill_limit(0)).unwrap();
    let driver = Driver::from_cpu(&instance).unwrap();
    let context = Context::builder().driver(&driver).build().unwrap();
    (instance, context)
}

pub(crate) fn finish(instance: &Instance, context: Context) {
    assert!(context.memory().is_empty(), "{}", context.memory());
    drop(context);
    assert!(instance.ledger().is_empty(), "{}", instance.ledger());
}

/// Past the capture of the harness.
pub(crate) fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Numbers that look random.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(11);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    /// How many elements a buffer has: mostly few, of all sizes.
    pub(crate) fn elements(&mut self) -> usize {
        match self.roll(200) {
            0 => 1 + self.roll(1 << 15),
            1..20 => 1 + self.roll(1 << 10),
            20..60 => 16,
            _ => 1 + self.roll(64),
        }
    }
}

/// A buffer with a number at both ends that no other has.
pub(crate) struct Tagged {
    buffer: Buffer,
    tag: u64,
}

impl Tagged {
    pub(crate) fn new(pool: &HostPool, elements: usize) -> Self {
        static TAGS: AtomicU64 = AtomicU64::new(1);
        let mut buffer = pool.mmap_uninit::<u64>(elements).unwrap();
        let tag = TAGS.fetch_add(1, Ordering::Relaxed);
        buffer[0].write(tag);
        buffer[elements - 1].write(tag);
        Self { buffer, tag }
    }

    /// Frees it; whether nobody else wrote to it.
    pub(crate) fn try_free(mut self) -> bool {
        let ends = [0, self.buffer.len() - 1];
        // SAFETY: both ends were written when it was allocated.
        let whole = ends.map(|at| unsafe { self.buffer[at].assume_init() } == self.tag);
        for at in ends {
            self.buffer[at].write(0);
        }
        whole == [true; 2]
    }

    pub(crate) fn free(self) {
        let elements = self.buffer.len();
        assert!(self.try_free(), "{elements} elements changed");
    }
}
