//! y = x Wᵀ for one or several weight matrices that share their input, in one parallel loop.

#![allow(clippy::indexing_slicing, reason = "strips and rows within lengths that are asserted")]

use super::activations::{Activations, PAIR};
use super::four::Row;
use super::packed::{Kind, Packed, STRIP};
use super::{eight, float, four};
use crate::{Matrix, Pool};
use std::ops::Range;

/// Rows of inputs that a strip is read for at once.
const ROWS: usize = 4;
/// Outputs that are widened at once on the f32 path.
const PANEL: usize = 16;

/// One product: `out` is `[rows of the input, outputs]`, row-major.
pub struct Target<'a> {
    /// The weights.
    pub weights: &'a Packed,
    /// Where the product goes.
    pub out: &'a mut [f32],
}

struct Out {
    start: *mut f32,
    stride: usize,
}
// SAFETY: tasks write disjoint columns, see `product`.
unsafe impl Sync for Out {}
impl Out {
    /// Writes outputs `from..from + values.len()` of a row.
    ///
    /// # Safety
    /// The row and the columns must be inside, and no other task may write the same columns.
    unsafe fn write(&self, row: usize, from: usize, values: &[f32]) {
        // SAFETY: as the contract says.
        unsafe {
            std::ptr::copy_nonoverlapping(
                values.as_ptr(),
                self.start.add(row * self.stride + from),
                values.len(),
            )
        }
    }
}

/// Computes all products of one input. Every row is computed in the same order however many there are.
///
/// # Panics
/// When a shape does not fit, or inputs as whole numbers are wanted and were not made ([`Activations::quantise`]).
pub fn product(pool: &Pool, input: &Activations, targets: &mut [Target<'_>]) {
    let outs: Vec<Out> = targets
        .iter_mut()
        .map(|t| {
            assert_eq!(t.weights.cols, input.cols, "inputs of a product");
            assert!(t.out.len() >= input.rows * t.weights.rows, "room for a product");
            Out { start: t.out.as_mut_ptr(), stride: t.weights.rows }
        })
        .collect();
    let total: usize = targets.iter().map(|t| t.weights.rows.div_ceil(STRIP)).sum();
    let step = (total / (pool.threads() * 4)).max(2).next_multiple_of(2);
    let mut tasks: Vec<(usize, Range<usize>)> = Vec::new();
    for (i, t) in targets.iter().enumerate() {
        let strips = t.weights.rows.div_ceil(STRIP);
        tasks.extend((0..strips).step_by(step).map(|s| (i, s..(s + step).min(strips))));
    }
    let targets: Vec<&Packed> = targets.iter().map(|t| t.weights).collect();
    pool.run(tasks.len(), |i| {
        let (t, strips) = &tasks[i];
        // SAFETY: each task has strips of its own, so its columns are its own.
        unsafe { one_task(targets[*t], input, strips.clone(), &outs[*t]) };
    });
}

/// # Safety
/// No other task may have the same strips of the same output.
unsafe fn one_task(w: &Packed, input: &Activations, strips: Range<usize>, out: &Out) {
    match &w.kind {
        // SAFETY (all three): the contract is passed on.
        Kind::Four(bytes) => unsafe { packed_task(w, bytes, four::BYTES, input, strips, out, four::strip) },
        Kind::Eight(bytes) => unsafe {
            packed_task(w, bytes, eight::BYTES, input, strips, out, eight::strip)
        },
        Kind::Plain(m) => unsafe { plain_task(m, input, strips.start * STRIP..strips.end * STRIP, out) },
    }
}

/// # Safety
/// As [`one_task`].
unsafe fn packed_task(
    w: &Packed,
    bytes: &[u8],
    block: usize,
    input: &Activations,
    strips: Range<usize>,
    out: &Out,
    kernel: impl Fn(&[u8], &[Row<'_>], &mut [[f32; STRIP]]),
) {
    let blocks = w.cols / 32;
    let x = &input.quantised;
    assert!(x.q.len() >= input.rows * blocks * PAIR, "inputs as whole numbers");
    let row = |r: usize| Row {
        q: &x.q[r * blocks * PAIR..][..blocks * PAIR],
        d: &x.d[r * blocks..][..blocks],
        s: &x.s[r * blocks..][..blocks],
    };
    for s in strips {
        let strip = &bytes[s * blocks * block..][..blocks * block];
        let width = STRIP.min(w.rows - s * STRIP);
        let mut first = 0;
        while first < input.rows {
            let n = ROWS.min(input.rows - first);
            let rows = [0, 1, 2, 3].map(|i| row((first + i).min(input.rows - 1)));
            let mut values = [[0.0; STRIP]; ROWS];
            kernel(strip, &rows[..n], &mut values);
            for (i, values) in values[..n].iter().enumerate() {
                // SAFETY: these columns are this task's.
                unsafe { out.write(first + i, s * STRIP, &values[..width]) };
            }
            first += n;
        }
    }
}

/// # Safety
/// As [`one_task`].
unsafe fn plain_task(m: &Matrix, input: &Activations, outputs: Range<usize>, out: &Out) {
    let cols = m.cols();
    let mut panel = vec![0.0; PANEL * cols];
    let end = outputs.end.min(m.rows());
    for from in (outputs.start..end).step_by(PANEL) {
        let n = PANEL.min(end - from);
        m.dequantize_rows(from..from + n, &mut panel[..n * cols]);
        for r in 0..input.rows {
            let x = &input.x[r * cols..][..cols];
            let mut values = [0.0; PANEL];
            for i in (0..n).step_by(4) {
                let rows = [0, 1, 2, 3].map(|k| &panel[(i + k).min(n - 1) * cols..][..cols]);
                values[i..i + 4].copy_from_slice(&float::dot4(rows, x));
            }
            // SAFETY: these columns are this task's.
            unsafe { out.write(r, from, &values[..n]) };
        }
    }
}
