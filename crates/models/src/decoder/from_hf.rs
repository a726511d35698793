//! A Hugging Face folder: `config.json` and safetensors.

use super::rope_config::{Around, scaling};
use super::{
    AttentionSpec, DecoderSpec, DecoderWeights, Dialect, LayerBiases, LayerWeights, Module, Projection,
};
use crate::rope::{RopeSpec, Scaling};
use lyceum_core::{Error, Result};
use lyceum_tensor::safetensors::Safetensors;
use serde_json::Value;

/// Architectures that are read.
pub(super) const KNOWN: [&str; 7] = ["llama", "mistral", "qwen2", "qwen3", "phi3", "gemma2", "gemma3_text"];

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
    activation(&c, is_gemma(&architecture))?;
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
            qk_norm: matches!(architecture.as_str(), "qwen3" | "gemma3_text"),
        },
        rope: rope(&c, head_dim, context)?,
        dialect: if is_gemma(&architecture) {
            gemma(&c, hidden, head_dim, context)
        } else {
            Dialect::default()
        },
        architecture,
    }
    .check()
}

pub(super) fn is_gemma(architecture: &str) -> bool {
    architecture.starts_with("gemma")
}

/// Fails unless the activation is the one that the architecture is known with.
fn activation(c: &Config<'_>, gelu: bool) -> Result<()> {
    let key = if gelu { "hidden_activation" } else { "hidden_act" };
    let known: &[&str] = if gelu { &["gelu_pytorch_tanh", "gelu_tanh"] } else { &["silu", "swish"] };
    match c.get(key).and_then(Value::as_str).filter(|a| !known.contains(a)) {
        Some(other) => {
            let m = format!("activation `{other}`; {} is known", known.join(" or "));
            Err(Error::unsupported(m).at_key(key))
        }
        None => Ok(()),
    }
}

/// Gemma 2 and 3, with their defaults where the config is silent.
fn gemma(c: &Config<'_>, hidden: usize, head_dim: usize, context: usize) -> Dialect {
    let number = |key: &str| c.number(key).map(|x| x as f32);
    // The factor has the weights' own precision.
    let root = (hidden as f32).sqrt();
    let embed_scale = match c.get("dtype").or_else(|| c.get("torch_dtype")).and_then(Value::as_str) {
        Some("bfloat16") => half::bf16::from_f32(root).to_f32(),
        Some("float16") => half::f16::from_f32(root).to_f32(),
        _ => root,
    };
    let local = |theta| RopeSpec { theta, dim: head_dim, max_position: context, scaling: Scaling::None };
    Dialect {
        embed_scale,
        score_scale: Some(number("query_pre_attn_scalar").unwrap_or(256.0).sqrt().recip()),
        score_cap: number("attn_logit_softcapping"),
        logit_cap: number("final_logit_softcapping"),
        gelu: true,
        post_norms: true,
        local_rope: c.number("rope_local_base_freq").map(local),
    }
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
    let always = matches!(architecture, "mistral" | "phi3");
    let used = always || is_gemma(architecture) || c.flag("use_sliding_window");
    let Some(window) = c.size("sliding_window")?.filter(|_| used) else { return Ok(vec![None; layers]) };
    if let Some(types) = c.get("layer_types").and_then(Value::as_array) {
        let slides = |t: &Value| t.as_str() == Some("sliding_attention");
        return Ok(types.iter().map(|t| slides(t).then_some(window)).collect());
    }
    if is_gemma(architecture) {
        // One full layer in two (Gemma 2) or after five (Gemma 3).
        let every = c.size("_sliding_window_pattern")?.or(c.size("sliding_window_pattern")?);
        let every = every.unwrap_or(if architecture == "gemma2" { 2 } else { 6 }).max(1);
        return Ok((0..layers).map(|l| ((l + 1) % every != 0).then_some(window)).collect());
    }
    let first = if always { 0 } else { c.size("max_window_layers")?.unwrap_or(0) };
    Ok((0..layers).map(|l| (l >= first).then_some(window)).collect())
}

/// The weights, under the names of Hugging Face.
pub(super) fn weights(files: &Safetensors, spec: &DecoderSpec, tied: bool) -> Result<DecoderWeights> {
    let head =
        if files.contains("lm_head.weight") && !tied { Some(files.matrix("lm_head.weight")?) } else { None };
    if head.is_none() && !tied {
        return Err(Error::corrupt("tensor `lm_head.weight` is missing").in_file(files.path()));
    }
    let norm = files.vector("model.norm.weight")?;
    DecoderWeights {
        embed: files.matrix("model.embed_tokens.weight")?,
        head,
        norm: gain(spec, norm),
        layers: (0..spec.layers).map(|l| layer(files, spec, l)).collect::<Result<_>>()?,
    }
    .check(spec)
    .map_err(|e| e.in_file(files.path()))
}

/// What a norm multiplies with: Gemma stores it less one.
fn gain(spec: &DecoderSpec, mut stored: Vec<f32>) -> Vec<f32> {
    if is_gemma(&spec.architecture) {
        stored.iter_mut().for_each(|w| *w += 1.0);
    }
    stored
}

fn layer(files: &Safetensors, spec: &DecoderSpec, l: usize) -> Result<LayerWeights> {
    let matrix = |p: Projection| files.matrix(&format!("{}.weight", Module::Layer(l, p)));
    let vector = |name: &str| files.vector(&format!("model.layers.{l}.{name}.weight")).map(|v| gain(spec, v));
    let head_norm = |name: &str| spec.attention.qk_norm.then(|| vector(name)).transpose();
    let post = |name: &str| spec.dialect.post_norms.then(|| vector(name)).transpose();
    let mut biases = LayerBiases::default();
    for p in Projection::ALL {
        let name = format!("{}.bias", Module::Layer(l, p));
        if files.contains(&name) {
            biases.set(p, files.vector(&name)?);
        }
    }
    let ([q, k, v], [gate, up]) = if spec.architecture == "phi3" {
        let (q, kv, inner) = (spec.q_dim(), spec.kv_dim(), spec.intermediate);
        let fused = |name: &str| files.matrix(&format!("model.layers.{l}.{name}.weight"));
        let (qkv, gate_up) = (fused("self_attn.qkv_proj")?, fused("mlp.gate_up_proj")?);
        let (k, v) = (qkv.slice_rows(q..q + kv)?, qkv.slice_rows(q + kv..q + 2 * kv)?);
        (
            [qkv.slice_rows(0..q)?, k, v],
            [gate_up.slice_rows(0..inner)?, gate_up.slice_rows(inner..2 * inner)?],
        )
    } else {
        let qkv = [matrix(Projection::Q)?, matrix(Projection::K)?, matrix(Projection::V)?];
        (qkv, [matrix(Projection::Gate)?, matrix(Projection::Up)?])
    };
    let before_mlp =
        if spec.dialect.post_norms { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
    Ok(LayerWeights {
        attn_norm: vector("input_layernorm")?,
        mlp_norm: vector(before_mlp)?,
        q,
        k,
        v,
        o: matrix(Projection::O)?,
        gate,
        up,
        down: matrix(Projection::Down)?,
        q_norm: head_norm("self_attn.q_norm")?,
        k_norm: head_norm("self_attn.k_norm")?,
        post_attn_norm: post("post_attention_layernorm")?,
        post_mlp_norm: post("post_feedforward_layernorm")?,
        biases,
    })
}
