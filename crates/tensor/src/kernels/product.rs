//! y = x Wᵀ for one or several weight matrices that share their input, in one parallel loop.

#![allow(clippy::indexing_slicing, reason = "strips and rows within lengths that are asserted")]

use super::activations::Activations;
use super::packed::{Packed, Store};
use super::shape::{STRIP, Shape, with_shape};
use super::strips::Strips;
use super::{dot, float, pairs};
use crate::{Matrix, Pool};
use std::ops::Range;

/// One product: `out` is `[rows of the input, outputs]`, row-major.
pub struct Target<'a> {
    /// The weights.
    pub weights: &'a Packed,
    /// Where the product goes.
    pub out: &'a mut [f32],
}

pub(super) struct Out {
    start: *mut f32,
    stride: usize,
}
// SAFETY: tasks write disjoint columns, see `product`.
unsafe impl Sync for Out {}
impl Out {
    /// Where some outputs of a row lie.
    ///
    /// # Safety
    /// The row and the columns must be inside; nobody else may use the same columns.
    pub(super) unsafe fn place(&self, row: usize, from: usize) -> *mut f32 {
        // SAFETY: as the contract says.
        unsafe { self.start.add(row * self.stride + from) }
    }

    /// Writes outputs `from..from + values.len()` of a row.
    ///
    /// # Safety
    /// The row and the columns must be inside, and no other task may write the same columns.
    pub(super) unsafe fn write(&self, row: usize, from: usize, values: &[f32]) {
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

/// Computes all products of one input. Unless matrix units are at work ([`Activations::set_steady`]), every row is
/// computed in the same order however many there are.
///
/// # Panics
/// When a shape does not fit, or inputs are wanted that were not made ([`Activations::quantise`]).
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
    let step = (total / (pool.threads() * 8)).clamp(2, most_strips(input)).next_multiple_of(2);
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

/// Strips of a task: where many rows are computed with tiles, as many as stay in the second cache once expanded.
fn most_strips(input: &Activations) -> usize {
    if input.tiled { super::tiled::panel(input.cols / 32) } else { usize::MAX - 1 }
}

/// # Safety
/// No other task may have the same strips of the same output.
unsafe fn one_task(w: &Packed, input: &Activations, strips: Range<usize>, out: &Out) {
    // SAFETY (all): the contract is passed on.
    match &w.store {
        #[cfg(target_arch = "x86_64")]
        Store::Strips(s) if input.tiled => with_shape!(s.kind, S => unsafe {
            super::tiled::strips::<S>(s, &input.tiles, strips, w.rows, out);
        }),
        #[cfg(target_arch = "x86_64")]
        Store::Pairs(p) if input.tiled => unsafe {
            super::tiled::pairs(p, &input.tiles, strips, w.rows, out);
        },
        Store::Strips(s) => with_shape!(s.kind, S => unsafe { dots::<S>(s, w.rows, input, strips, out) }),
        Store::Pairs(p) => {
            let mut values = vec![[0.0; STRIP]; input.rows];
            for s in strips {
                pairs::strip(p.strip(s), &input.x, &mut values);
                let width = STRIP.min(w.rows - s * STRIP);
                for (r, values) in values.iter().enumerate() {
                    unsafe { out.write(r, s * STRIP, &values[..width]) };
                }
            }
        }
        Store::Plain(m) => unsafe {
            plain_task(m, input, strips.start * STRIP..strips.end * STRIP, out);
        },
    }
}

/// # Safety
/// As [`one_task`].
unsafe fn dots<S: Shape>(w: &Strips, outputs: usize, input: &Activations, strips: Range<usize>, out: &Out) {
    for s in strips {
        let width = STRIP.min(outputs - s * STRIP);
        for first in (0..input.rows).step_by(dot::ROWS) {
            let mut values = [[0.0; STRIP]; dot::ROWS];
            let values = &mut values[..dot::ROWS.min(input.rows - first)];
            dot::strip::<S>(w.strip(s), &input.quantised, first, values);
            for (i, values) in values.iter().enumerate() {
                let scaled = values.map(|x| x * w.unit);
                // SAFETY: these columns are this task's.
                unsafe { out.write(first + i, s * STRIP, &scaled[..width]) };
            }
        }
    }
}

/// # Safety
/// As [`one_task`].
unsafe fn plain_task(m: &Matrix, input: &Activations, outputs: Range<usize>, out: &Out) {
    let cols = m.cols();
    let mut panel = vec![0.0; STRIP * cols];
    let end = outputs.end.min(m.rows());
    for from in (outputs.start..end).step_by(STRIP) {
        let n = STRIP.min(end - from);
        m.dequantize_rows(from..from + n, &mut panel[..n * cols]);
        for r in 0..input.rows {
            let x = &input.x[r * cols..][..cols];
            let mut values = [0.0; STRIP];
            for i in (0..n).step_by(4) {
                let rows = [0, 1, 2, 3].map(|k| &panel[(i + k).min(n - 1) * cols..][..cols]);
                values[i..i + 4].copy_from_slice(&float::dot4(rows, x));
            }
            // SAFETY: these columns are this task's.
            unsafe { out.write(r, from, &values[..n]) };
        }
    }
}
