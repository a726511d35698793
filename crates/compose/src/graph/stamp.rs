//! Ids of checkpoints: UUIDs of version 6 (RFC 9562), which sort by time, one later than the other within a process.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// 100-nanosecond steps between 1582-10-15 and 1970-01-01.
const GREGORIAN: u64 = 0x01b2_1dd2_1381_4000;

/// The next id.
pub(super) fn next() -> Arc<str> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = (now.as_nanos() / 100) as u64 + GREGORIAN;
    let before = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
    let time = before.map_or(now, |last| now.max(last + 1));
    let node = node();
    format!(
        "{:08x}-{:04x}-6{:03x}-{:04x}-{:012x}",
        time >> 28 & 0xffff_ffff,
        time >> 12 & 0xffff,
        time & 0xfff,
        0x8000 | (node >> 48 & 0x3fff),
        node & 0xffff_ffff_ffff
    )
    .into()
}

/// Tells this process's ids from another's.
fn node() -> u64 {
    static NODE: OnceLock<u64> = OnceLock::new();
    *NODE.get_or_init(|| {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let mut random = RandomState::new().build_hasher();
        random.write_u32(std::process::id());
        random.finish()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_sort_as_they_come() {
        let ids: Vec<_> = (0..1000).map(|_| super::next()).collect();
        assert!(ids.is_sorted() && ids.windows(2).all(|w| w[0] != w[1]));
        assert!(ids[0].len() == 36 && ids[0].as_bytes()[14] == b'6');
    }
}
