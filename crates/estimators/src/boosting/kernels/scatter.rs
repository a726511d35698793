//! Disjoint writes of several threads into one slice, by row numbers.

use std::marker::PhantomData;

/// A slice that several tasks write to, each its own rows.
pub(in crate::boosting) struct Scatter<'a> {
    start: *mut f64,
    len: usize,
    _own: PhantomData<&'a mut [f64]>,
}

// SAFETY: `add` is called with row sets that no two tasks share, as its callers hold.
unsafe impl Sync for Scatter<'_> {}

impl<'a> Scatter<'a> {
    pub(in crate::boosting) fn new(slice: &'a mut [f64]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), _own: PhantomData }
    }

    /// Adds a value at some rows; rows past the end are left alone.
    ///
    /// # Safety
    /// No other task may touch these rows meanwhile.
    pub(in crate::boosting) unsafe fn add(&self, rows: &[u32], value: f64) {
        for row in rows {
            if (*row as usize) < self.len {
                // SAFETY: inside the slice, and nobody else's as the contract says.
                unsafe { *self.start.add(*row as usize) += value };
            }
        }
    }
}
