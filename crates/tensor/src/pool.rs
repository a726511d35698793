//! The thread pool: one parallel loop at a time over numbered tasks, the caller working too.
//!
//! Workers spin for a millisecond after a loop, because a forward pass opens the next one at once, and then
//! sleep. A loop never waits for a worker that has not joined it: on a busy machine a descheduled worker costs
//! nothing but its help.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long a worker looks for the next loop before it goes to sleep. Waking it costs the caller some tens of
/// microseconds (more in a virtual machine), and the parts of a loop seldom end together: long enough for both.
const PATIENCE: Duration = Duration::from_millis(1);
/// Looks between two looks at the clock.
const LOOKS: u32 = 64;
/// Bit of `state` that says that a loop takes helpers.
const OPEN: u64 = 1 << 31;
/// Bits of `state` that count the helpers within the loop.
const INSIDE: u64 = OPEN - 1;

type Task<'a> = dyn Fn(usize) + Sync + 'a;

struct Job {
    task: *const Task<'static>,
    tasks: usize,
}

struct Shared {
    /// High half: number of the loop. Then [`OPEN`], then how many helpers are inside.
    state: AtomicU64,
    job: UnsafeCell<Job>,
    next: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
    sleepers: Mutex<usize>,
    wake: Condvar,
}

// SAFETY: `job` is written only by the thread that holds `Pool::turn`, while `state` shows neither OPEN nor
// helpers inside; it is read only between joining (a compare-and-swap that saw OPEN) and leaving.
unsafe impl Sync for Shared {}
// SAFETY: the raw pointer in `job` is only followed while the closure that it points to is borrowed by `run`.
unsafe impl Send for Shared {}

/// A pool of worker threads.
pub struct Pool {
    shared: Arc<Shared>,
    turn: Mutex<()>,
    threads: usize,
    workers: Vec<std::thread::JoinHandle<()>>,
}

thread_local! {
    /// The worker's number from 1; 0 on any other thread.
    static LANE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static INSIDE_A_LOOP: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

static GLOBAL: OnceLock<Pool> = OnceLock::new();

impl Pool {
    /// A pool that computes on `threads` threads, the caller's included (at least one).
    pub fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(Job {
                task: std::ptr::null::<fn(usize)>() as *const Task<'static>,
                tasks: 0,
            }),
            next: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sleepers: Mutex::new(0),
            wake: Condvar::new(),
        });
        let workers = (1..threads)
            .filter_map(|i| {
                let shared = shared.clone();
                std::thread::Builder::new()
                    .name(format!("compute-{i}"))
                    .spawn(move || {
                        LANE.set(i);
                        work(&shared);
                    })
                    .ok()
            })
            .collect();
        Self { shared, turn: Mutex::new(()), threads, workers }
    }

    /// The process's pool: as many threads as [`Pool::init_global`] said, else `LYCEUM_THREADS`, else one for each
    /// processor that this process may use.
    pub fn global() -> &'static Self {
        GLOBAL.get_or_init(|| Self::new(default_threads()))
    }

    /// Sets the size of the process's pool. False when it exists already.
    pub fn init_global(threads: usize) -> bool {
        let mut fresh = false;
        GLOBAL.get_or_init(|| {
            fresh = true;
            Self::new(threads)
        });
        fresh
    }

    /// Threads that compute, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `task(0)`, …, `task(tasks - 1)`, each once, in any order, and returns when all have ended. Within a task
    /// the loop runs on the task's own thread. A panic of a task comes out here.
    pub fn run(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        if tasks <= 1 || self.threads == 1 || INSIDE_A_LOOP.get() {
            (0..tasks).for_each(task);
            return;
        }
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.open(tasks, &task);
        INSIDE_A_LOOP.set(true);
        let mine = catch_unwind(AssertUnwindSafe(|| take_tasks(&self.shared, tasks, &task)));
        INSIDE_A_LOOP.set(false);
        self.close();
        let theirs = self.shared.panicked.swap(false, Ordering::Relaxed);
        drop(turn);
        match mine {
            Err(panic) => resume_unwind(panic),
            Ok(()) if theirs => resume_unwind(Box::new("a task of a parallel loop panicked")),
            Ok(()) => {}
        }
    }

    /// As [`Pool::run`], but a task goes to the thread that had it in the last loop of as many tasks, where that thread
    /// comes in time: for loops over data that each core keeps near.
    pub fn run_near(&self, tasks: usize, task: impl Fn(usize) + Sync) {
        if tasks <= 1 || self.threads == 1 || INSIDE_A_LOOP.get() {
            (0..tasks).for_each(task);
            return;
        }
        let taken: Vec<AtomicBool> = (0..tasks).map(|_| AtomicBool::new(false)).collect();
        let threads = self.threads;
        self.run(threads.min(tasks), |_| {
            let lane = LANE.get() % threads;
            let own = lane * tasks / threads..(lane + 1) * tasks / threads;
            let others = (0..tasks).filter(|i| !own.contains(i));
            for i in own.clone().chain(others) {
                if taken.get(i).is_some_and(|t| !t.swap(true, Ordering::Relaxed)) {
                    task(i);
                }
            }
        });
    }

    /// Splits `0..len` into ranges of a multiple of `grain` (the last one aside), some per thread, and runs them.
    pub fn ranges(&self, len: usize, grain: usize, task: impl Fn(std::ops::Range<usize>) + Sync) {
        let grain = grain.max(1);
        let pieces = (self.threads * 4).min(len.div_ceil(grain)).max(1);
        let step = len.div_ceil(pieces).div_ceil(grain) * grain;
        self.run(len.div_ceil(step.max(1)), |i| task(i * step..((i + 1) * step).min(len)));
    }

    fn open(&self, tasks: usize, task: &Task<'_>) {
        let shared = &*self.shared;
        // SAFETY: `turn` is held and the last loop was closed, so nobody reads `job`. The borrow of `task` outlives
        // the loop: `run` returns only after `close` has seen the last helper leave.
        unsafe {
            *shared.job.get() =
                Job { task: std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task), tasks };
        }
        shared.next.store(0, Ordering::Relaxed);
        let number = (shared.state.load(Ordering::Relaxed) >> 32).wrapping_add(1) & 0xffff_ffff;
        shared.state.store(number << 32 | OPEN, Ordering::Release);
        let sleepers = shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        if *sleepers > 0 {
            shared.wake.notify_all();
        }
    }

    fn close(&self) {
        let state = &self.shared.state;
        state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0u32;
        while state.load(Ordering::Acquire) & INSIDE != 0 {
            spins += 1;
            if spins.is_multiple_of(4096) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        {
            let _sleepers = self.shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
            self.shared.stop.store(true, Ordering::Release);
            self.shared.wake.notify_all();
        }
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

fn default_threads() -> usize {
    let asked = std::env::var("LYCEUM_THREADS").ok().and_then(|s| s.parse().ok()).filter(|n| *n > 0);
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

fn take_tasks(shared: &Shared, tasks: usize, task: &Task<'_>) {
    loop {
        let i = shared.next.fetch_add(1, Ordering::Relaxed);
        if i >= tasks {
            return;
        }
        task(i);
    }
}

fn work(shared: &Shared) {
    INSIDE_A_LOOP.set(true);
    let mut last = 0u64;
    while let Some(number) = wait(shared, last) {
        last = number;
        if join(shared, number) {
            // SAFETY: joined, so the loop stays open to us until we leave; see `Shared`.
            let job = unsafe { &*shared.job.get() };
            let tasks = job.tasks;
            // SAFETY: as above; the closure lives until `close` has seen us leave.
            let task = unsafe { &*job.task };
            if catch_unwind(AssertUnwindSafe(|| take_tasks(shared, tasks, task))).is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
            shared.state.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// The number of an open loop other than `last`; nothing when the pool is dropped.
fn wait(shared: &Shared, last: u64) -> Option<u64> {
    let fresh = || {
        let s = shared.state.load(Ordering::Acquire);
        (s & OPEN != 0 && s >> 32 != last).then_some(s >> 32)
    };
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        for _ in 0..LOOKS {
            if let Some(number) = fresh() {
                return Some(number);
            }
            std::hint::spin_loop();
        }
    }
    let mut sleepers = shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if shared.stop.load(Ordering::Acquire) {
            return None;
        }
        if let Some(number) = fresh() {
            return Some(number);
        }
        *sleepers += 1;
        sleepers = shared.wake.wait(sleepers).unwrap_or_else(PoisonError::into_inner);
        *sleepers -= 1;
    }
}

/// Enters a loop if it is still open.
fn join(shared: &Shared, number: u64) -> bool {
    let mut s = shared.state.load(Ordering::Acquire);
    while s & OPEN != 0 && s >> 32 == number {
        match shared.state.compare_exchange_weak(s, s + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return true,
            Err(now) => s = now,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_each_task_once_many_times() {
        let pool = Pool::new(3);
        for tasks in [0usize, 1, 2, 7, 100] {
            for _ in 0..200 {
                let seen: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, |i| {
                    seen[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn near_tasks_run_once_too() {
        let pool = Pool::new(3);
        for tasks in [0usize, 1, 2, 7, 100] {
            let seen: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            pool.run_near(tasks, |i| {
                seen[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn ranges_cover_everything_and_loops_nest() {
        let pool = Pool::new(2);
        let sum = AtomicUsize::new(0);
        pool.ranges(1003, 16, |r| {
            pool.run(r.len(), |i| {
                sum.fetch_add(r.start + i, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.into_inner(), 1003 * 1002 / 2);
    }

    #[test]
    fn a_panic_comes_out_and_the_pool_goes_on() {
        let pool = Pool::new(2);
        let caught = catch_unwind(AssertUnwindSafe(|| pool.run(8, |i| assert!(i != 5))));
        assert!(caught.is_err());
        pool.run(4, |_| {});
    }
}
