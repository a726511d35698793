//! The trainer's execution of a [`DecoderSpec`]: one forward pass on the tape, over a frozen base with low-rank terms
//! or over trained weights. `engine` executes the same description without gradients; a test holds both to the same
//! logits.

use super::adapter::{AdapterSettings, Dora, EmbeddingTerm, Low, fresh_terms, known_terms};
use super::merge;
use crate::{Parameter, Parameters};
use lyceum_core::Result;
use lyceum_data::Random;
use lyceum_models::peft::Lora;
use lyceum_models::{DecoderSpec, DecoderWeights, LayerWeights, Module, Projection};
use lyceum_tensor::tape::{AttentionShape, LowRank, RotaryTable, Segments, Tape, Tensor, Var, Weight};
use lyceum_tensor::{Format, Matrix, Pool};
use std::collections::HashMap;
use std::sync::Arc;

/// A weight: as the model file holds it, or a place among the trained parameters.
#[derive(Debug, Clone)]
enum Source {
    Frozen(Matrix),
    Trained(usize),
}

/// A vector, frozen or trained.
#[derive(Debug, Clone)]
enum VectorSource {
    Frozen(Tensor),
    Trained(usize),
}

struct Block {
    attn_norm: VectorSource,
    mlp_norm: VectorSource,
    q_norm: Option<VectorSource>,
    k_norm: Option<VectorSource>,
    linear: [Source; 7],
    bias: [Option<Tensor>; 7],
}

/// A decoder that can be trained.
pub struct Network {
    spec: DecoderSpec,
    embed: Source,
    head: Option<Source>,
    norm: VectorSource,
    blocks: Vec<Block>,
    low: HashMap<Module, Low>,
    embedding: Option<EmbeddingTerm>,
    dropout: f32,
}

/// Token ids of some sequences, one after another, with what they are to predict.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Ids of all sequences in order.
    pub ids: Vec<u32>,
    /// Where sequences begin and end.
    pub segments: Segments,
    /// The next id at each place (anything where the weight is 0).
    pub targets: Vec<u32>,
    /// Weight of each place in the loss.
    pub weights: Vec<f32>,
}

/// One forward pass over a batch.
struct Pass<'t, 'p, 'n> {
    tape: &'t mut Tape<'p>,
    vars: &'t [Var],
    network: &'n Network,
    positions: Arc<Vec<u32>>,
    segments: &'t Segments,
    rotary: RotaryTable,
    /// Fixes the drop-out masks; `None` while evaluating.
    step: Option<u64>,
}

impl Network {
    /// A frozen base with fresh low-rank terms at the target modules: A by Kaiming's uniform rule, B zero, so that
    /// training begins at the base.
    pub fn with_adapter(
        spec: &DecoderSpec,
        weights: &DecoderWeights,
        settings: &AdapterSettings,
        seed: u64,
    ) -> Result<(Self, Parameters)> {
        let mut parameters = Parameters::default();
        spec.trainable()?;
        let low = fresh_terms(spec, weights, settings, seed, &mut parameters)?;
        Ok((Self::over(spec, weights, low, settings.dropout), parameters))
    }

    /// A frozen base with the terms of an adapter that exists, to go on from or to look at. What the adapter does to
    /// the output layer, and its biases, stay as they are.
    pub fn with_lora(
        spec: &DecoderSpec,
        weights: &DecoderWeights,
        lora: &Lora,
    ) -> Result<(Self, Parameters)> {
        spec.trainable()?;
        let mut parameters = Parameters::default();
        let low = known_terms(weights, lora, &mut parameters);
        let mut network = Self::over(spec, weights, low, 0.0);
        network.embedding = EmbeddingTerm::of(lora, &mut parameters);
        let mut head = lora.head.clone();
        if let Some(m) = lora.modules.iter().find(|m| m.module == Module::Head) {
            head = Some(merge::sum(head.as_ref().unwrap_or(weights.head()), m, None, Format::F32)?);
        }
        if let Some(table) = &lora.embed {
            // A tied output layer keeps the base's table.
            head = head.or_else(|| weights.head.is_none().then(|| weights.embed.clone()));
            network.embed = Source::Frozen(table.clone());
        }
        if let Some(head) = head {
            network.head = Some(Source::Frozen(head));
        }
        for (module, bias) in &lora.biases {
            if let Module::Layer(l, p) = module
                && let Some(slot) = network.blocks.get_mut(*l).and_then(|b| b.bias.get_mut(*p as usize))
            {
                *slot = Some(Tensor::new(vec![bias.len()], bias.clone()));
            }
        }
        Ok((network, parameters))
    }

    /// A base alone: nothing is trained.
    pub fn plain(spec: &DecoderSpec, weights: &DecoderWeights) -> (Self, Parameters) {
        (Self::over(spec, weights, HashMap::new(), 0.0), Parameters::default())
    }

    fn over(spec: &DecoderSpec, weights: &DecoderWeights, low: HashMap<Module, Low>, dropout: f32) -> Self {
        let frozen = |v: &[f32]| VectorSource::Frozen(Tensor::new(vec![v.len()], v.to_vec()));
        let blocks = weights.layers.iter().map(|l| frozen_block(l, frozen)).collect();
        Self {
            spec: spec.clone(),
            embed: Source::Frozen(weights.embed.clone()),
            head: weights.head.clone().map(Source::Frozen),
            norm: frozen(&weights.norm),
            blocks,
            low,
            embedding: None,
            dropout,
        }
    }

    /// Everything trained, tied embeddings: matrices from N(0, 0.02²), those that write to the residual stream
    /// divided by √(2 · layers) (Radford et al. 2019), norms 1.
    pub fn fresh(spec: &DecoderSpec, seed: u64) -> (Self, Parameters) {
        let mut p = Parameters::default();
        let mut random = Random::new(seed, 1);
        let mut matrix = |p: &mut Parameters, name: String, rows: usize, cols: usize, deviation: f64| {
            let values = (0..rows * cols).map(|_| (random.normal() * deviation) as f32).collect();
            p.push(Parameter::new(name, Tensor::new(vec![rows, cols], values)))
        };
        let ones = |p: &mut Parameters, name: String, n: usize| {
            VectorSource::Trained(p.push(Parameter::new(name, Tensor::new(vec![n], vec![1.0; n]))))
        };
        let embed = matrix(&mut p, "model.embed_tokens.weight".into(), spec.vocab, spec.hidden, 0.02);
        let residual = 0.02 / (2.0 * spec.layers as f64).sqrt();
        let blocks = (0..spec.layers)
            .map(|l| Block {
                attn_norm: ones(&mut p, format!("model.layers.{l}.input_layernorm.weight"), spec.hidden),
                mlp_norm: ones(
                    &mut p,
                    format!("model.layers.{l}.post_attention_layernorm.weight"),
                    spec.hidden,
                ),
                q_norm: None,
                k_norm: None,
                linear: Projection::ALL.map(|proj| {
                    let (rows, cols) = proj.shape(spec);
                    let writes = matches!(proj, Projection::O | Projection::Down);
                    let deviation = if writes { residual } else { 0.02 };
                    let name = format!("{}.weight", Module::Layer(l, proj));
                    Source::Trained(matrix(&mut p, name, rows, cols, deviation))
                }),
                bias: Default::default(),
            })
            .collect();
        let norm = ones(&mut p, "model.norm.weight".into(), spec.hidden);
        let network = Self {
            spec: spec.clone(),
            embed: Source::Trained(embed),
            head: None,
            norm,
            blocks,
            low: HashMap::new(),
            embedding: None,
            dropout: 0.0,
        };
        (network, p)
    }

    /// The description.
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// The low-rank terms by module.
    pub(super) fn low(&self) -> &HashMap<Module, Low> {
        &self.low
    }

    /// The parameters as leaves of a tape, in their order.
    pub fn leaves(tape: &mut Tape<'_>, parameters: &Parameters) -> Vec<Var> {
        parameters.0.iter().map(|p| tape.leaf(p.value.clone())).collect()
    }

    /// The parameters as constants, for evaluation.
    pub fn constants(parameters: &Parameters) -> Vec<Var> {
        parameters.0.iter().map(|p| Var::constant(p.value.clone())).collect()
    }

    /// Hidden states after the last norm, `[rows, hidden]`. `step` fixes the drop-out; `None` drops nothing.
    pub fn hidden(
        &self,
        tape: &mut Tape<'_>,
        vars: &[Var],
        ids: &[u32],
        segments: &Segments,
        step: Option<u64>,
    ) -> Var {
        let positions = segments.positions();
        let longest = positions.iter().max().map_or(0, |p| *p as usize + 1);
        let frequencies = self.spec.rope.frequencies(longest);
        let rotary = RotaryTable::new(&frequencies.inv_freq, frequencies.attention_factor, longest);
        let positions = Arc::new(positions);
        let mut pass = Pass { tape, vars, network: self, positions, segments, rotary, step };
        let table = pass.weight(&self.embed);
        let mut h = pass.tape.embedding(ids, &table);
        if let Some(term) = &self.embedding {
            h = pass.embedding_term(ids, term, &h);
        }
        for (l, block) in self.blocks.iter().enumerate() {
            h = pass.block(l, block, h);
        }
        let norm = pass.vector(&self.norm);
        pass.tape.rms_norm(&h, &norm, self.spec.norm_eps)
    }

    /// The mean loss of a batch (nats per weighted token), with each counted token's own.
    pub fn loss(
        &self,
        tape: &mut Tape<'_>,
        vars: &[Var],
        batch: &Batch,
        step: Option<u64>,
    ) -> lyceum_tensor::tape::HeadLoss {
        let h = self.hidden(tape, vars, &batch.ids, &batch.segments, step);
        let head = self.head_weight(vars);
        tape.head_cross_entropy(&h, &head, &batch.targets, &batch.weights)
    }

    /// Logits `[rows, vocabulary]` of one sequence, for comparisons.
    pub fn logits(&self, pool: &Pool, parameters: &Parameters, ids: &[u32]) -> Tensor {
        let mut tape = Tape::new(pool);
        let vars = Self::constants(parameters);
        let h = self.hidden(&mut tape, &vars, ids, &Segments::from_lengths([ids.len()]), None);
        let head = self.head_weight(&vars);
        tape.linear(&h, &head, None).value().clone()
    }

    fn head_weight(&self, vars: &[Var]) -> Weight {
        resolve(self.head.as_ref().unwrap_or(&self.embed), vars)
    }
}

fn frozen_block(l: &LayerWeights, frozen: impl Fn(&[f32]) -> VectorSource) -> Block {
    Block {
        attn_norm: frozen(&l.attn_norm),
        mlp_norm: frozen(&l.mlp_norm),
        q_norm: l.q_norm.as_deref().map(&frozen),
        k_norm: l.k_norm.as_deref().map(&frozen),
        linear: Projection::ALL.map(|p| Source::Frozen(l.projection(p).clone())),
        bias: Projection::ALL.map(|p| l.biases.get(p).map(|b| Tensor::new(vec![b.len()], b.to_vec()))),
    }
}

#[allow(clippy::indexing_slicing, reason = "places come from Parameters::push and vars has one for each")]
fn resolve(source: &Source, vars: &[Var]) -> Weight {
    match source {
        Source::Frozen(m) => Weight::Frozen(m.clone()),
        Source::Trained(at) => Weight::Dense(vars[*at].clone()),
    }
}

#[allow(clippy::indexing_slicing, reason = "places come from Parameters::push; Projection has seven values")]
impl Pass<'_, '_, '_> {
    fn weight(&self, source: &Source) -> Weight {
        resolve(source, self.vars)
    }

    fn vector(&self, source: &VectorSource) -> Var {
        match source {
            VectorSource::Frozen(t) => Var::constant(t.clone()),
            VectorSource::Trained(at) => self.vars[*at].clone(),
        }
    }

    /// h + s (Aᵀ of the ids) Bᵀ.
    fn embedding_term(&mut self, ids: &[u32], term: &EmbeddingTerm, h: &Var) -> Var {
        let rows = self.tape.embedding(ids, &Weight::Dense(self.vars[term.a].clone()));
        let up = self.tape.linear(&rows, &Weight::Dense(self.vars[term.b].clone()), None);
        let up = self.tape.scale(&up, term.scale);
        self.tape.add(h, &up)
    }

    /// One linear layer with its low-rank term, if it has one.
    fn linear(&mut self, layer: usize, block: &Block, projection: Projection, x: &Var) -> Var {
        let (i, network) = (projection as usize, self.network);
        let weight = self.weight(&block.linear[i]);
        let bias = block.bias[i].clone().map(Var::constant);
        let Some(low) = network.low.get(&Module::Layer(layer, projection)) else {
            return self.tape.linear(x, &weight, bias.as_ref());
        };
        let early = bias.as_ref().filter(|_| low.dora.is_none());
        let y = self.tape.linear(x, &weight, early);
        let term = LowRank { a: self.vars[low.a].clone(), b: self.vars[low.b].clone(), scale: low.scale };
        let dropped = match self.step {
            Some(step) => self.tape.dropout(x, network.dropout, step << 16 | (layer * 8 + i) as u64),
            None => x.clone(),
        };
        let mut y = self.tape.low_rank(&y, &dropped, &term);
        if let (Some(dora), Weight::Frozen(base)) = (&low.dora, &weight) {
            y = self.dora(&y, base, &term, dora);
            if let Some(bias) = &bias {
                y = self.tape.add_columns(&y, bias);
            }
        }
        match &low.bias {
            Some(bias) => self.tape.add_columns(&y, &Var::constant(bias.clone())),
            None => y,
        }
    }

    /// y ⊙ m / ‖W + s B A‖ (Liu et al. 2024): the lengths of the sum count as constants in the gradient (section 4.3
    /// there).
    fn dora(&mut self, y: &Var, base: &Matrix, low: &LowRank, dora: &Dora) -> Var {
        let (a, b) = (low.a.value().data(), low.b.value().data());
        let lengths = dora.norms.with(self.tape.pool(), base, a, b, low.scale);
        let inverse: Vec<f32> = lengths.iter().map(|n| 1.0 / n).collect();
        let inverse = Var::constant(Tensor::new(vec![inverse.len()], inverse));
        let factors = self.tape.mul(&self.vars[dora.magnitude], &inverse);
        self.tape.scale_columns(y, &factors)
    }

    fn block(&mut self, l: usize, block: &Block, h: Var) -> Var {
        let spec = &self.network.spec;
        let norm = self.vector(&block.attn_norm);
        let x = self.tape.rms_norm(&h, &norm, spec.norm_eps);
        let q = self.linear(l, block, Projection::Q, &x);
        let k = self.linear(l, block, Projection::K, &x);
        let v = self.linear(l, block, Projection::V, &x);
        drop(x);
        let q = self.head_norm(block.q_norm.as_ref(), q);
        let k = self.head_norm(block.k_norm.as_ref(), k);
        let a = &spec.attention;
        let q = self.tape.rotary(&q, a.head_dim, &self.positions, &self.rotary);
        let k = self.tape.rotary(&k, a.head_dim, &self.positions, &self.rotary);
        let shape = AttentionShape {
            heads: a.heads,
            kv_heads: a.kv_heads,
            head_dim: a.head_dim,
            scale: 1.0 / (a.head_dim as f32).sqrt(),
            window: spec.window(l),
        };
        let attended = self.tape.attention(&q, &k, &v, self.segments, shape);
        drop((q, k, v));
        let o = self.linear(l, block, Projection::O, &attended);
        let h = self.tape.add(&h, &o);
        self.mlp(l, block, h)
    }

    fn mlp(&mut self, l: usize, block: &Block, h: Var) -> Var {
        let norm = self.vector(&block.mlp_norm);
        let x = self.tape.rms_norm(&h, &norm, self.network.spec.norm_eps);
        let gate = self.linear(l, block, Projection::Gate, &x);
        let up = self.linear(l, block, Projection::Up, &x);
        drop(x);
        let act = self.tape.silu_gate(&gate, &up);
        let down = self.linear(l, block, Projection::Down, &act);
        self.tape.add(&h, &down)
    }

    /// RMS norm of each head (Qwen 3), with the rows cut into heads for it.
    fn head_norm(&mut self, norm: Option<&VectorSource>, x: Var) -> Var {
        match norm {
            None => x,
            Some(norm) => {
                let norm = self.vector(norm);
                self.tape.rms_norm(&x, &norm, self.network.spec.norm_eps)
            }
        }
    }
}
