//! What every request sees of the server.

use crate::agents::Runs;
use crate::auth::Keys;
use crate::guard::Door;
use crate::limits::{Admission, Limits};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::models::Models;
use crate::studio::Studio;
use lyceum_core::{Context, Tracer};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The server's state.
pub(crate) struct App {
    pub(crate) live: Live,
    pub(crate) runs: Runs,
    pub(crate) limits: Limits,
    pub(crate) admission: Admission,
    pub(crate) metrics: Metrics,
    pub(crate) keys: Keys,
    pub(crate) door: Door,
    pub(crate) studio: Studio,
    pub(crate) tracer: Arc<dyn Tracer>,
    /// When the server began, in seconds since 1970.
    pub(crate) since: i64,
    /// Told to stop: running answers end, health says no.
    pub(crate) draining: AtomicBool,
}

impl App {
    /// What is served now.
    pub(crate) fn models(&self) -> Arc<Models> {
        self.live.now()
    }

    /// What a request's runs begin with: they are recorded where the server's are.
    pub(crate) fn context(&self) -> Context {
        Context::new().with_tracer(self.tracer.clone())
    }
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

/// A random identifier, a UUID of version 4.
pub(crate) fn fresh_uuid() -> String {
    let mut random = [0u8; 16];
    let _ = getrandom::fill(&mut random);
    let id = u128::from_be_bytes(random) & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
    uuid(id)
}

/// 128 bits as RFC 9562 writes them.
pub(crate) fn uuid(id: u128) -> String {
    let (a, b, c) = (id >> 96, id >> 80 & 0xffff, id >> 64 & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", id >> 48 & 0xffff, id & 0xffff_ffff_ffff)
}

/// A seed that nobody chose.
pub(crate) fn fresh_seed() -> u64 {
    getrandom::u64().unwrap_or_default()
}
