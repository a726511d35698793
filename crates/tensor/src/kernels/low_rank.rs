//! What adapters do to the products of one input: y = c (W x + s B (A x)) + bias, for segments of rows that have
//! different adapters, in one parallel loop.
//!
//! The modules that share an input (q, k, v; gate, up) have their factors side by side, so the input is read once. A task
//! takes one adapter's rows (or a block of them) through both factors, so nothing waits between them, and an adapter's
//! numbers are read once a step for all its rows. The work follows the rows and the ranks; rows without an adapter cost
//! nothing.

#![allow(clippy::indexing_slicing, reason = "rows and columns within lengths that are asserted")]

mod panels;
mod tile;

use super::{Level, level};
use crate::Pool;
use panels::{PANEL, Panels};
use std::cell::RefCell;
use std::ops::Range;
use tile::Lanes;

/// Most rows of a task.
const ROWS: usize = 32;
/// Products of two numbers that one thread does sooner than it wakes another.
const ALONE: usize = 1 << 15;

/// Factors of one module, f32.
#[derive(Debug, Clone, Default)]
pub struct LowRankModule<'a> {
    /// Which of the outputs of the group it changes.
    pub target: usize,
    /// Its number of outputs.
    pub outputs: usize,
    /// `[r, inputs]`; may be empty.
    pub a: &'a [f32],
    /// `[outputs, r]`.
    pub b: &'a [f32],
    /// What the low-rank term is multiplied with.
    pub scale: f32,
    /// What each output is multiplied with, the low-rank term included (DoRA, IA³).
    pub factors: Option<&'a [f32]>,
    /// Added to each output after that.
    pub bias: Option<&'a [f32]>,
}

/// What an adapter does to modules that share their input, ready for the kernels.
#[derive(Debug, Clone)]
pub struct LowRank {
    inputs: usize,
    /// All A's below each other, `[ranks, inputs]`.
    a: Panels,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    target: usize,
    outputs: usize,
    /// Where its share of A x begins.
    first: usize,
    /// scale · B, `[outputs, r]`.
    b: Panels,
    factors: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
}

impl LowRank {
    /// Packs modules whose input is `inputs` wide, the scale multiplied into B. Unless `exact`, factors are rounded to
    /// bf16 (a relative error of at most 2⁻⁹ each).
    ///
    /// # Panics
    /// When lengths do not belong together: a defect of the caller.
    pub fn new(inputs: usize, modules: &[LowRankModule<'_>], exact: bool) -> Self {
        let mut rows: Vec<Option<&[f32]>> = Vec::new();
        let mut parts = Vec::with_capacity(modules.len());
        for m in modules {
            let r = m.a.len() / inputs.max(1);
            assert!(m.a.len() == r * inputs && m.b.len() == r * m.outputs, "factors of a low-rank term");
            let fits = |v: Option<&[f32]>| v.is_none_or(|v| v.len() == m.outputs);
            assert!(fits(m.factors) && fits(m.bias), "vectors of a low-rank term");
            parts.push(Part {
                target: m.target,
                outputs: m.outputs,
                first: rows.len(),
                b: Panels::new(m.outputs, r, exact, |o, i| m.scale * m.b[o * r + i]),
                factors: m.factors.map(<[f32]>::to_vec),
                bias: m.bias.map(<[f32]>::to_vec),
            });
            rows.extend(m.a.chunks_exact(inputs.max(1)).map(Some));
        }
        let a = Panels::new(rows.len(), inputs, exact, |o, i| rows[o].map_or(0.0, |row| row[i]));
        Self { inputs, a, parts }
    }

    /// Bytes of the packed numbers.
    pub fn bytes(&self) -> usize {
        let vectors = |p: &Part| 4 * p.factors.iter().chain(&p.bias).map(Vec::len).sum::<usize>();
        self.a.bytes() + self.parts.iter().map(|p| p.b.bytes() + vectors(p)).sum::<usize>()
    }

    /// Products of two numbers for one row.
    fn work(&self) -> usize {
        self.inputs * self.a.outputs + self.parts.iter().map(|p| p.outputs * (p.b.inputs + 1)).sum::<usize>()
    }
}

/// Rows and what their adapter does.
#[derive(Debug, Clone)]
pub struct LowRankRows<'a> {
    /// The rows.
    pub rows: Range<usize>,
    /// The factors.
    pub factors: &'a LowRank,
}

/// One output of a group: `out` is `[rows, width]`.
#[derive(Debug)]
pub struct LowRankOut<'a> {
    /// Holds W x.
    pub out: &'a mut [f32],
    /// Its number of columns.
    pub width: usize,
}

struct Out {
    start: *mut f32,
    width: usize,
}
// SAFETY: tasks write disjoint rows or columns, see `low_rank`.
unsafe impl Sync for Out {}

/// A block of rows of one segment, and which share of the columns.
struct Task<'a> {
    rows: Range<usize>,
    factors: &'a LowRank,
    share: usize,
    shares: usize,
}

/// Changes the outputs of a group in place. `x` is `[rows, inputs]`, row-major; segments have rows of their own. A row
/// gets the same bits whatever is beside it in the batch.
///
/// # Panics
/// When a shape does not fit, or segments share rows.
pub fn low_rank(
    pool: &Pool,
    x: &[f32],
    inputs: usize,
    segments: &[LowRankRows<'_>],
    outs: &mut [LowRankOut<'_>],
) {
    low_rank_at(level(), pool, x, inputs, segments, outs);
}

fn low_rank_at(
    level: Level,
    pool: &Pool,
    x: &[f32],
    inputs: usize,
    segments: &[LowRankRows<'_>],
    outs: &mut [LowRankOut<'_>],
) {
    let mut free = 0;
    let mut work = 0;
    for s in segments {
        assert!(free <= s.rows.start && s.rows.start <= s.rows.end, "segments one after the other");
        assert!(s.factors.inputs == inputs && x.len() >= s.rows.end * inputs, "inputs of a low-rank term");
        for p in &s.factors.parts {
            let fits = outs.get(p.target).is_some_and(|o| o.width == p.outputs);
            assert!(fits && outs[p.target].out.len() >= s.rows.end * p.outputs, "room for a low-rank term");
        }
        free = s.rows.end;
        work += s.rows.len() * s.factors.work();
    }
    let outs: Vec<Out> = outs.iter_mut().map(|o| Out { start: o.out.as_mut_ptr(), width: o.width }).collect();
    let tasks = tasks(segments, if work > ALONE { pool.threads() } else { 1 });
    let one = |i: usize| {
        // SAFETY: shapes are asserted above; tasks have rows of their own, or of the same rows other columns.
        unsafe { run(level, &tasks[i], x, &outs) }
    };
    if work > ALONE { pool.run(tasks.len(), one) } else { (0..tasks.len()).for_each(one) }
}

/// Blocks of rows; where they are fewer than threads, each is divided by columns (A x is then computed again in each).
fn tasks<'a>(segments: &[LowRankRows<'a>], threads: usize) -> Vec<Task<'a>> {
    let blocks: usize = segments.iter().map(|s| s.rows.len().div_ceil(ROWS)).sum();
    let shares = threads.div_ceil(blocks.max(1)).max(1);
    let mut tasks = Vec::with_capacity(blocks * shares);
    for s in segments {
        for start in s.rows.clone().step_by(ROWS) {
            let rows = start..(start + ROWS).min(s.rows.end);
            tasks.extend((0..shares).map(|share| Task {
                rows: rows.clone(),
                factors: s.factors,
                share,
                shares,
            }));
        }
    }
    tasks
}

/// # Safety
/// Rows and columns of the task are inside `x` and `outs`, nobody else writes them, and the processor has the level.
unsafe fn run(level: Level, task: &Task<'_>, x: &[f32], outs: &[Out]) {
    // SAFETY: the contract is passed on.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Amx | Level::Avx512 => run_avx512(task, x, outs),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => run_avx2(task, x, outs),
            _ => both::<[f32; PANEL]>(task, x, outs),
        }
    }
}

/// # Safety
/// As [`run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn run_avx512(task: &Task<'_>, x: &[f32], outs: &[Out]) {
    // SAFETY: the contract is passed on.
    unsafe { both::<tile::Avx512>(task, x, outs) }
}

/// # Safety
/// As [`run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2(task: &Task<'_>, x: &[f32], outs: &[Out]) {
    // SAFETY: the contract is passed on.
    unsafe { both::<tile::Avx2>(task, x, outs) }
}

thread_local! {
    static SHRUNK: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn both<L: Lanes>(task: &Task<'_>, x: &[f32], outs: &[Out]) {
    let (f, n) = (task.factors, task.rows.len());
    // One more panel than needed: a narrow one is written 16 wide.
    let stride = f.a.outputs + PANEL;
    let mut t = SHRUNK.take();
    t.resize((n * stride).max(t.len()), 0.0);
    // SAFETY: rows of `x` as asserted; `t` has room for every row's ranks and a panel more; columns of the outputs
    // are the task's own.
    unsafe {
        let first = x.as_ptr().add(task.rows.start * f.inputs);
        for panel in 0..f.a.count() {
            let t = t.as_mut_ptr().add(panel * PANEL);
            tile::rows::<L>(&f.a, panel, (first, f.inputs), n, |row, sums| sums.store(t.add(row * stride)));
        }
        for part in &f.parts {
            let out = &outs[part.target];
            let out = out.start.add(task.rows.start * out.width);
            let panels = part.b.count();
            for panel in panels * task.share / task.shares..panels * (task.share + 1) / task.shares {
                let shrunk = (t.as_ptr().add(part.first), stride);
                tile::rows::<L>(&part.b, panel, shrunk, n, |row, sums| {
                    add_to::<L>(part, panel, sums, out.add(row * part.outputs + panel * PANEL));
                });
            }
        }
    }
    SHRUNK.set(t);
}

/// y = c (y + sums) + bias for the columns of one panel, which begin at `y`.
///
/// # Safety
/// The panel's columns are there.
#[inline(always)]
unsafe fn add_to<L: Lanes>(part: &Part, panel: usize, sums: L, y: *mut f32) {
    let (from, width) = (panel * PANEL, part.b.width(panel));
    // SAFETY: sixteen columns where the panel is whole, otherwise as many as it has, through an array of sixteen.
    unsafe {
        if width == PANEL && part.factors.is_none() && part.bias.is_none() {
            return sums.plus(L::load(y)).store(y);
        }
        let mut values = [0.0; PANEL];
        sums.store(values.as_mut_ptr());
        for (i, v) in values[..width].iter().enumerate() {
            let c = part.factors.as_ref().map_or(1.0, |f| f[from + i]);
            let bias = part.bias.as_ref().map_or(0.0, |b| b[from + i]);
            let y = y.add(i);
            *y = c * (*y + v) + bias;
        }
    }
}

#[cfg(test)]
mod tests;
