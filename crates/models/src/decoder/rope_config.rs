//! `rope_scaling` of a Hugging Face config, and GGUF's keys of the same, as a [`Scaling`].

use crate::rope::{LongRope, Scaling, Yarn};
use lyceum_core::{Error, Result};
use serde_json::Value;

/// What the scalings need to know of the model.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub(super) max_position: usize,
    /// `original_max_position_embeddings` beside the scaling, where a config has it there.
    pub(super) original: Option<f64>,
    /// Rotated dimensions.
    pub(super) dim: usize,
}

const KNOWN: [&str; 6] = ["default", "linear", "dynamic", "llama3", "yarn", "longrope"];

/// Reads a `rope_scaling` object.
pub(super) fn scaling(config: &Value, around: Around) -> Result<Scaling> {
    let kind =
        config.get("rope_type").or_else(|| config.get("type")).and_then(Value::as_str).unwrap_or("default");
    let number = |key: &str| config.get(key).and_then(Value::as_f64);
    let need = |key: &str| {
        let x = number(key).filter(|x| x.is_finite() && *x > 0.0);
        x.ok_or_else(|| {
            Error::corrupt(format!("`{kind}` needs a positive number")).at_key(format!("rope_scaling.{key}"))
        })
    };
    let original = || {
        number("original_max_position_embeddings").or(around.original).unwrap_or(around.max_position as f64)
    };
    Ok(match kind {
        "default" => Scaling::None,
        "linear" => Scaling::Linear { factor: need("factor")? },
        "dynamic" => Scaling::Dynamic { factor: need("factor")? },
        "llama3" => Scaling::Llama3 {
            factor: need("factor")?,
            low: need("low_freq_factor")?,
            high: need("high_freq_factor")?,
            original: original(),
        },
        "yarn" => {
            let factor = need("factor")?;
            Scaling::Yarn(Yarn {
                factor,
                original: original(),
                beta_fast: number("beta_fast").unwrap_or(32.0),
                beta_slow: number("beta_slow").unwrap_or(1.0),
                attention_factor: number("attention_factor")
                    .unwrap_or_else(|| yarn_attention(factor, number("mscale"), number("mscale_all_dim"))),
            })
        }
        "longrope" | "su" => Scaling::LongRope(longrope(config, around, original())?),
        other => {
            let e = Error::unsupported(format!("rope type `{other}`")).at_key("rope_scaling.rope_type");
            return Err(e.did_you_mean(other, KNOWN).hint(format!("known: {}", KNOWN.join(", "))));
        }
    })
}

/// 0.1 ln(factor) + 1; with both mscales their quotient.
pub(super) fn yarn_attention(factor: f64, mscale: Option<f64>, mscale_all_dim: Option<f64>) -> f64 {
    let scale = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
    match (mscale, mscale_all_dim) {
        (Some(m), Some(all)) if m != 0.0 && all != 0.0 => scale(m) / scale(all),
        _ => scale(1.0),
    }
}

fn longrope(config: &Value, around: Around, original: f64) -> Result<LongRope> {
    let list = |key: &str| -> Result<Vec<f64>> {
        let items = config.get(key).and_then(Value::as_array);
        let list: Option<Vec<f64>> = items.and_then(|a| a.iter().map(Value::as_f64).collect());
        list.filter(|l| l.len() == around.dim / 2).ok_or_else(|| {
            Error::corrupt(format!("{} numbers expected", around.dim / 2))
                .at_key(format!("rope_scaling.{key}"))
        })
    };
    let given = config.get("attention_factor").and_then(Value::as_f64);
    let factor = config.get("factor").and_then(Value::as_f64).filter(|_| around.original.is_none());
    let f = factor.unwrap_or(around.max_position as f64 / original);
    let derived = if f <= 1.0 { 1.0 } else { (1.0 + f.ln() / original.ln()).sqrt() };
    Ok(LongRope {
        short: list("short_factor")?,
        long: list("long_factor")?,
        original,
        attention_factor: given.unwrap_or(derived),
    })
}
