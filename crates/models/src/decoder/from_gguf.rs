//! A GGUF file: metadata keys and tensor names of the Llama family. For architecture `llama` the rows of q and k are
//! stored for interleaved rotary pairs; whole quantised rows are put back in the order of split halves.

use super::rope_config::yarn_attention;
use super::{AttentionSpec, DecoderSpec, DecoderWeights, Dialect, LayerBiases, LayerWeights, Projection};
use crate::rope::{RopeSpec, Scaling, Yarn};
use lyceum_core::{Error, Result};
use lyceum_tensor::gguf::Gguf;

/// Architectures that are read.
const KNOWN: [&str; 3] = ["llama", "qwen2", "qwen3"];

/// The description that the metadata gives.
pub(super) fn spec(file: &Gguf) -> Result<DecoderSpec> {
    let architecture = file.str("general.architecture")?.unwrap_or_default().to_string();
    if !KNOWN.contains(&architecture.as_str()) {
        return Err(Error::unsupported(format!("architecture `{architecture}` is not run here"))
            .at_key("general.architecture")
            .hint(format!("known in GGUF files: {}", KNOWN.join(", "))));
    }
    let key = |name: &str| format!("{architecture}.{name}");
    let size = |name: &str| -> Result<Option<usize>> { Ok(file.u64(&key(name))?.map(|n| n as usize)) };
    let need = |name: &str| size(name)?.ok_or_else(|| Error::corrupt("is missing").at_key(key(name)));
    if size("expert_count")?.unwrap_or(0) > 0 {
        return Err(
            Error::unsupported("mixture-of-experts models are not run here").at_key(key("expert_count"))
        );
    }
    let (hidden, heads, layers) =
        (need("embedding_length")?, need("attention.head_count")?, need("block_count")?);
    let head_dim = size("attention.key_length")?.unwrap_or(hidden / heads.max(1));
    let context = size("context_length")?.unwrap_or(2048);
    let window = size("attention.sliding_window")?.filter(|w| *w > 0);
    let vocab = file.tensor("token_embd.weight")?.shape.first().copied().unwrap_or_default();
    DecoderSpec {
        vocab,
        hidden,
        intermediate: need("feed_forward_length")?,
        layers,
        context,
        norm_eps: file.f64(&key("attention.layer_norm_rms_epsilon"))?.unwrap_or(1e-5) as f32,
        attention: AttentionSpec {
            heads,
            kv_heads: size("attention.head_count_kv")?.unwrap_or(heads),
            head_dim,
            windows: vec![window; layers],
            qk_norm: architecture == "qwen3",
        },
        rope: rope(file, &architecture, head_dim, context)?,
        dialect: Dialect::default(),
        architecture,
    }
    .check()
}

fn rope(file: &Gguf, architecture: &str, head_dim: usize, max_position: usize) -> Result<RopeSpec> {
    let number = |name: &str| file.f64(&format!("{architecture}.rope.{name}"));
    let theta = number("freq_base")?.unwrap_or(10_000.0);
    let dim = number("dimension_count")?.map_or(head_dim, |n| n as usize);
    let factor = number("scaling.factor")?.unwrap_or(1.0);
    let original = number("scaling.original_context_length")?.unwrap_or(max_position as f64);
    let kind = file.str(&format!("{architecture}.rope.scaling.type"))?.unwrap_or("none");
    let scaling = if file.tensors().contains_key("rope_freqs.weight") {
        Scaling::Divisors(file.vector("rope_freqs.weight")?)
    } else {
        match kind {
            "none" => Scaling::None,
            "linear" => Scaling::Linear { factor },
            "yarn" => Scaling::Yarn(Yarn {
                factor,
                original,
                beta_fast: 32.0,
                beta_slow: 1.0,
                attention_factor: yarn_attention(factor, None, None),
            }),
            other => return Err(Error::unsupported(format!("rope scaling `{other}`"))),
        }
    };
    Ok(RopeSpec { theta, dim, max_position, scaling })
}

/// The weights.
pub(super) fn weights(file: &Gguf, spec: &DecoderSpec) -> Result<DecoderWeights> {
    let tied = !file.tensors().contains_key("output.weight");
    DecoderWeights {
        embed: file.matrix("token_embd.weight")?,
        head: (!tied).then(|| file.matrix("output.weight")).transpose()?,
        norm: file.vector("output_norm.weight")?,
        layers: (0..spec.layers).map(|l| layer(file, spec, l)).collect::<Result<_>>()?,
    }
    .check(spec)
    .map_err(|e| e.in_file(file.path()))
}

fn layer(file: &Gguf, spec: &DecoderSpec, l: usize) -> Result<LayerWeights> {
    let matrix = |p: Projection| {
        let m = file.matrix(&format!("blk.{l}.{}.weight", p.gguf()))?;
        match row_order(spec, p) {
            Some(order) if order.len() == m.rows() => m.select_rows(order),
            _ => Ok(m),
        }
    };
    let vector = |name: &str| file.vector(&format!("blk.{l}.{name}.weight"));
    let head_norm = |name: &str| spec.attention.qk_norm.then(|| vector(name)).transpose();
    Ok(LayerWeights {
        attn_norm: vector("attn_norm")?,
        mlp_norm: vector("ffn_norm")?,
        q: matrix(Projection::Q)?,
        k: matrix(Projection::K)?,
        v: matrix(Projection::V)?,
        o: matrix(Projection::O)?,
        gate: matrix(Projection::Gate)?,
        up: matrix(Projection::Up)?,
        down: matrix(Projection::Down)?,
        q_norm: head_norm("attn_q_norm")?,
        k_norm: head_norm("attn_k_norm")?,
        post_attn_norm: None,
        post_mlp_norm: None,
        biases: biases(file, spec, l)?,
    })
}

fn biases(file: &Gguf, spec: &DecoderSpec, l: usize) -> Result<LayerBiases> {
    let mut biases = LayerBiases::default();
    for p in Projection::ALL {
        let name = format!("blk.{l}.{}.bias", p.gguf());
        if !file.tensors().contains_key(&name) {
            continue;
        }
        let stored = file.vector(&name)?;
        let bias = match row_order(spec, p) {
            Some(order) => order.iter().filter_map(|r| stored.get(*r).copied()).collect(),
            None => stored,
        };
        biases.set(p, bias);
    }
    Ok(biases)
}

/// For q and k of architecture `llama`: which stored row comes at each place. Stored row 2j + s of a head belongs to
/// pair j, half s.
fn row_order(spec: &DecoderSpec, p: Projection) -> Option<Vec<usize>> {
    if spec.architecture != "llama" || !matches!(p, Projection::Q | Projection::K) {
        return None;
    }
    let (rows, dim) = (p.shape(spec).0, spec.attention.head_dim);
    Some((0..rows).map(|r| stored_row(r, dim)).collect())
}

fn stored_row(row: usize, dim: usize) -> usize {
    let (head, within) = (row / dim, row % dim);
    let (half, pair) = (within / (dim / 2), within % (dim / 2));
    head * dim + 2 * pair + half
}

/// The inverse: which split-half row comes at each stored place, for writing GGUF files. `None` where rows stay.
pub fn stored_order(spec: &DecoderSpec, p: Projection) -> Option<Vec<usize>> {
    let order = row_order(spec, p)?;
    let mut inverse = vec![0; order.len()];
    for (at, stored) in order.into_iter().enumerate() {
        if let Some(slot) = inverse.get_mut(stored) {
            *slot = at;
        }
    }
    Some(inverse)
}
