//! `adapter_config.json` of a LoRA. Keys and semantics: PEFT 0.18.

use fancy_regex::Regex;
use lyceum_core::{Error, Result};
use serde_json::{Map, Value, json};

/// The settings of a LoRA.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    /// Rank, where no pattern says otherwise.
    pub r: usize,
    /// Numerator of the scale.
    pub alpha: f64,
    /// Scale by alpha / sqrt(r).
    pub rslora: bool,
    /// Suffixes of the names of the modules that it changes.
    pub target_modules: Vec<String>,
    /// Ranks by a regular expression on the end of a name; the first that matches counts.
    pub rank_pattern: Vec<(String, f64)>,
    /// Alphas by the same.
    pub alpha_pattern: Vec<(String, f64)>,
    /// Name of the base model, for people.
    pub base_model: String,
    /// Drop-out while training, for people.
    pub dropout: f64,
}

impl LoraConfig {
    /// Reads the object; settings that change the arithmetic in ways that are not done here are refused by name.
    pub fn from_json(json: &Value) -> Result<Self> {
        let kind = json.get("peft_type").and_then(Value::as_str).unwrap_or("(none)");
        if kind != "LORA" {
            let e = Error::unsupported(format!("adapters of kind {kind} are not read; LORA is"));
            return Err(e.at_key("peft_type"));
        }
        refuse(json)?;
        let number = |key: &str| json.get(key).and_then(Value::as_f64);
        let r = json.get("r").and_then(Value::as_u64).filter(|r| (1..=4096).contains(r));
        let r = r.ok_or_else(|| Error::corrupt("a rank from 1 to 4096 expected").at_key("r"))?;
        let targets = match json.get("target_modules") {
            Some(Value::Array(a)) => a.iter().filter_map(|v| v.as_str().map(str::to_string)).collect(),
            Some(Value::String(s)) => vec![s.clone()],
            _ => Vec::new(),
        };
        Ok(Self {
            r: r as usize,
            alpha: number("lora_alpha").unwrap_or(8.0),
            rslora: json.get("use_rslora").and_then(Value::as_bool).unwrap_or(false),
            target_modules: targets,
            rank_pattern: pattern(json, "rank_pattern")?,
            alpha_pattern: pattern(json, "alpha_pattern")?,
            base_model: json
                .get("base_model_name_or_path")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_string(),
            dropout: number("lora_dropout").unwrap_or(0.0),
        })
    }

    /// The object that PEFT reads back.
    pub fn to_json(&self) -> Value {
        let map = |pattern: &[(String, f64)]| -> Map<String, Value> {
            pattern.iter().map(|(k, v)| (k.clone(), number(*v))).collect()
        };
        json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.base_model,
            "inference_mode": true,
            "r": self.r,
            "lora_alpha": number(self.alpha),
            "lora_dropout": self.dropout,
            "target_modules": self.target_modules,
            "rank_pattern": map(&self.rank_pattern),
            "alpha_pattern": map(&self.alpha_pattern),
            "use_rslora": self.rslora,
            "use_dora": false,
            "bias": "none",
            "fan_in_fan_out": false,
            "init_lora_weights": true,
            "modules_to_save": null,
            "layers_to_transform": null,
            "layers_pattern": null,
            "exclude_modules": null
        })
    }

    /// The rank of a module by its name.
    pub fn rank_of(&self, module: &str) -> usize {
        matched(&self.rank_pattern, module).map_or(self.r, |r| r as usize)
    }

    /// The scale of a module of rank `r`.
    pub fn scale_of(&self, module: &str, r: usize) -> f32 {
        let alpha = matched(&self.alpha_pattern, module).unwrap_or(self.alpha);
        let r = r as f64;
        (alpha / if self.rslora { r.sqrt() } else { r }) as f32
    }
}

/// Whole numbers without a fraction, as Python writes them.
fn number(x: f64) -> Value {
    if x.fract() == 0.0 && x.abs() < 1e15 { json!(x as i64) } else { json!(x) }
}

fn matched(patterns: &[(String, f64)], module: &str) -> Option<f64> {
    let hit = |key: &str| Regex::new(&anchored(key)).is_ok_and(|r| r.is_match(module).unwrap_or(false));
    patterns.iter().find(|(key, _)| hit(key)).map(|(_, x)| *x)
}

fn anchored(key: &str) -> String {
    format!(r"^(.*\.)?({key})$")
}

fn pattern(json: &Value, key: &str) -> Result<Vec<(String, f64)>> {
    let Some(map) = json.get(key).and_then(Value::as_object) else { return Ok(Vec::new()) };
    let entry = |(name, value): (&String, &Value)| {
        let bad = || Error::corrupt(format!("`{name}` is not a pattern with a number")).at_key(key);
        Regex::new(&anchored(name)).map_err(|_| bad())?;
        value.as_f64().filter(|x| *x > 0.0).map(|x| (name.clone(), x)).ok_or_else(bad)
    };
    map.iter().map(entry).collect()
}

/// Settings that are not done here, each refused by its name.
fn refuse(json: &Value) -> Result<()> {
    let set = |key: &str| match json.get(key) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Array(a)) => !a.is_empty(),
        Some(Value::Object(o)) => !o.is_empty(),
        Some(_) => true,
    };
    let kinds = [
        ("use_dora", "DoRA"),
        ("use_qalora", "QA-LoRA"),
        ("lora_bias", "a bias in the low-rank path"),
        ("modules_to_save", "modules stored whole"),
        ("alora_invocation_tokens", "activated LoRA"),
        ("trainable_token_indices", "trained tokens"),
        ("target_parameters", "LoRA on bare parameters"),
        ("layer_replication", "replicated layers"),
        ("arrow_config", "Arrow routing"),
    ];
    if let Some((key, what)) = kinds.into_iter().find(|(key, _)| set(key)) {
        return Err(Error::unsupported(format!("{what} in an adapter is not done here")).at_key(key));
    }
    match json.get("bias").and_then(Value::as_str) {
        None | Some("none") => Ok(()),
        Some(other) => {
            Err(Error::unsupported(format!("trained biases (`{other}`) in an adapter are not done here"))
                .at_key("bias"))
        }
    }
}
