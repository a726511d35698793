//! `model_type: llm`: what to teach a language model. Read and checked here; taught by whoever the roof hands it to.

use super::section::Section;
use crate::yaml::{Node, Yaml};
use serde_json::{Map, Value as Json};

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
    /// A PEFT folder to start from.
    pub pretrained: Option<String>,
}

/// What the trainer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LlmTrainerKind {
    /// Nothing: the base model is used with the prompt.
    None,
    /// Learns from prompts and answers.
    Finetune,
}

/// How the model is taught.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmTrainer {
    /// What it does.
    pub kind: LlmTrainerKind,
    /// Passes over the training rows.
    pub epochs: usize,
    /// Steps at most, where given.
    pub train_steps: Option<usize>,
    /// Rows of a step.
    pub batch_size: usize,
    /// Steps whose gradients are added up.
    pub gradient_accumulation_steps: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Share of the run over which it rises.
    pub warmup_fraction: f64,
    /// How it falls: `linear`, `cosine` or nothing.
    pub decay: Option<String>,
    /// Limit on the norm of all gradients together.
    pub clip_global_norm: Option<f64>,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Evaluations without a better loss before stopping; absent goes on.
    pub early_stop: Option<usize>,
}

/// A checked `llm` configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmConfig {
    /// A pulled name, a path, or a hub name.
    pub base_model: String,
    /// The prompt's template with `{column}` and `{__sample__}`; absent takes the input column as it is.
    pub template: Option<String>,
    /// The task, for `{__task__}` or the built-in wrapper.
    pub task: Option<String>,
    /// Column of the prompt.
    pub input: String,
    /// Column of the answer.
    pub output: String,
    /// Tokens of prompt and answer at most, where given.
    pub max_length: Option<usize>,
    /// The adapter; absent trains (or uses) the whole model.
    pub adapter: Option<Adapter>,
    /// Bits of the frozen base, where asked for.
    pub quantization_bits: Option<u32>,
    /// How it is taught.
    pub trainer: LlmTrainer,
    /// How answers are generated, as written.
    pub generation: Map<String, Json>,
}

/// Reads the sections of a language model; nothing when the base model, input or output is missing.
pub(super) fn read(top: &mut Section<'_>) -> Option<LlmConfig> {
    let base_model = top.text("base_model").unwrap_or_default();
    if base_model.is_empty() {
        top.issues().missing(top.node(), "base_model", "a language model needs a `base_model`");
    }
    let (template, task) = top.section("prompt", prompt);
    let trainer = top.section("trainer", trainer);
    let adapter = adapter(top);
    if adapter.is_some()
        && trainer.kind == LlmTrainerKind::None
        && adapter.as_ref().is_none_or(|a| a.pretrained.is_none())
    {
        let node = top.peek("adapter");
        top.issues().missing(
            node,
            "adapter",
            "an adapter needs `trainer.type: finetune` (or `pretrained_adapter_weights`)",
        );
    }
    let quantization_bits = top.section("quantization", |s| {
        let given = s.take("bits").is_some().then(|| s.whole("bits", 4, 2..=8) as u32);
        s.finish(
            &[],
            &[
                "llm_int8_threshold",
                "bnb_4bit_quant_type",
                "bnb_4bit_use_double_quant",
                "bnb_4bit_compute_dtype",
            ],
        );
        given
    });
    let generation = match top.peek("generation") {
        Some(node) => {
            for entry in node.entries() {
                if !super::keys::of("llm.generation").contains_key(&entry.key) {
                    let at = (entry.line, entry.column);
                    let path = format!("generation.{}", entry.key);
                    top.issues().unknown_key(at, &path, &entry.key, super::keys::names("llm.generation"));
                }
            }
            node.to_json().as_object().cloned().unwrap_or_default()
        }
        None => Map::new(),
    };
    top.render("generation", generation.clone());
    let (input, max_length) = feature(top, "input_features", &["text"])?;
    let (output, _) = feature(top, "output_features", &["text", "category"])?;
    check_template(top, template.as_deref(), task.as_deref(), &output);
    Some(LlmConfig {
        base_model,
        template,
        task,
        input,
        output,
        max_length,
        adapter,
        quantization_bits,
        trainer,
        generation,
    })
}

fn prompt(s: &mut Section<'_>) -> (Option<String>, Option<String>) {
    let (template, task) = (s.text("template"), s.text("task"));
    s.section("retrieval", |s| {
        if let Some(node) = s.take("type") {
            s.issues().unsupported(node, &s.path("type"), "retrieval in prompts is not supported yet");
        }
        s.finish(&["llm.retrieval"], &[]);
    });
    s.finish(&["llm.prompt"], &[]);
    (template, task)
}

/// The one feature of a list: its column and its limit of tokens.
fn feature(top: &mut Section<'_>, key: &str, kinds: &[&str]) -> Option<(String, Option<usize>)> {
    let node = top.take(key);
    let items: &[Node] = match node.map(|n| &n.value) {
        Some(Yaml::List(items)) => items,
        _ => &[],
    };
    let [item] = items else {
        top.issues().missing(node.or(top.node()), key, "a language model has exactly one feature here");
        return None;
    };
    top.render(key, vec![item.to_json()]);
    let mut s = Section::new(Some(item), format!("{key}[0]"), top.issues());
    let name = s.text("name").unwrap_or_default();
    if name.is_empty() {
        s.issues().missing(s.node(), &s.path("name"), "a feature needs a name");
    }
    let column = s.text("column").unwrap_or(name);
    s.choice("type", "text", kinds, if key == "input_features" { "input.types" } else { "output.types" });
    if key == "output_features" {
        s.section("decoder", |s| {
            s.choice("type", "text_extractor", &["text_extractor", "category_extractor"], "");
        });
    }
    let limit = s.section("preprocessing", |s| {
        let limit = s.take("max_sequence_length").is_some().then(|| s.count("max_sequence_length", 256, 1));
        s.finish(&["input.text.preprocessing", "output.text.preprocessing"], &["tokenizer"]);
        limit
    });
    s.finish(&["input.text", "llm.output.text", "llm.output.category"], &["encoder", "loss"]);
    Some((column, limit))
}

fn adapter(top: &mut Section<'_>) -> Option<Adapter> {
    if let Some(node) = top.take("adapters")
        && node.get("adapters").is_some_and(|n| n.value != Yaml::Null)
    {
        top.issues().unsupported(node, "adapters", "several adapters are not supported yet");
    }
    top.take("adapter")?;
    top.section("adapter", |s| {
        let kinds = [
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
        let given = s.peek("type").and_then(Node::as_str);
        if let Some((node, given)) = s.peek("type").zip(given).filter(|(_, g)| kinds.contains(g)) {
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
            pretrained: s.text("pretrained_adapter_weights"),
        };
        s.choice("bias_type", "none", &["none"], "");
        if let Some(node) = s.take("use_dora").filter(|n| n.value == Yaml::Bool(true)) {
            s.issues().unsupported(node, &s.path("use_dora"), "is not supported yet");
        }
        s.finish(&[], &["postprocessor", "init_lora_weights"]);
        Some(adapter)
    })
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

fn trainer(s: &mut Section<'_>) -> LlmTrainer {
    let kind = match s.choice("type", "none", &["none", "finetune"], "llm.trainer.types") {
        "finetune" => LlmTrainerKind::Finetune,
        _ => LlmTrainerKind::None,
    };
    let (warmup_fraction, decay) = s.section("learning_rate_scheduler", |s| {
        let decay = s.nullable("decay", None, &["linear", "cosine"]).map(str::to_string);
        let warmup = s.number("warmup_fraction", 0.0, 0.0..=1.0);
        s.finish(&["learning_rate_scheduler"], &[]);
        (warmup, decay)
    });
    let clip_global_norm = s.section("gradient_clipping", |s| {
        let norm = s.number("clipglobalnorm", 0.5, 0.0..=f64::MAX);
        s.finish(&[], &[]);
        Some(norm)
    });
    let weight_decay = s.section("optimizer", |s| {
        s.choice(
            "type",
            "adam",
            &["adam", "adamw", "paged_adamw", "paged_adam", "adamw_8bit", "adam_8bit"],
            "",
        );
        let decay = s.number("weight_decay", 0.0, 0.0..=1e3);
        s.finish(&["optimizer.adamw"], &["block_wise", "percentile_clipping"]);
        decay
    });
    let numeric_or = |s: &mut Section<'_>, key: &str, default: usize| {
        if s.peek(key).and_then(Node::as_str) == Some("auto") { default } else { s.count(key, default, 1) }
    };
    let trainer = LlmTrainer {
        kind,
        epochs: s.count("epochs", 100, 1),
        train_steps: s.take("train_steps").is_some().then(|| s.count("train_steps", 1, 1)),
        batch_size: numeric_or(s, "batch_size", 1),
        gradient_accumulation_steps: numeric_or(s, "gradient_accumulation_steps", 1),
        learning_rate: s.number("learning_rate", 1e-4, 0.0..=10.0),
        warmup_fraction,
        decay,
        clip_global_norm,
        weight_decay,
        early_stop: usize::try_from(s.whole("early_stop", 5, -1..=i64::MAX)).ok(),
    };
    let harmless = [
        "eval_batch_size",
        "compile",
        "use_mixed_precision",
        "enable_profiling",
        "profiler",
        "max_batch_size",
        "enable_gradient_checkpointing",
        "evaluate_training_set",
        "should_shuffle",
        "effective_batch_size",
        "validation_field",
        "validation_metric",
        "base_learning_rate",
    ];
    s.finish(&["llm.trainer"], &harmless);
    trainer
}

/// The template mentions what it must and not the answer.
fn check_template(top: &mut Section<'_>, template: Option<&str>, task: Option<&str>, output: &str) {
    let node = top.peek("prompt").and_then(|n| n.get("template"));
    let Some((template, node)) = template.zip(node) else { return };
    if task.is_some() && !template.contains("{__task__}") {
        top.issues().wrong(node, "prompt.template", "a template must hold {__task__} when a task is set");
    }
    if !template.contains('{') {
        top.issues().wrong(
            node,
            "prompt.template",
            "a template must hold at least one {column} or {__sample__}",
        );
    }
    if template.contains(&format!("{{{output}}}")) {
        top.issues().wrong(node, "prompt.template", format!("the template holds the answer: {{{output}}}"));
    }
}
