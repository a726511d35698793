//! Memory in huge pages: what is read at random misses the processor's table of pages less often.

/// From here up a vector may hold a whole huge page.
const LEAST: usize = 4 << 20;

/// An empty vector with room for `capacity` elements. Where it is large, the kernel is asked to back it with huge pages;
/// that is a wish, and without it (or elsewhere than on Linux) it is an ordinary vector.
///
/// To be filled after this: pages that were written before stay as they are.
#[must_use]
pub fn roomy<T>(capacity: usize) -> Vec<T> {
    let out = Vec::with_capacity(capacity);
    #[cfg(target_os = "linux")]
    if capacity.saturating_mul(size_of::<T>()) >= LEAST {
        const PAGE: usize = 1 << 12;
        let start = (out.as_ptr() as usize).next_multiple_of(PAGE);
        let end = (out.as_ptr() as usize + out.capacity() * size_of::<T>()) / PAGE * PAGE;
        // SAFETY: the pages lie within the vector's own memory, and the advice changes nothing that a program can read.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_an_ordinary_vector() {
        for len in [0, 10, LEAST / 8 + 77] {
            let mut all = roomy::<u64>(len);
            let place = all.as_ptr();
            all.extend(0..len as u64);
            assert!(all.iter().copied().eq(0..len as u64) && (len == 0 || all.as_ptr() == place));
        }
        assert_eq!(roomy::<()>(usize::MAX).len(), 0);
    }
}
