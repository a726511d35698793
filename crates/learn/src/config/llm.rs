//! `model_type: llm`: what to teach a language model. Read and checked here; taught by whoever the roof hands in.

mod adapter;
mod feature;
mod generation;
mod prompt;
mod trainer;

pub use adapter::Adapter;
pub use feature::{Answer, LlmFeature};
pub use generation::{Generation, generation_file};
pub use prompt::PromptConfig;
pub use trainer::{LlmTrainer, LlmTrainerKind};

use super::section::Section;
use lyceum_data::yaml::{Node, Yaml};

/// A checked `llm` configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct LlmConfig {
    /// A pulled name, a path, or a hub name.
    pub base_model: String,
    /// Line and column of the base model's name.
    pub base_model_at: (usize, usize),
    /// What is put before an answer.
    pub prompt: PromptConfig,
    /// Column of the prompt.
    pub input: LlmFeature,
    /// Column of the answer.
    pub output: LlmFeature,
    /// What an answer becomes.
    pub answer: Answer,
    /// Tokens of prompt and answer at most, where given.
    pub max_length: Option<usize>,
    /// The adapter; absent uses the base model as it is.
    pub adapter: Option<Adapter>,
    /// Bits of the frozen base, where asked for.
    pub quantization_bits: Option<u32>,
    /// How it is taught.
    pub trainer: LlmTrainer,
    /// How answers are generated.
    pub generation: Generation,
}

/// Reads the sections of a language model; nothing when the base model, input or output is missing.
pub(super) fn read(top: &mut Section<'_>) -> Option<LlmConfig> {
    let base = top.peek("base_model");
    let base_model = top.text("base_model").unwrap_or_default();
    if base_model.is_empty() {
        top.issues().missing(top.node(), "base_model", "a language model needs a `base_model`");
    }
    let input = feature::input(top);
    let output = feature::output(top);
    let answer_column = output.as_ref().map(|(o, _)| o.column.clone());
    let prompt = top.section("prompt", |s| prompt::read(s, answer_column.as_deref()));
    let trainer = top.section("trainer", trainer::read);
    let adapter = adapter::read(top);
    let quantization_bits = adapter::quantization(top);
    let generation = top.section("generation", generation::read);
    let whole = top
        .peek("preprocessing")
        .and_then(|n| n.get("global_max_sequence_length"))
        .and_then(|n| if let Yaml::Int(i) = n.value { usize::try_from(i).ok() } else { None });
    let (input, (output, answer)) = (input?, output?);
    if input.name == output.name {
        let node = top.peek("output_features");
        top.issues().missing(
            node,
            "output_features[0].name",
            format!("feature \"{}\" comes twice", input.name),
        );
    }
    check_training(top, &trainer, adapter.as_ref(), quantization_bits, &answer);
    Some(LlmConfig {
        base_model,
        base_model_at: base.map_or((0, 0), |n| (n.line, n.column)),
        prompt,
        max_length: whole.or(input.max_length),
        input,
        output,
        answer,
        adapter,
        quantization_bits,
        trainer,
        generation,
    })
}

/// Trainer, adapter, quantisation and output go together.
fn check_training(
    top: &mut Section<'_>,
    trainer: &LlmTrainer,
    adapter: Option<&Adapter>,
    bits: Option<u32>,
    answer: &Answer,
) {
    let of_trainer: Option<&Node> = top.peek("trainer");
    let kind = of_trainer.and_then(|n| n.get("type")).or(of_trainer);
    let node = top.peek("adapter");
    let pretrained = adapter.and_then(|a| a.pretrained.as_ref());
    let issues = top.issues();
    match (trainer.kind, adapter) {
        (LlmTrainerKind::None, Some(_)) if pretrained.is_none() => {
            let message = "an adapter needs `trainer.type: finetune` (or `pretrained_adapter_weights`)";
            issues.missing(node, "adapter", message);
        }
        (LlmTrainerKind::Finetune, None) if bits.is_some() => {
            issues.missing(kind, "trainer.type", "fine-tuning a quantised base needs an adapter");
            issues.hint("add `adapter: {type: lora}`");
        }
        (LlmTrainerKind::Finetune, None) if node.is_none_or(|n| n.value == Yaml::Null) => {
            if let Some(kind) = kind {
                issues.unsupported(kind, "trainer.type", "fine-tuning every weight is not supported yet");
                issues.hint("add `adapter: {type: lora}`");
            }
        }
        (LlmTrainerKind::Finetune, Some(_)) if pretrained.is_some() => {
            let own = node.and_then(|n| n.get("pretrained_adapter_weights"));
            if let Some(own) = own.or(node) {
                let path = "adapter.pretrained_adapter_weights";
                issues.unsupported(own, path, "going on from an adapter is not supported yet");
            }
        }
        _ => {}
    }
    if trainer.kind == LlmTrainerKind::Finetune && matches!(answer, Answer::Category(_)) {
        issues.missing(kind, "trainer.type", "`finetune` needs an output of type text");
        issues.hint(
            "declare the output `type: text`: its labels are learnt as text, `exact_match` is their accuracy",
        );
    }
}
