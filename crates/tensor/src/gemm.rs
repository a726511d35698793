//! f32 matrix product on the pool, over the kernels of the crate `gemm-f32` (AVX-512, AVX2, NEON or scalar, chosen
//! at run time).

use crate::Pool;
use gemm_common::Parallelism;
use gemm_f32::gemm::f32::get_gemm_fn;

/// A matrix that somebody else owns: element (r, c) lies at `r * row + c * col`.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    data: &'a [f32],
    row: usize,
    col: usize,
}

impl<'a> View<'a> {
    /// Row-major with `stride` numbers from one row to the next.
    pub fn new(data: &'a [f32], stride: usize) -> Self {
        Self { data, row: stride, col: 1 }
    }

    /// The same numbers with rows and columns exchanged.
    pub fn t(self) -> Self {
        Self { row: self.col, col: self.row, ..self }
    }

    fn holds(&self, rows: usize, cols: usize) -> bool {
        rows == 0 || cols == 0 || (rows - 1) * self.row + (cols - 1) * self.col < self.data.len()
    }
}

/// Products below this many multiplications are not worth waking another thread for.
const ALONE: usize = 64 * 64 * 64;

/// `out = a b` (or `out += a b` with `accumulate`): `a` is `[m, k]`, `b` is `[k, n]`, `out` is `[m, n]` row-major
/// with `out_stride` numbers from one row to the next.
///
/// # Panics
/// When a slice is shorter than its shape.
pub fn gemm(
    pool: &Pool,
    (m, n, k): (usize, usize, usize),
    a: View<'_>,
    b: View<'_>,
    out: &mut [f32],
    out_stride: usize,
    accumulate: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    let fits = a.holds(m, k) && b.holds(k, n) && (m - 1) * out_stride + n <= out.len() && n <= out_stride;
    assert!(fits, "gemm: a slice is shorter than its shape ({m}, {n}, {k})");
    if k == 0 {
        if !accumulate {
            out.chunks_mut(out_stride).take(m).for_each(|row| row.iter_mut().take(n).for_each(|x| *x = 0.0));
        }
        return;
    }
    // Cut the longer side of the output, at the kernels' tile borders, into one piece a thread.
    let threads = if m * n * k < ALONE { 1 } else { pool.threads() };
    let by_rows = m >= n;
    let (side, grain) = if by_rows { (m, 12) } else { (n, 16) };
    let step = side.div_ceil(threads).div_ceil(grain) * grain;
    let base = Pointer(out.as_mut_ptr());
    pool.run(side.div_ceil(step), |piece| {
        let from = piece * step;
        let len = step.min(side - from);
        let (rows, cols, at) = if by_rows { (len, n, from * out_stride) } else { (m, len, from) };
        let (a_at, b_at) = if by_rows { (from * a.row, 0) } else { (0, from * b.col) };
        // SAFETY: the pieces are disjoint blocks of `out`; all reads and writes stay within what was asserted above.
        // The kernels write columns, so they are given the transposed product: out' = b' a'.
        unsafe {
            get_gemm_fn()(
                cols,
                rows,
                k,
                base.get().add(at),
                out_stride as isize,
                1,
                accumulate,
                b.data.as_ptr().add(b_at),
                b.row as isize,
                b.col as isize,
                a.data.as_ptr().add(a_at),
                a.row as isize,
                a.col as isize,
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn agrees_with_three_loops(m in 1usize..70, n in 1usize..70, k in 0usize..90, ta: bool, tb: bool, add: bool,
                                   gap in 0usize..3) {
            let pool = Pool::new(2);
            let view = |data, rows: usize, cols: usize, t: bool| {
                if t { View::new(data, rows).t() } else { View::new(data, cols) }
            };
            let fill = |len: usize, f: usize| (0..len).map(|i| ((i * f) % 17) as f32 - 8.0).collect::<Vec<_>>();
            let (a, b) = (fill(m * k, 7), fill(k * n, 5));
            let stride = n + gap;
            let mut out = fill(m * stride, 3);
            let before = out.clone();
            let (va, vb) = (view(&a, m, k, ta), view(&b, k, n, tb));
            gemm(&pool, (m, n, k), va, vb, &mut out, stride, add);
            for r in 0..m {
                for c in 0..n {
                    let mut want = if add { f64::from(before[r * stride + c]) } else { 0.0 };
                    for i in 0..k {
                        want += f64::from(a[r * va.row + i * va.col]) * f64::from(b[i * vb.row + c * vb.col]);
                    }
                    prop_assert!((f64::from(out[r * stride + c]) - want).abs() < 1e-3);
                }
            }
        }
    }
}
