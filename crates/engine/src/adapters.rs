//! Loaded adapters: immutable generations under names. A request keeps the generation that it began with.

use async_trait::async_trait;
use lyceum_core::{AdapterInfo, AdapterSource, Adapters, Error, Result};
use lyceum_models::peft::{self, Lora};
use lyceum_models::{DecoderSpec, Module};
use lyceum_tensor::Matrix;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The two factors of a module, f32, the scale beside them.
#[derive(Debug)]
pub(crate) struct Factors {
    /// `[r, in]`.
    pub(crate) a: Vec<f32>,
    /// Transposed: `[r, out]`.
    pub(crate) b: Vec<f32>,
    pub(crate) scale: f32,
}

/// One generation of an adapter, ready to compute.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) info: AdapterInfo,
    /// Tells generations apart in the prefix cache; 0 is the base.
    pub(crate) root: u64,
    modules: HashMap<Module, Factors>,
}

static NEXT_ROOT: AtomicU64 = AtomicU64::new(1);

impl Prepared {
    /// Widens the factors of a LoRA.
    pub fn new(name: &str, lora: &Lora) -> Self {
        let info = AdapterInfo {
            name: name.to_string(),
            generation: lora.generation.clone(),
            rank: lora.rank(),
            modules: lora.modules.len(),
            bytes: lora
                .modules
                .iter()
                .map(|m| 4 * (m.a.rows() * m.a.cols() + m.b.rows() * m.b.cols()) as u64)
                .sum(),
        };
        let widen = |m: &peft::LoraModule| Factors { a: m.a.to_f32(), b: transposed(&m.b), scale: m.scale };
        let modules = lora.modules.iter().map(|m| (m.module, widen(m))).collect();
        Self { info, root: NEXT_ROOT.fetch_add(1, Ordering::Relaxed), modules }
    }

    /// The factors of a module, if it changes it.
    pub(crate) fn factors(&self, module: Module) -> Option<&Factors> {
        self.modules.get(&module)
    }
}

fn transposed(m: &Matrix) -> Vec<f32> {
    let values = m.to_f32();
    (0..m.cols()).flat_map(|c| values.iter().skip(c).step_by(m.cols().max(1)).copied()).collect()
}

/// The adapters of one model, by name.
#[derive(Debug)]
pub(crate) struct Registry {
    spec: DecoderSpec,
    loaded: RwLock<BTreeMap<String, Arc<Prepared>>>,
}

impl Registry {
    pub(crate) fn new(spec: DecoderSpec) -> Self {
        Self { spec, loaded: RwLock::default() }
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
        let prepared = Prepared::new(name, &peft::read(folder, &self.spec)?);
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
