//! Equal pieces of one slice, each written by one task.

use crate::Pool;

struct Start(*mut f32);
// SAFETY: tasks write disjoint pieces, see `chunks`.
unsafe impl Sync for Start {}
impl Start {
    /// # Safety
    /// `at..at + len` must be inside and nobody else's.
    #[allow(clippy::mut_from_ref, reason = "each task gets a piece of its own")]
    unsafe fn piece(&self, at: usize, len: usize) -> &mut [f32] {
        // SAFETY: as the contract says.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(at), len) }
    }
}

/// Cuts `out` into pieces of `size` numbers (a shorter rest is left alone) and runs `task(number, piece)` for each,
/// on all threads when there are several.
pub fn chunks(pool: &Pool, out: &mut [f32], size: usize, task: impl Fn(usize, &mut [f32]) + Sync) {
    let pieces = out.len() / size.max(1);
    if pieces <= 1 {
        out.chunks_exact_mut(size.max(1)).enumerate().for_each(|(i, piece)| task(i, piece));
        return;
    }
    let start = Start(out.as_mut_ptr());
    let group = (pieces / (pool.threads() * 8)).max(1);
    pool.run(pieces.div_ceil(group), |g| {
        for i in g * group..((g + 1) * group).min(pieces) {
            // SAFETY: piece i lies inside `out`, and every i is run once.
            task(i, unsafe { start.piece(i * size, size) });
        }
    });
}
