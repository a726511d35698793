//! The keys that Ludwig 0.17.8 knows in each section, with their defaults, so that a key of Ludwig's that Lyceum does
//! not act upon is told apart from a slip of the hand. The file beside is data: a section a line.

use serde_json::{Map, Value as Json};
use std::sync::OnceLock;

static KEYS: OnceLock<Map<String, Json>> = OnceLock::new();

/// The keys of a section with their defaults; empty for a section that is not known.
pub(super) fn of(section: &str) -> &'static Map<String, Json> {
    static NONE: OnceLock<Map<String, Json>> = OnceLock::new();
    let all = KEYS.get_or_init(|| serde_json::from_str(include_str!("ludwig_keys.json")).unwrap_or_default());
    match all.get(section) {
        Some(Json::Object(keys)) => keys,
        _ => NONE.get_or_init(Map::new),
    }
}

/// The names that a section knows.
pub(super) fn names(section: &str) -> Vec<&'static str> {
    of(section).keys().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_there() {
        assert!(super::of("trainer").contains_key("learning_rate_scheduler"));
        assert_eq!(super::of("trainer")["early_stop"], 5);
        assert!(super::names("input.types").contains(&"timeseries"));
    }
}
