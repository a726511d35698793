//! A Hugging Face folder: `config.json` and safetensors.

use super::rope_config::{Around, scaling};
use super::{AttentionSpec, DecoderSpec, DecoderWeights, LayerBiases, LayerWeights, Module, Projection};
use crate::rope::{RopeSpec, Scaling};
use lyceum_core::{Error, Result};
use lyceum_tensor::safetensors::Safetensors;
use serde_json::Value;

/// Architectures that are read.
pub(super) const KNOWN: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];

struct Config<'a>(&'a Value);

impl Config<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    fn size(&self, key: &str) -> Result<Option<usize>> {
        let Some(v) = self.get(key) else { return Ok(None) };
        let n = v.as_u64().and_then(|n| usize::try_from(n).ok());
        n.map(Some).ok_or_else(|| Error::corrupt(format!("{v} is not a size")).at_key(key))
    }

    fn need(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| Error::corrupt("is missing").at_key(key))
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.get(key).and_then(Value::as_f64)
    }

    fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(false)
    }
}

/// The description that a config gives.
pub(super) fn spec(json: &Value) -> Result<DecoderSpec> {
    let c = Config(json);
    let architecture = c.get("model_type").and_then(Value::as_str).unwrap_or_default().to_string();
    if !KNOWN.contains(&architecture.as_str()) {
        return Err(Error::unsupported(format!("architecture `{architecture}` is not run here"))
            .at_key("model_type")
            .hint(format!("known decoders: {}", KNOWN.join(", "))));
    }
    if let Some(act) = c.get("hidden_act").and_then(Value::as_str).filter(|a| !matches!(*a, "silu" | "swish"))
    {
        return Err(Error::unsupported(format!("activation `{act}`; silu is known")).at_key("hidden_act"));
    }
    let (hidden, heads) = (c.need("hidden_size")?, c.need("num_attention_heads")?);
    let layers = c.need("num_hidden_layers")?;
    let head_dim = c.size("head_dim")?.unwrap_or(hidden / heads.max(1));
    let context = c.size("max_position_embeddings")?.unwrap_or(2048);
    DecoderSpec {
        vocab: c.need("vocab_size")?,
        hidden,
        intermediate: c.need("intermediate_size")?,
        layers,
        context,
        norm_eps: c.number("rms_norm_eps").unwrap_or(1e-6) as f32,
        attention: AttentionSpec {
            heads,
            kv_heads: c.size("num_key_value_heads")?.unwrap_or(heads),
            head_dim,
            windows: windows(&c, &architecture, layers)?,
            qk_norm: architecture == "qwen3",
        },
        rope: rope(&c, head_dim, context)?,
        architecture,
    }
    .check()
}

fn rope(c: &Config<'_>, head_dim: usize, max_position: usize) -> Result<RopeSpec> {
    let newer = c.get("rope_parameters");
    let within = |key: &str| newer.and_then(|r| r.get(key)).and_then(Value::as_f64);
    let theta = c.number("rope_theta").or_else(|| within("rope_theta")).unwrap_or(10_000.0);
    let partial =
        c.number("partial_rotary_factor").or_else(|| within("partial_rotary_factor")).unwrap_or(1.0);
    let dim = (head_dim as f64 * partial) as usize;
    let around = Around { max_position, original: c.number("original_max_position_embeddings"), dim };
    let scaling = match c.get("rope_scaling").or(newer) {
        Some(config) => scaling(config, around)?,
        None => Scaling::None,
    };
    Ok(RopeSpec { theta, dim, max_position, scaling })
}

fn windows(c: &Config<'_>, architecture: &str, layers: usize) -> Result<Vec<Option<usize>>> {
    let used = architecture == "mistral" || c.flag("use_sliding_window");
    let Some(window) = c.size("sliding_window")?.filter(|_| used) else { return Ok(vec![None; layers]) };
    if let Some(types) = c.get("layer_types").and_then(Value::as_array) {
        let slides = |t: &Value| t.as_str() == Some("sliding_attention");
        return Ok(types.iter().map(|t| slides(t).then_some(window)).collect());
    }
    let first = if architecture == "mistral" { 0 } else { c.size("max_window_layers")?.unwrap_or(0) };
    Ok((0..layers).map(|l| (l >= first).then_some(window)).collect())
}

/// The weights, under the names of Hugging Face.
pub(super) fn weights(files: &Safetensors, spec: &DecoderSpec, tied: bool) -> Result<DecoderWeights> {
    let head =
        if files.contains("lm_head.weight") && !tied { Some(files.matrix("lm_head.weight")?) } else { None };
    if head.is_none() && !tied {
        return Err(Error::corrupt("tensor `lm_head.weight` is missing").in_file(files.path()));
    }
    DecoderWeights {
        embed: files.matrix("model.embed_tokens.weight")?,
        head,
        norm: files.vector("model.norm.weight")?,
        layers: (0..spec.layers).map(|l| layer(files, spec, l)).collect::<Result<_>>()?,
    }
    .check(spec)
    .map_err(|e| e.in_file(files.path()))
}

fn layer(files: &Safetensors, spec: &DecoderSpec, l: usize) -> Result<LayerWeights> {
    let matrix = |p: Projection| files.matrix(&format!("{}.weight", Module::Layer(l, p)));
    let vector = |name: &str| files.vector(&format!("model.layers.{l}.{name}.weight"));
    let head_norm = |name: &str| spec.attention.qk_norm.then(|| vector(name)).transpose();
    let mut biases = LayerBiases::default();
    for p in Projection::ALL {
        let name = format!("{}.bias", Module::Layer(l, p));
        if files.contains(&name) {
            biases.set(p, files.vector(&name)?);
        }
    }
    Ok(LayerWeights {
        attn_norm: vector("input_layernorm")?,
        mlp_norm: vector("post_attention_layernorm")?,
        q: matrix(Projection::Q)?,
        k: matrix(Projection::K)?,
        v: matrix(Projection::V)?,
        o: matrix(Projection::O)?,
        gate: matrix(Projection::Gate)?,
        up: matrix(Projection::Up)?,
        down: matrix(Projection::Down)?,
        q_norm: head_norm("self_attn.q_norm")?,
        k_norm: head_norm("self_attn.k_norm")?,
        biases,
    })
}
