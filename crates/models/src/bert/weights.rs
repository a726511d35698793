//! The weights of the encoder under their Hugging Face names.

use super::BertSpec;
use lyceum_core::{Error, Result};
use lyceum_tensor::kernels::Packed;
use lyceum_tensor::safetensors::Safetensors;
use lyceum_tensor::{Format, Matrix};

/// A linear layer.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weight: Packed,
    pub(super) bias: Vec<f32>,
}

/// LayerNorm's gain and shift.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) gain: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

#[derive(Debug)]
pub(super) struct Layer {
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) attention_out: Linear,
    pub(super) attention_norm: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) norm: Norm,
}

#[derive(Debug)]
pub(super) struct BertWeights {
    pub(super) words: Matrix,
    pub(super) positions: Matrix,
    pub(super) types: Matrix,
    pub(super) norm: Norm,
    pub(super) layers: Vec<Layer>,
}

struct Reader<'a> {
    tensors: &'a Safetensors,
    prefix: &'static str,
}

impl Reader<'_> {
    fn matrix(&self, name: &str, (rows, cols): (usize, usize)) -> Result<Matrix> {
        let m = self.tensors.matrix(&format!("{}{name}.weight", self.prefix))?;
        if (m.rows(), m.cols()) != (rows, cols) {
            let e =
                Error::corrupt(format!("`{name}` is {} x {}, {rows} x {cols} expected", m.rows(), m.cols()));
            return Err(e.in_file(self.tensors.path()));
        }
        Ok(m)
    }

    fn vector(&self, name: &str, n: usize) -> Result<Vec<f32>> {
        let v = self.tensors.vector(&format!("{}{name}", self.prefix))?;
        if v.len() != n {
            let e = Error::corrupt(format!("`{name}` has {} numbers, {n} expected", v.len()));
            return Err(e.in_file(self.tensors.path()));
        }
        Ok(v)
    }

    fn linear(&self, name: &str, out: usize, inputs: usize) -> Result<Linear> {
        let weight = Packed::exact(&self.matrix(name, (out, inputs))?);
        Ok(Linear { weight, bias: self.vector(&format!("{name}.bias"), out)? })
    }

    fn norm(&self, name: &str, n: usize) -> Result<Norm> {
        let either = |new: &str, old: &str| {
            let old_name = format!("{name}.{old}");
            let is_old = self.tensors.contains(&format!("{}{old_name}", self.prefix));
            self.vector(&if is_old { old_name } else { format!("{name}.{new}") }, n)
        };
        Ok(Norm { gain: either("weight", "gamma")?, shift: either("bias", "beta")? })
    }
}

impl BertWeights {
    pub(super) fn read(tensors: &Safetensors, spec: &BertSpec) -> Result<Self> {
        let prefix = if tensors.contains("bert.embeddings.word_embeddings.weight") { "bert." } else { "" };
        let r = Reader { tensors, prefix };
        let h = spec.hidden;
        let positions = r.tensors.matrix(&format!("{prefix}embeddings.position_embeddings.weight"))?;
        let types = r.tensors.matrix(&format!("{prefix}embeddings.token_type_embeddings.weight"))?;
        if positions.cols() != h
            || positions.rows() < spec.max_tokens
            || types.cols() != h
            || types.rows() == 0
        {
            return Err(
                Error::corrupt("position or type embeddings do not fit config.json").in_file(tensors.path())
            );
        }
        Ok(Self {
            words: r.matrix("embeddings.word_embeddings", (spec.vocab, h))?,
            positions,
            types,
            norm: r.norm("embeddings.LayerNorm", h)?,
            layers: (0..spec.layers).map(|l| layer(&r, spec, l)).collect::<Result<_>>()?,
        })
    }

    pub(super) fn parameters(&self) -> u64 {
        let of = |l: &Linear| l.weight.rows() * (l.weight.cols() + 1);
        let layer = |l: &Layer| {
            let linear = [&l.query, &l.key, &l.value, &l.attention_out, &l.up, &l.down];
            linear.into_iter().map(of).sum::<usize>() + 2 * (l.norm.gain.len() + l.attention_norm.gain.len())
        };
        let tables = [&self.words, &self.positions, &self.types].map(|m| m.rows() * m.cols());
        let all = tables.iter().sum::<usize>() + 2 * self.norm.gain.len();
        (all + self.layers.iter().map(layer).sum::<usize>()) as u64
    }

    pub(super) fn format(&self) -> Format {
        self.words.format()
    }
}

fn layer(r: &Reader<'_>, spec: &BertSpec, l: usize) -> Result<Layer> {
    let (h, i) = (spec.hidden, spec.intermediate);
    let at = |name: &str| format!("encoder.layer.{l}.{name}");
    Ok(Layer {
        query: r.linear(&at("attention.self.query"), h, h)?,
        key: r.linear(&at("attention.self.key"), h, h)?,
        value: r.linear(&at("attention.self.value"), h, h)?,
        attention_out: r.linear(&at("attention.output.dense"), h, h)?,
        attention_norm: r.norm(&at("attention.output.LayerNorm"), h)?,
        up: r.linear(&at("intermediate.dense"), i, h)?,
        down: r.linear(&at("output.dense"), h, i)?,
        norm: r.norm(&at("output.LayerNorm"), h)?,
    })
}
