//! What every request sees of the server.

use crate::auth::Keys;
use crate::guard::Door;
use crate::limits::{Admission, Limits};
use crate::metrics::Metrics;
use crate::models::Models;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The server's state.
pub(crate) struct App {
    pub(crate) models: Models,
    pub(crate) limits: Limits,
    pub(crate) admission: Admission,
    pub(crate) metrics: Metrics,
    pub(crate) keys: Keys,
    pub(crate) door: Door,
    /// When the server began, in seconds since 1970.
    pub(crate) since: i64,
    /// Told to stop: running answers end, health says no.
    pub(crate) draining: AtomicBool,
}

/// Shared by all requests.
pub(crate) type Shared = Arc<App>;

/// A fresh identifier with a prefix, as OpenAI writes them: `chatcmpl-` and 24 url-safe characters.
pub(crate) fn fresh_id(prefix: &str) -> String {
    let mut random = [0u8; 12];
    // Without randomness ids would repeat, which no client minds much; the operating system always has some.
    let _ = getrandom::fill(&mut random);
    format!("{prefix}{}", lyceum_store::hash::hex(&random))
}

/// A seed that nobody chose.
pub(crate) fn fresh_seed() -> u64 {
    getrandom::u64().unwrap_or_default()
}
