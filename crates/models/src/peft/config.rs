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
    /// Whether each row of the sum keeps a length of its own (DoRA).
    pub dora: bool,
    /// Whether the low-rank term has a bias of its own.
    pub lora_bias: bool,
    /// Which biases of the base were trained.
    pub bias: BiasKind,
    /// Modules that the adapter replaces whole: `lm_head`, `embed_tokens`.
    pub modules_to_save: Vec<String>,
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

/// Which biases of the base an adapter replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BiasKind {
    /// None.
    #[default]
    None,
    /// Those of the layers that it changes.
    LoraOnly,
    /// All.
    All,
}

impl BiasKind {
    const NAMES: [(&str, Self); 3] =
        [("none", Self::None), ("lora_only", Self::LoraOnly), ("all", Self::All)];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("none", |(name, _)| name)
    }

    fn read(json: &Value) -> Result<Self> {
        let Some(given) = json.get("bias").filter(|v| !v.is_null()) else { return Ok(Self::None) };
        let name = given.as_str().unwrap_or_default();
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, kind)| *kind).ok_or_else(|| {
            let names = Self::NAMES.map(|(n, _)| n);
            Error::corrupt(format!("{given} is not one of {}", names.join(", ")))
                .at_key("bias")
                .did_you_mean(name, names)
        })
    }
}

/// What may stand in `modules_to_save`.
const SAVED: [&str; 2] = ["lm_head", "embed_tokens"];

impl LoraConfig {
    /// Reads the object; settings that change the arithmetic in ways that are not done here are refused by name.
    pub fn from_json(json: &Value) -> Result<Self> {
        refuse(json)?;
        let number = |key: &str| json.get(key).and_then(Value::as_f64);
        let truth = |key: &str| json.get(key).and_then(Value::as_bool).unwrap_or(false);
        let r = json.get("r").and_then(Value::as_u64).filter(|r| (1..=4096).contains(r));
        let r = r.ok_or_else(|| Error::corrupt("a rank from 1 to 4096 expected").at_key("r"))?;
        Ok(Self {
            r: r as usize,
            alpha: number("lora_alpha").unwrap_or(8.0),
            rslora: truth("use_rslora"),
            dora: truth("use_dora"),
            lora_bias: truth("lora_bias"),
            bias: BiasKind::read(json)?,
            modules_to_save: saved(json)?,
            target_modules: names(json, "target_modules"),
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
            "use_dora": self.dora,
            "lora_bias": self.lora_bias,
            "bias": self.bias.name(),
            "fan_in_fan_out": false,
            "init_lora_weights": true,
            "modules_to_save": Some(&self.modules_to_save).filter(|m| !m.is_empty()),
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

/// A list of names, or one.
pub(super) fn names(json: &Value, key: &str) -> Vec<String> {
    match json.get(key) {
        Some(Value::Array(a)) => a.iter().filter_map(|v| v.as_str().map(str::to_string)).collect(),
        Some(Value::String(s)) => vec![s.clone()],
        _ => Vec::new(),
    }
}

fn saved(json: &Value) -> Result<Vec<String>> {
    let names = names(json, "modules_to_save");
    let known = |name: &String| SAVED.iter().any(|s| name == s || name.ends_with(&format!(".{s}")));
    match names.iter().find(|name| !known(name)) {
        None => Ok(names),
        Some(name) => Err(Error::unsupported(format!(
            "`{name}` stored whole in an adapter is not done here; {} are",
            SAVED.join(" and ")
        ))
        .at_key("modules_to_save")),
    }
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
        ("use_qalora", "QA-LoRA"),
        ("alora_invocation_tokens", "activated LoRA"),
        ("trainable_token_indices", "trained tokens"),
        ("target_parameters", "LoRA on bare parameters"),
        ("layer_replication", "replicated layers"),
        ("arrow_config", "Arrow routing"),
    ];
    let start = json.get("init_lora_weights").and_then(Value::as_str).unwrap_or_default();
    if ["pissa", "olora", "corda", "loftq"].iter().any(|kind| start.starts_with(kind)) {
        let e = Error::unsupported(format!("the adapter belongs to a base that `{start}` changed"));
        let e = e.at_key("init_lora_weights");
        return Err(e.hint("save it with PEFT's `path_initial_model_for_weight_conversion`"));
    }
    match kinds.into_iter().find(|(key, _)| set(key)) {
        None => Ok(()),
        Some((key, what)) => {
            Err(Error::unsupported(format!("{what} in an adapter is not done here")).at_key(key))
        }
    }
}
