//! The `adapter` and `quantization` sections.

use super::super::section::Section;
use lyceum_data::yaml::{Node, Yaml};

/// A low-rank adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// Rank, from 1.
    pub r: usize,
    /// Scale is alpha / r.
    pub alpha: f64,
    /// Share of its input that is dropped in training.
    pub dropout: f64,
    /// Layers by name; absent takes the family's default.
    pub target_modules: Option<Vec<String>>,
    /// Whether the scale is alpha / √r.
    pub use_rslora: bool,
    /// Whether the length of each row is learnt apart from its direction.
    pub use_dora: bool,
    /// A PEFT folder to start from.
    pub pretrained: Option<String>,
}

/// Kinds that Ludwig knows and that are not done here.
const FOREIGN: [&str; 15] = [
    "adalora",
    "adaption_prompt",
    "ia3",
    "vera",
    "loha",
    "lokr",
    "fourierft",
    "boft",
    "oft",
    "c3a",
    "hra",
    "ln_tuning",
    "vblora",
    "tinylora",
    "waveft",
];

/// Reads the adapter, if there is one.
pub(super) fn read(top: &mut Section<'_>) -> Option<Adapter> {
    if let Some(node) = top.take("adapters")
        && node.get("adapters").is_some_and(|n| n.value != Yaml::Null)
    {
        top.issues().unsupported(node, "adapters", "several adapters are not supported yet");
    }
    top.take("adapter")?;
    top.section("adapter", |s| {
        let given = s.peek("type").and_then(Node::as_str);
        if let Some((node, given)) = s.peek("type").zip(given).filter(|(_, g)| FOREIGN.contains(g)) {
            s.issues().unsupported(node, &s.path("type"), format!("adapter `{given}` is not supported yet"));
            return None;
        }
        s.choice("type", "lora", &["lora"], "");
        let r = s.count("r", 8, 1);
        let default = 2.0 * r as f64;
        let alpha = if s.take("alpha").is_some() { s.number("alpha", default, 1e-9..=1e9) } else { default };
        s.render("alpha", alpha);
        let adapter = Adapter {
            r,
            alpha,
            dropout: s.number("dropout", 0.05, 0.0..=0.99),
            target_modules: modules(s),
            use_rslora: s.truth("use_rslora", false),
            use_dora: s.truth("use_dora", false),
            pretrained: s.text("pretrained_adapter_weights"),
        };
        s.choice("bias_type", "none", &["none"], "");
        s.section("postprocessor", postprocessor);
        s.finish(&[], &["init_lora_weights"]);
        Some(adapter)
    })
}

fn postprocessor(s: &mut Section<'_>) {
    if s.truth("merge_adapter_into_base_model", false)
        && let Some(node) = s.take("merge_adapter_into_base_model")
    {
        let path = s.path("merge_adapter_into_base_model");
        s.issues().unsupported(node, &path, "merging after training is not supported yet");
        s.issues().hint("`lyceum merge` writes base and adapter as one model");
    }
    s.finish(&[], &["progressbar"]);
}

fn modules(s: &mut Section<'_>) -> Option<Vec<String>> {
    let node = s.take("target_modules")?;
    s.render("target_modules", node.to_json());
    match &node.value {
        Yaml::Str(one) => Some(vec![one.clone()]),
        Yaml::List(items) => Some(items.iter().filter_map(Node::as_str).map(str::to_string).collect()),
        _ => {
            s.issues().wrong(node, &s.path("target_modules"), "expected names of layers");
            None
        }
    }
}

/// Bits of the frozen base while it is trained over, where asked for: a base in floating point is rounded to NF4, or to
/// 8 bits from 5 on; one that is quantised already stays as it is stored.
pub(super) fn quantization(top: &mut Section<'_>) -> Option<u32> {
    top.section("quantization", |s| {
        let given = s.take("bits").is_some().then(|| s.whole("bits", 4, 2..=8) as u32);
        if s.take("bnb_4bit_quant_type").is_some() {
            s.choice("bnb_4bit_quant_type", "nf4", &["nf4"], "");
        }
        // A double quantisation only packs the scales more tightly; ours are single precision.
        s.finish(&[], &["llm_int8_threshold", "bnb_4bit_use_double_quant", "bnb_4bit_compute_dtype"]);
        given
    })
}
