//! Limits of the adapters of a model, and where requests may name them from.

use lyceum_core::FetchAdapter;
use std::path::PathBuf;
use std::sync::Arc;

/// Limits of the adapters of a model, and where requests may name them from.
#[derive(Debug, Clone)]
pub struct AdapterConfig {
    /// Bytes of packed adapters that are kept in memory; those not used for longest leave first. Adapters in use stay
    /// until their requests end, so memory may be over it for as long.
    pub bytes: u64,
    /// Folders below which a request may name an adapter's folder. None: requests name no folders.
    pub roots: Vec<PathBuf>,
    /// Gets adapters that are elsewhere.
    pub fetch: Option<Arc<dyn FetchAdapter>>,
}

impl Default for AdapterConfig {
    fn default() -> Self {
        Self { bytes: 4 << 30, roots: Vec::new(), fetch: None }
    }
}
