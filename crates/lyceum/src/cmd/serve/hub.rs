//! Adapters of the Hugging Face hub, for requests that name them: `hub:owner/name`.

use lyceum_core::{Context, Error, FetchAdapter, NoProgress, Result};
use lyceum_store::{Home, PullOptions};
use std::path::PathBuf;

/// Pulls adapters into the user's model folder, once each.
#[derive(Debug)]
pub(super) struct HubAdapters {
    home: Home,
}

impl HubAdapters {
    pub(super) fn new(home: &Home) -> Self {
        Self { home: home.clone() }
    }
}

impl FetchAdapter for HubAdapters {
    fn is_mine(&self, id: &str) -> bool {
        id.starts_with("hub:")
    }

    fn fetch(&self, id: &str) -> Result<PathBuf> {
        let repository = id.strip_prefix("hub:").unwrap_or(id);
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        if repository.split('/').count() != 2 || !repository.chars().all(plain) {
            return Err(Error::invalid(format!("`{id}` is not hub:owner/name")).at_key("adapter_id"));
        }
        let name = format!("adapter-{}", repository.replace('/', "--").to_lowercase());
        if let Some(known) = self.home.manifest(&name)? {
            return Ok(self.home.path_of(&known));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::internal(format!("cannot start a runtime for a download: {e}")))?;
        let options = PullOptions { name: Some(name), ..PullOptions::default() };
        let source = format!("hf:{repository}");
        let cx = Context::new();
        let pulled = self.home.pull(&source, &options, &NoProgress, &cx);
        runtime.block_on(pulled).map(|p| p.path)
    }
}
