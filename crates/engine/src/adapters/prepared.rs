//! One generation of an adapter, ready to compute.

use super::pack::{Change, Group, Packed, changes, scales};
use super::prompt::Prompt;
use crate::decoder::Precision;
use lyceum_core::{AdapterInfo, Error, Result};
use lyceum_models::peft::{Adapter, Lora, LowRankPair};
use lyceum_models::{DecoderSpec, DecoderWeights, Module, Projection};
use lyceum_tensor::Matrix;
use lyceum_tensor::kernels::{self, LowRank};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// An adapter in the layout of the kernels. It never changes.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) info: AdapterInfo,
    /// Tells generations apart in the prefix cache; 0 is the base.
    pub(crate) root: u64,
    packed: Packed,
    /// What the inputs of a module are multiplied with (IA³).
    inputs: BTreeMap<Module, Vec<f32>>,
    /// By layer.
    prompts: Vec<Option<Prompt>>,
    embedding: Option<Embedding>,
    embed: Option<Matrix>,
    head: Option<kernels::Packed>,
}

/// The low-rank term of the embeddings.
#[derive(Debug)]
struct Embedding {
    rank: usize,
    /// `[vocab, r]`.
    a: Vec<f32>,
    /// scale · Bᵀ, `[r, hidden]`.
    b: Vec<f32>,
}

static NEXT_ROOT: AtomicU64 = AtomicU64::new(1);

impl Prepared {
    /// Packs an adapter: factors in bf16 where products are [`Precision::Fast`], in f32 otherwise. Fails without `base`
    /// where [`Adapter::needs_base`].
    pub fn new(
        name: &str,
        adapter: &Adapter,
        spec: &DecoderSpec,
        base: Option<&DecoderWeights>,
        precision: Precision,
    ) -> Result<Self> {
        if adapter.needs_base() && base.is_none() {
            return Err(Error::internal(format!("adapter `{name}` needs the weights of its base")));
        }
        let (changes, inputs) = match adapter {
            Adapter::Lora(lora) => (changes(lora, base), BTreeMap::new()),
            Adapter::Ia3(ia3) => scales(ia3, base),
            Adapter::Prompt(p) => {
                // Both attentions go through the output projection, so its bias counts twice.
                let bias = |l| base.and_then(|w| w.bias(Module::Layer(l, Projection::O)));
                let twice = p.layers.iter().filter_map(|p| {
                    let change = Change { bias: Some(bias(p.layer)?.to_vec()), ..Change::default() };
                    Some((Module::Layer(p.layer, Projection::O), change))
                });
                (twice.collect(), BTreeMap::new())
            }
        };
        let prompts = match (adapter, base) {
            (Adapter::Prompt(p), Some(base)) => Prompt::of_layers(p, spec, base)?,
            _ => Vec::new(),
        };
        let lora = match adapter {
            Adapter::Lora(lora) => Some(&**lora),
            _ => None,
        };
        let mut prepared = Self {
            info: AdapterInfo {
                name: name.to_string(),
                generation: adapter.generation().to_string(),
                rank: lora.map_or(0, Lora::rank),
                modules: changes.len() + inputs.len() + prompts.iter().flatten().count(),
                ..AdapterInfo::default()
            },
            root: NEXT_ROOT.fetch_add(1, Ordering::Relaxed),
            packed: Packed::new(spec, &changes, precision == Precision::Exact),
            inputs,
            prompts,
            embedding: lora.and_then(|l| l.embedding.as_ref()).map(Embedding::new),
            embed: lora.and_then(|l| l.embed.clone()),
            head: lora.and_then(|l| l.head.as_ref()).map(kernels::Packed::exact),
        };
        prepared.info.bytes = prepared.count_bytes();
        Ok(prepared)
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        self.info.bytes
    }

    /// What the inputs of a module are multiplied with.
    pub(crate) fn inputs(&self, module: Module) -> Option<&[f32]> {
        self.inputs.get(&module).map(Vec::as_slice)
    }

    /// The prompt that the tokens of a layer attend to as well.
    pub(crate) fn prompt(&self, layer: usize) -> Option<&Prompt> {
        self.prompts.get(layer)?.as_ref()
    }

    /// What it does to the projections of a block that share an input.
    pub(crate) fn group(&self, layer: usize, group: Group) -> Option<&LowRank> {
        self.packed.group(layer, group)
    }

    /// What it does to the output layer.
    pub(crate) fn head_change(&self) -> Option<&LowRank> {
        self.packed.head()
    }

    /// Its own output layer.
    pub(crate) fn head(&self) -> Option<&kernels::Packed> {
        self.head.as_ref()
    }

    /// Changes the embedding of a token, which `out` holds.
    pub(crate) fn embed(&self, id: usize, out: &mut [f32]) {
        if let Some(table) = &self.embed {
            table.dequantize_rows(id..id + 1, out);
        }
        if let Some(e) = &self.embedding {
            for (a, b) in e.a.iter().skip(id * e.rank).zip(e.b.chunks_exact(out.len())) {
                kernels::add_scaled(out, *a, b);
            }
        }
    }

    fn count_bytes(&self) -> u64 {
        let embedding = self.embedding.iter().map(|e| 4 * (e.a.len() + e.b.len())).sum::<usize>();
        let tables = self.embed.iter().map(Matrix::byte_len).sum::<usize>()
            + self.head.iter().map(|h| 4 * h.rows() * h.cols()).sum::<usize>();
        let prompts = self.prompts.iter().flatten().map(Prompt::bytes).sum::<usize>();
        let vectors = self.inputs.values().map(|v| 4 * v.len()).sum::<usize>();
        (self.packed.bytes() + embedding + tables + prompts + vectors) as u64
    }
}

impl Embedding {
    fn new(pair: &LowRankPair) -> Self {
        let mut b = transposed(&pair.b);
        b.iter_mut().for_each(|x| *x *= pair.scale);
        Self { rank: pair.a.rows(), a: transposed(&pair.a), b }
    }
}

fn transposed(m: &Matrix) -> Vec<f32> {
    let values = m.to_f32();
    (0..m.cols()).flat_map(|c| values.iter().skip(c).step_by(m.cols().max(1)).copied()).collect()
}
