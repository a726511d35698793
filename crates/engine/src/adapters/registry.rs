//! The adapters of one model, by name.

use super::Prepared;
use crate::decoder::Precision;
use async_trait::async_trait;
use lyceum_core::{AdapterInfo, AdapterSource, Adapters, Error, Result};
use lyceum_models::peft;
use lyceum_models::{DecoderSpec, Loaded};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// The adapters of one model, by name.
#[derive(Debug)]
pub(crate) struct Registry {
    spec: DecoderSpec,
    precision: Precision,
    /// Where the base lies and which it is, for adapters that need its weights.
    base: (PathBuf, String),
    loaded: RwLock<BTreeMap<String, Arc<Prepared>>>,
}

impl Registry {
    pub(crate) fn new(spec: DecoderSpec, path: PathBuf, fingerprint: String, precision: Precision) -> Self {
        Self { spec, precision, base: (path, fingerprint), loaded: RwLock::default() }
    }

    /// The present generation of a name; fails with the nearest name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Prepared>> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = loaded.keys().map(String::as_str).collect();
            let list = if known.is_empty() {
                "none is loaded".into()
            } else {
                format!("loaded: {}", known.join(", "))
            };
            Error::not_found(format!("no adapter `{name}`")).did_you_mean(name, known).hint(list)
        })
    }

    fn put(&self, name: &str, source: &AdapterSource) -> Result<AdapterInfo> {
        let AdapterSource::Folder(folder) = source;
        let adapter = peft::read_any(folder, &self.spec)?;
        let (path, fingerprint) = &self.base;
        let base = adapter.needs_base().then(|| Loaded::weights_again(path, fingerprint)).transpose()?;
        let prepared = Prepared::new(name, &adapter, &self.spec, base.as_ref(), self.precision)?;
        let info = prepared.info.clone();
        self.loaded
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_string(), Arc::new(prepared));
        Ok(info)
    }
}

#[async_trait]
impl Adapters for Registry {
    async fn load(&self, name: &str, source: AdapterSource) -> Result<AdapterInfo> {
        self.put(name, &source)
    }

    async fn unload(&self, name: &str) -> Result<()> {
        self.get(name)?;
        self.loaded.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    fn list(&self) -> Vec<AdapterInfo> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded.values().map(|p| p.info.clone()).collect()
    }
}
