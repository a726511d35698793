//! Loaded adapters: immutable generations under names. A request keeps the generation that it began with.

use async_trait::async_trait;
use lyceum_core::{AdapterInfo, AdapterSource, Adapters, Error, Result};
use lyceum_models::peft::{self, Lora, LoraModule};
use lyceum_models::{DecoderSpec, DecoderWeights, Loaded, Module};
use lyceum_tensor::kernels::{self, Packed};
use lyceum_tensor::{Matrix, Pool};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// What an adapter does to the output of a module, f32.
#[derive(Debug)]
pub(crate) struct Change {
    /// `[r, in]`.
    a: Vec<f32>,
    /// Transposed: `[r, out]`.
    b: Vec<f32>,
    scale: f32,
    /// DoRA: what each output is multiplied with, the low-rank term included.
    factors: Option<Vec<f32>>,
    /// Added to the output.
    bias: Option<Vec<f32>>,
}

impl Change {
    /// `out` `[rows, outputs]` holds W x of the rows `x` `[rows, inputs]`, without the base's bias.
    pub(crate) fn apply(&self, pool: &Pool, x: &[f32], inputs: usize, out: &mut [f32]) {
        kernels::low_rank(pool, x, inputs, (&self.a, &self.b), self.scale, out);
        if let Some(factors) = &self.factors {
            for row in out.chunks_exact_mut(factors.len()) {
                row.iter_mut().zip(factors).for_each(|(y, c)| *y *= c);
            }
        }
        if let Some(bias) = &self.bias {
            out.chunks_exact_mut(bias.len()).for_each(|row| kernels::add(row, bias));
        }
    }
}

/// One generation of an adapter, ready to compute.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) info: AdapterInfo,
    /// Tells generations apart in the prefix cache; 0 is the base.
    pub(crate) root: u64,
    modules: HashMap<Module, Change>,
    /// The low-rank term of the embeddings, `a` transposed: `[vocab, r]`.
    embedding: Option<Change>,
    embed: Option<Matrix>,
    head: Option<Packed>,
}

static NEXT_ROOT: AtomicU64 = AtomicU64::new(1);

impl Prepared {
    /// Widens the factors of a LoRA. Fails without `base` where [`Lora::needs_base`].
    pub fn new(name: &str, lora: &Lora, base: Option<&DecoderWeights>) -> Result<Self> {
        if lora.needs_base() && base.is_none() {
            return Err(Error::internal(format!("adapter `{name}` needs the weights of its base")));
        }
        let mut modules: HashMap<Module, Change> =
            lora.modules.iter().map(|m| (m.module, change(m, base))).collect();
        for module in lora.modules.iter().map(|m| m.module).chain(lora.biases.iter().map(|(m, _)| *m)) {
            let bias = lora.added_bias(module, base);
            modules.entry(module).or_insert_with(Change::nothing).bias = bias;
        }
        let embedding = lora.embedding.as_ref().map(|e| Change {
            a: transposed(&e.a),
            b: transposed(&e.b),
            scale: e.scale,
            factors: None,
            bias: None,
        });
        let mut prepared = Self {
            info: AdapterInfo {
                name: name.to_string(),
                generation: lora.generation.clone(),
                rank: lora.rank(),
                modules: modules.len(),
                bytes: 0,
            },
            root: NEXT_ROOT.fetch_add(1, Ordering::Relaxed),
            modules,
            embedding,
            embed: lora.embed.clone(),
            head: lora.head.as_ref().map(Packed::exact),
        };
        prepared.info.bytes = prepared.bytes();
        Ok(prepared)
    }

    /// What it does to a module, if it changes it.
    pub(crate) fn change(&self, module: Module) -> Option<&Change> {
        self.modules.get(&module)
    }

    /// Its own output layer.
    pub(crate) fn head(&self) -> Option<&Packed> {
        self.head.as_ref()
    }

    /// Changes the embedding of a token, which `out` holds.
    pub(crate) fn embed(&self, id: usize, out: &mut [f32]) {
        if let Some(table) = &self.embed {
            table.dequantize_rows(id..id + 1, out);
        }
        if let Some(e) = &self.embedding {
            let r = e.b.len() / out.len().max(1);
            for (a, b) in e.a.iter().skip(id * r).zip(e.b.chunks_exact(out.len())) {
                kernels::add_scaled(out, e.scale * a, b);
            }
        }
    }

    fn bytes(&self) -> u64 {
        let of = |c: &Change| {
            let vectors = c.factors.iter().chain(&c.bias).map(Vec::len).sum::<usize>();
            4 * (c.a.len() + c.b.len() + vectors) as u64
        };
        let tables = self.embed.iter().map(Matrix::byte_len).sum::<usize>()
            + self.head.iter().map(|h| 4 * h.rows() * h.cols()).sum::<usize>();
        self.modules.values().chain(&self.embedding).map(of).sum::<u64>() + tables as u64
    }
}

impl Change {
    fn nothing() -> Self {
        Self { a: Vec::new(), b: Vec::new(), scale: 0.0, factors: None, bias: None }
    }
}

fn change(m: &LoraModule, base: Option<&DecoderWeights>) -> Change {
    let base = base.and_then(|w| w.matrix(m.module));
    let factors = base.and_then(|base| m.row_factors(Pool::global(), base));
    Change { a: m.a.to_f32(), b: transposed(&m.b), scale: m.scale, factors, bias: None }
}

fn transposed(m: &Matrix) -> Vec<f32> {
    let values = m.to_f32();
    (0..m.cols()).flat_map(|c| values.iter().skip(c).step_by(m.cols().max(1)).copied()).collect()
}

/// The adapters of one model, by name.
#[derive(Debug)]
pub(crate) struct Registry {
    spec: DecoderSpec,
    /// Where the base lies and which it is, for adapters that need its weights.
    base: (PathBuf, String),
    loaded: RwLock<BTreeMap<String, Arc<Prepared>>>,
}

impl Registry {
    pub(crate) fn new(spec: DecoderSpec, path: PathBuf, fingerprint: String) -> Self {
        Self { spec, base: (path, fingerprint), loaded: RwLock::default() }
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
        let lora = peft::read(folder, &self.spec)?;
        let (path, fingerprint) = &self.base;
        let base = lora.needs_base().then(|| Loaded::weights_again(path, fingerprint)).transpose()?;
        let prepared = Prepared::new(name, &lora, base.as_ref())?;
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
