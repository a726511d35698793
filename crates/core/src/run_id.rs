//! Ids of runs: cheap while the process runs, and unique in the world once they are written down.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Bits of the counter; what lies above it is milliseconds since the process's first run.
const COUNTER: u32 = 24;
/// The last group of a UUID.
const LAST_GROUP: u64 = (1 << 48) - 1;
/// Odd, so that multiplying by it only permutes the numbers of 48 bits.
const SPREAD: u64 = 0x9E37_79B9_7F4B;

/// Names a run. [`RunId::uuid`] is the name that others see: protocols answer it, the store keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(u64);

/// What the ids of a process share.
struct Origin {
    instant: Instant,
    unix_ms: u64,
    random: u64,
}

fn origin() -> &'static Origin {
    static ORIGIN: OnceLock<Origin> = OnceLock::new();
    ORIGIN.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The standard library's hash keys come from the operating system's source of randomness.
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.write_u128(since.as_nanos());
        let unix_ms = u64::try_from(since.as_millis()).unwrap_or(0);
        Origin { instant: Instant::now(), unix_ms, random: hasher.finish() }
    })
}

impl RunId {
    /// The next id of this process. Later ids are greater.
    #[allow(clippy::should_implement_trait, reason = "it is no iterator")]
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let counter = NEXT.fetch_add(1, Ordering::Relaxed) & ((1 << COUNTER) - 1);
        let ms = u64::try_from(origin().instant.elapsed().as_millis()).unwrap_or(0);
        Self((ms << COUNTER) | counter)
    }

    /// The id as a number of this process.
    pub fn get(self) -> u64 {
        self.0
    }

    /// As a UUID of version 7 (RFC 9562): milliseconds since 1970, then the low 12 bits of the counter, 14 bits of the
    /// process, and 48 bits made of process and counter. The last group alone tells runs apart, so that its first
    /// eight digits are a name short enough to type.
    pub fn uuid(self) -> u128 {
        let Origin { unix_ms, random, .. } = *origin();
        let ms = (unix_ms + (self.0 >> COUNTER)) & LAST_GROUP;
        let counter = self.0 & ((1 << COUNTER) - 1);
        let process = (random >> 24) & 0x3FFF;
        let mixed = ((counter << 24) | (random & 0xFF_FFFF)).wrapping_mul(SPREAD) & LAST_GROUP;
        let mixed = (mixed ^ (mixed >> 24)).wrapping_mul(SPREAD) & LAST_GROUP;
        let mixed = mixed ^ (mixed >> 24);
        let high = (ms << 16) | 0x7000 | (counter & 0xFFF);
        let low = (0b10 << 62) | (process << 48) | mixed;
        (u128::from(high) << 64) | u128::from(low)
    }
}

/// The UUID in its usual form.
impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.uuid();
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            n >> 96,
            (n >> 80) & 0xFFFF,
            (n >> 64) & 0xFFFF,
            (n >> 48) & 0xFFFF,
            n & u128::from(LAST_GROUP)
        )
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_rise_and_their_uuids_are_of_version_7_and_all_different() {
        let ids: Vec<RunId> = (0..20_000).map(|_| RunId::next()).collect();
        assert!(ids.is_sorted());
        let texts: HashSet<String> = ids.iter().map(RunId::to_string).collect();
        assert_eq!(texts.len(), ids.len());
        let tails: HashSet<&str> = texts.iter().map(|t| &t[24..36]).collect();
        assert_eq!(tails.len(), ids.len(), "the last group tells runs apart");
        for text in &texts {
            assert_eq!(text.len(), 36);
            assert_eq!(&text[14..15], "7", "{text}");
            assert!("89ab".contains(&text[19..20]), "{text}");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let newest = ids.last().unwrap();
        assert!(now.abs_diff(newest.uuid() >> 80) < 10_000, "{newest}");
        assert_eq!(newest.to_string(), newest.to_string());
    }
}
