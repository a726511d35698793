//! The weights of a decoder in the one layout of the house: `[out, in]` matrices in the format they are stored in,
//! rotary pairs as split halves.

use super::{DecoderSpec, Module, Projection};
use lyceum_core::{Error, Result};
use lyceum_tensor::{Format, Matrix, Pool};
use std::sync::{Mutex, PoisonError};

/// All weights.
#[derive(Debug, Clone)]
pub struct DecoderWeights {
    /// Token embeddings, `[vocab, hidden]`.
    pub embed: Matrix,
    /// Output layer, `[vocab, hidden]`; `None` when it is tied to the embeddings.
    pub head: Option<Matrix>,
    /// Final norm, `[hidden]`.
    pub norm: Vec<f32>,
    /// The blocks.
    pub layers: Vec<LayerWeights>,
}

/// The weights of one block.
#[derive(Debug, Clone)]
pub struct LayerWeights {
    /// Norm before the attention, `[hidden]`.
    pub attn_norm: Vec<f32>,
    /// Norm before the MLP, `[hidden]`.
    pub mlp_norm: Vec<f32>,
    /// Queries.
    pub q: Matrix,
    /// Keys.
    pub k: Matrix,
    /// Values.
    pub v: Matrix,
    /// Attention's output.
    pub o: Matrix,
    /// The gate of the MLP.
    pub gate: Matrix,
    /// What is gated.
    pub up: Matrix,
    /// Back to the hidden width.
    pub down: Matrix,
    /// Norm on each head of q, `[head_dim]`, where the model has one.
    pub q_norm: Option<Vec<f32>>,
    /// Norm on each head of k.
    pub k_norm: Option<Vec<f32>>,
    /// Norm of the attention's output, `[hidden]`, where the model has one.
    pub post_attn_norm: Option<Vec<f32>>,
    /// Norm of the MLP's output.
    pub post_mlp_norm: Option<Vec<f32>>,
    /// Biases, where the model has them.
    pub biases: LayerBiases,
}

/// The biases of a block; most models have none.
#[derive(Debug, Clone, Default)]
pub struct LayerBiases {
    all: [Option<Vec<f32>>; 7],
}

impl LayerBiases {
    /// The bias of a projection.
    pub fn get(&self, p: Projection) -> Option<&[f32]> {
        self.all.get(p as usize).and_then(|b| b.as_deref())
    }

    /// Sets the bias of a projection.
    pub fn set(&mut self, p: Projection, bias: Vec<f32>) {
        if let Some(slot) = self.all.get_mut(p as usize) {
            *slot = Some(bias);
        }
    }
}

impl LayerWeights {
    /// The matrix of a projection.
    pub fn projection(&self, p: Projection) -> &Matrix {
        match p {
            Projection::Q => &self.q,
            Projection::K => &self.k,
            Projection::V => &self.v,
            Projection::O => &self.o,
            Projection::Gate => &self.gate,
            Projection::Up => &self.up,
            Projection::Down => &self.down,
        }
    }
}

impl LayerWeights {
    fn quantized(&self, layer: usize, format: Format) -> Result<Self> {
        let mut rounded = self.clone();
        for p in Projection::ALL {
            let m = rounded.projection_mut(p);
            if !m.format().is_float() {
                continue;
            }
            if !m.cols().is_multiple_of(format.block_elements()) {
                let (cols, block) = (m.cols(), format.block_elements());
                let name = Module::Layer(layer, p);
                return Err(Error::invalid(format!(
                    "the rows of `{name}` are {cols} long, which {format}'s blocks of {block} do not fill"
                )));
            }
            *m = m.quantize(format)?;
        }
        Ok(rounded)
    }

    fn projection_mut(&mut self, p: Projection) -> &mut Matrix {
        match p {
            Projection::Q => &mut self.q,
            Projection::K => &mut self.k,
            Projection::V => &mut self.v,
            Projection::O => &mut self.o,
            Projection::Gate => &mut self.gate,
            Projection::Up => &mut self.up,
            Projection::Down => &mut self.down,
        }
    }
}

impl DecoderWeights {
    /// The output layer: its own or the embeddings.
    pub fn head(&self) -> &Matrix {
        self.head.as_ref().unwrap_or(&self.embed)
    }

    /// The matrix of a module; `None` when there is no such layer.
    pub fn matrix(&self, module: Module) -> Option<&Matrix> {
        match module {
            Module::Head => Some(self.head()),
            Module::Layer(l, p) => Some(self.layers.get(l)?.projection(p)),
        }
    }

    /// The bias of a module, where it has one.
    pub fn bias(&self, module: Module) -> Option<&[f32]> {
        match module {
            Module::Head => None,
            Module::Layer(l, p) => self.layers.get(l)?.biases.get(p),
        }
    }

    /// Every matrix, the embeddings first; a tied head is not there twice.
    pub fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        let layers = self.layers.iter().flat_map(|l| Projection::ALL.map(|p| l.projection(p)));
        std::iter::once(&self.embed).chain(self.head.as_ref()).chain(layers)
    }

    /// The same with the floating-point matrices of the blocks rounded to a format, as a frozen base for training
    /// (embeddings and output layer stay, as do matrices that are quantised already). Fails when rows do not fill the
    /// format's blocks.
    pub fn quantized(&self, format: Format, pool: &Pool) -> Result<Self> {
        let slots: Vec<_> = self.layers.iter().map(|l| Mutex::new(Ok(l.clone()))).collect();
        pool.run(slots.len(), |i| {
            if let Some(mut slot) = slots.get(i).and_then(|s| s.lock().ok()) {
                let rounded = self.layers.get(i).map(|l| l.quantized(i, format));
                if let Some(rounded) = rounded {
                    *slot = rounded;
                }
            }
        });
        let layers = slots.into_iter().map(|s| s.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok(Self { layers: layers.collect::<Result<_>>()?, ..self.clone() })
    }

    /// Number of parameters.
    pub fn parameters(&self) -> u64 {
        let matrices: usize = self.matrices().map(|m| m.rows() * m.cols()).sum();
        let vectors: usize = self.norm.len() + self.layers.iter().map(vector_parameters).sum::<usize>();
        (matrices + vectors) as u64
    }

    /// Bytes of the weights.
    pub fn bytes(&self) -> u64 {
        self.matrices().map(|m| m.byte_len() as u64).sum()
    }

    /// The format of most bytes.
    pub fn main_format(&self) -> Format {
        let mut sums: Vec<(Format, usize)> = Vec::new();
        for m in self.layers.iter().flat_map(|l| Projection::ALL.map(|p| l.projection(p))) {
            match sums.iter_mut().find(|(f, _)| *f == m.format()) {
                Some((_, n)) => *n += m.byte_len(),
                None => sums.push((m.format(), m.byte_len())),
            }
        }
        sums.into_iter().max_by_key(|(_, n)| *n).map_or(self.embed.format(), |(f, _)| f)
    }

    /// Fails, naming the tensor, when a shape is not what the description says.
    pub(crate) fn check(self, spec: &DecoderSpec) -> Result<Self> {
        let table = (spec.vocab, spec.hidden);
        expect("model.embed_tokens", &self.embed, table)?;
        expect("lm_head", self.head(), table)?;
        expect_len("model.norm", &self.norm, spec.hidden)?;
        if self.layers.len() != spec.layers {
            return Err(Error::corrupt(format!("{} blocks, {} expected", self.layers.len(), spec.layers)));
        }
        for (l, layer) in self.layers.iter().enumerate() {
            expect_len(&format!("layer {l} attention norm"), &layer.attn_norm, spec.hidden)?;
            expect_len(&format!("layer {l} mlp norm"), &layer.mlp_norm, spec.hidden)?;
            for p in Projection::ALL {
                let name = Module::Layer(l, p).to_string();
                expect(&name, layer.projection(p), p.shape(spec))?;
                if let Some(bias) = layer.biases.get(p) {
                    expect_len(&format!("{name}.bias"), bias, p.shape(spec).0)?;
                }
            }
            for (name, norm) in [("attention", &layer.post_attn_norm), ("mlp", &layer.post_mlp_norm)] {
                if norm.as_ref().map(Vec::len) != spec.dialect.post_norms.then_some(spec.hidden) {
                    return Err(Error::corrupt(format!("layer {l}: the norm after the {name} does not fit")));
                }
            }
            for (name, norm) in [("q_norm", &layer.q_norm), ("k_norm", &layer.k_norm)] {
                if norm.is_some() != spec.attention.qk_norm {
                    return Err(Error::corrupt(format!(
                        "layer {l}: {name} does not fit `{}`",
                        spec.architecture
                    )));
                }
                if let Some(norm) = norm {
                    expect_len(&format!("layer {l} {name}"), norm, spec.attention.head_dim)?;
                }
            }
        }
        Ok(self)
    }
}

fn vector_parameters(l: &LayerWeights) -> usize {
    let norms = l.attn_norm.len() + l.mlp_norm.len();
    let norms = norms + l.post_attn_norm.iter().chain(&l.post_mlp_norm).map(Vec::len).sum::<usize>();
    let heads = l.q_norm.as_ref().map_or(0, Vec::len) + l.k_norm.as_ref().map_or(0, Vec::len);
    norms + heads + Projection::ALL.iter().filter_map(|p| l.biases.get(*p)).map(<[f32]>::len).sum::<usize>()
}

fn expect(name: &str, m: &Matrix, (rows, cols): (usize, usize)) -> Result<()> {
    if (m.rows(), m.cols()) == (rows, cols) {
        return Ok(());
    }
    Err(Error::corrupt(format!("`{name}` is {} x {}, {rows} x {cols} expected", m.rows(), m.cols())))
}

fn expect_len(name: &str, v: &[f32], n: usize) -> Result<()> {
    if v.len() == n {
        Ok(())
    } else {
        Err(Error::corrupt(format!("`{name}` has {} numbers, {n} expected", v.len())))
    }
}
