//! The `trainer` section of a language model.

use super::super::section::Section;
use lyceum_data::yaml::Node;

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

pub(super) fn read(s: &mut Section<'_>) -> LlmTrainer {
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
