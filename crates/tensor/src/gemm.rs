//! f32 matrix product on the pool, over the kernels of the crate `gemm-f32` (AVX-512, AVX2, NEON or scalar, chosen at run time).

use crate::Pool;
use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;

/// How a matrix lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As named: `[rows, cols]`, row-major.
    Normal,
    /// Stored as its transpose, row-major.
    Transposed,
}

/// `out = a b` (or `out += a b` with `accumulate`), where `a` is `[m, k]`, `b` is `[k, n]` and `out` is `[m, n]`,
/// row-major. `Layout::Transposed` says that the slice holds the transpose: `[k, m]` for `a`, `[n, k]` for `b`.
///
/// # Panics
/// When a slice is shorter than its shape.
pub fn gemm(
    pool: &Pool,
    (m, n, k): (usize, usize, usize),
    (a, a_layout): (&[f32], Layout),
    (b, b_layout): (&[f32], Layout),
    out: &mut [f32],
    accumulate: bool,
) {
    assert!(a.len() >= m * k && b.len() >= k * n && out.len() >= m * n, "gemm: a slice is shorter than its shape");
    if m == 0 || n == 0 {
        return;
    }
    let (a_row, a_col) = strides(a_layout, m, k);
    let (b_row, b_col) = strides(b_layout, k, n);
    // Cut the longer side of the output, at the kernels' tile borders, into one piece a thread; small products are
    // not worth waking anybody for.
    let work = m * n * k.max(1);
    let threads = if work < 64 * 64 * 64 { 1 } else { pool.threads() };
    let by_rows = m >= n;
    let (side, grain) = if by_rows { (m, 12) } else { (n, 16) };
    let step = side.div_ceil(threads).div_ceil(grain) * grain;
    let base = Pointer(out.as_mut_ptr());
    pool.run(side.div_ceil(step), |piece| {
        let from = piece * step;
        let len = step.min(side - from);
        let (rows, cols, at) = if by_rows { (len, n, from * n) } else { (m, len, from) };
        let (a_at, b_at) = if by_rows { (from as isize * a_row, 0) } else { (0, from as isize * b_col) };
        // SAFETY: the pieces are disjoint blocks of `out`; all reads stay within the lengths asserted above.
        unsafe {
            // The kernels write columns, so they are given the transposed product: out' = b' a'.
            get_gemm_fn()(
                cols,
                rows,
                k,
                base.get().add(at),
                n as isize,
                1,
                accumulate,
                b.as_ptr().offset(b_at),
                b_row,
                b_col,
                a.as_ptr().offset(a_at),
                a_row,
                a_col,
                1.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    });
}

/// (row stride, column stride) of a `[rows, cols]` matrix.
fn strides(layout: Layout, rows: usize, cols: usize) -> (isize, isize) {
    match layout {
        Layout::Normal => (cols as isize, 1),
        Layout::Transposed => (1, rows as isize),
    }
}

struct Pointer(*mut f32);
// SAFETY: shared only to write disjoint blocks, see `gemm`.
unsafe impl Sync for Pointer {}
impl Pointer {
    fn get(&self) -> *mut f32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(x: &[f32], layout: Layout, rows: usize, cols: usize, r: usize, c: usize) -> f64 {
        f64::from(match layout {
            Layout::Normal => x[r * cols + c],
            Layout::Transposed => x[c * rows + r],
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn agrees_with_three_loops(m in 1usize..70, n in 1usize..70, k in 0usize..90, ta: bool, tb: bool, add: bool) {
            let pool = Pool::new(2);
            let layout = |t| if t { Layout::Transposed } else { Layout::Normal };
            let fill = |len: usize, f: usize| (0..len).map(|i| ((i * f) % 17) as f32 - 8.0).collect::<Vec<_>>();
            let (a, b) = (fill(m * k, 7), fill(k * n, 5));
            let mut out = fill(m * n, 3);
            let before = out.clone();
            gemm(&pool, (m, n, k), (&a, layout(ta)), (&b, layout(tb)), &mut out, add);
            for r in 0..m {
                for c in 0..n {
                    let mut want = if add { f64::from(before[r * n + c]) } else { 0.0 };
                    for i in 0..k {
                        want += at(&a, layout(ta), m, k, r, i) * at(&b, layout(tb), k, n, i, c);
                    }
                    prop_assert!((f64::from(out[r * n + c]) - want).abs() < 1e-3);
                }
            }
        }
    }
}
