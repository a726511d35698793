//! Memory for packed weights: pieces of large regions in huge pages, so that streaming through a model does not wait
//! for the processor's table of pages. A region is given back when its last piece is.

use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a region, unless a piece is larger.
const REGION: usize = 64 << 20;
/// Bytes of a huge page.
const HUGE: usize = 2 << 20;
/// What pieces are aligned to: a line of the cache.
const LINE: usize = 64;

/// Zeroed memory from the system.
#[derive(Debug)]
struct Region {
    start: *mut u8,
    layout: std::alloc::Layout,
}

// SAFETY: a region is plain memory; pieces of it are disjoint and hand out references by their own borrows.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    fn new(bytes: usize) -> Self {
        let Ok(layout) = std::alloc::Layout::from_size_align(bytes, HUGE) else {
            std::alloc::handle_alloc_error(std::alloc::Layout::new::<Self>())
        };
        // SAFETY: the size is not zero. Memory that is asked for with a large alignment is not cleared by the
        // allocator; it is fresh from the system or cleared by `piece`.
        let start = unsafe { std::alloc::alloc(layout) };
        if start.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        #[cfg(target_os = "linux")]
        // SAFETY: the region is ours, and the advice changes nothing that a program can read.
        unsafe {
            libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE);
        }
        Self { start, layout }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; no piece is left, since each holds the region.
        unsafe { std::alloc::dealloc(self.start, self.layout) };
    }
}

/// Bytes that begin at a line of the cache.
#[derive(Debug)]
pub(super) struct Lines {
    region: Arc<Region>,
    at: usize,
    len: usize,
}

/// The region that is being filled, and how far it is.
static OPEN: Mutex<Option<(Arc<Region>, usize)>> = Mutex::new(None);

impl Lines {
    /// `bytes` zeros, rounded up to whole lines.
    pub(super) fn zeros(bytes: usize) -> Self {
        let len = bytes.next_multiple_of(LINE).max(LINE);
        let (region, at) = place(len);
        // SAFETY: the piece is inside the region and nobody else's.
        unsafe { std::ptr::write_bytes(region.start.add(at), 0, len) };
        Self { region, at, len }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the piece is inside the region, initialised, and written through this owner alone.
        unsafe { std::slice::from_raw_parts(self.region.start.add(self.at), self.len) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.region.start.add(self.at), self.len) }
    }
}

/// A piece of a region: of the open one where it fits, else of a new one.
fn place(len: usize) -> (Arc<Region>, usize) {
    if len >= REGION {
        return (Arc::new(Region::new(len.next_multiple_of(HUGE))), 0);
    }
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((region, used)) = open.as_mut() {
        // Nobody else holds a piece: it may be filled from the start again.
        let from = if Arc::strong_count(region) == 1 { 0 } else { *used };
        if from + len <= region.layout.size() {
            *used = from + len;
            return (Arc::clone(region), from);
        }
    }
    let region = Arc::new(Region::new(REGION));
    *open = Some((Arc::clone(&region), len));
    (region, 0)
}

impl Clone for Lines {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        copy.bytes_mut().copy_from_slice(self.bytes());
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_zeroed_aligned_and_apart() {
        let mut all: Vec<Lines> = [1, 64, 1000, REGION + 1, 5 << 20].map(Lines::zeros).into();
        for (i, lines) in all.iter_mut().enumerate() {
            assert!(lines.bytes().iter().all(|b| *b == 0) && lines.bytes().as_ptr().addr() % LINE == 0);
            lines.bytes_mut().fill(i as u8 + 1);
        }
        let again = all[2].clone();
        drop(all.remove(1));
        for lines in &all {
            let first = lines.bytes()[0];
            assert!(first != 0 && lines.bytes().iter().all(|b| *b == first));
        }
        assert!(again.bytes().iter().all(|b| *b == 3));
    }
}
