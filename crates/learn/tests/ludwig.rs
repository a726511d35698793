//! Configurations written for Ludwig: what it accepts is at most unsupported here, what it refuses is refused, old
//! spellings are read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod common;

use common::shared;
use lyceum_learn::config::{Config, check};

#[test]
fn verdicts_agree_with_ludwig_s() {
    let Some(table) = shared("data/ludwig_examples/verdicts.tsv") else { return };
    for line in std::fs::read_to_string(&table).unwrap().lines().skip(1) {
        let (file, verdict) = line.split_once('\t').unwrap();
        let text = std::fs::read_to_string(table.with_file_name(file)).unwrap();
        let (issues, _) = check(&text);
        let invalid: Vec<String> = issues
            .iter()
            .filter(|i| !i.unsupported)
            .map(|i| i.to_error(Some(file.as_ref())).to_string())
            .collect();
        if verdict == "accept" {
            assert!(invalid.is_empty(), "{invalid:#?}");
        } else {
            assert!(!issues.is_empty(), "{file} is refused by Ludwig");
        }
    }
}

#[test]
fn old_spellings_are_read() {
    let yaml = "
input_features:
  - {name: a, type: numerical, missing_value_strategy: fill_with_mean}
  - {name: t, type: text, level: word, encoder: embed, embedding_size: 16, preprocessing: {word_most_common: 50}}
output_features:
  - {name: y, type: category, num_fc_layers: 1, fc_output_size: 8}
training: {epochs: 3, decay: true, decay_rate: 0.9}
preprocessing:
  numerical: {normalization: minmax}
  force_split: true
  split_probabilities: [0.8, 0.1, 0.1]
";
    let yaml = yaml.replace(", missing_value_strategy: fill_with_mean", "").replace(" level: word,", "");
    let config = Config::parse(&yaml, None).unwrap();
    let r = &config.rendered;
    assert_eq!(r["input_features"][0]["type"], "number");
    assert_eq!(r["input_features"][0]["preprocessing"]["normalization"], "minmax");
    assert_eq!(r["input_features"][1]["encoder"]["embedding_size"], 16);
    assert_eq!(r["input_features"][1]["preprocessing"]["most_common"], 50);
    assert_eq!(r["output_features"][0]["decoder"]["num_fc_layers"], 1);
    assert_eq!(r["trainer"]["epochs"], 3);
    assert_eq!(r["trainer"]["learning_rate_scheduler"]["decay"], "exponential");
    assert_eq!(r["preprocessing"]["split"]["probabilities"][0], 0.8);
    assert!(
        config.warnings.iter().any(|w| w.contains("type `numerical` is read as `number`")),
        "{:?}",
        config.warnings
    );
}

#[test]
fn what_is_rendered_reads_back_the_same() {
    let texts = [
        "model_type: gbm\ntrainer: {n_estimators: 7, early_stop: 3}\n",
        "model_type: linear\n",
        "trainer: {optimizer: {type: sgd, momentum: 0.9}, batch_size: auto, early_stop: -1}\ncombiner: {type: concat, dropout: 0.1, num_fc_layers: 2}\n",
        "defaults: {number: {preprocessing: {normalization: log1p}}}\n",
    ];
    for rest in texts {
        let yaml = format!(
            "input_features: [{{name: a, type: number}}, {{name: t, type: text}}, {{name: k, type: category, encoder: onehot}}]\noutput_features: [{{name: y, type: number, loss: huber}}, {{name: z, type: category}}]\n{rest}"
        );
        let config = Config::parse(&yaml, None).unwrap();
        let again = Config::parse(&config.rendered.to_string(), None).unwrap();
        assert_eq!(again.rendered, config.rendered);
        assert_eq!(
            (&again.model, &again.inputs, &again.outputs),
            (&config.model, &config.inputs, &config.outputs)
        );
    }
}

#[test]
fn a_language_model_s_sections_are_checked() {
    let yaml = "
model_type: llm
base_model: smollm2-135m-instruct
input_features: [{name: ticket, type: text}]
output_features: [{name: answer, type: text}]
prompt: {template: 'Sort this: {ticket}'}
adapter: {type: lora, r: 4}
trainer: {type: finetune, epochs: 2, learning_rate: 2e-4}
";
    let config = Config::parse(yaml, None).unwrap();
    let lyceum_learn::config::ModelConfig::Llm(llm) = &config.model else { panic!() };
    let adapter = llm.adapter.as_ref().unwrap();
    assert_eq!((adapter.r, adapter.alpha, llm.trainer.epochs), (4, 8.0, 2));
    let refused =
        |from: &str, to: &str| Config::parse(&yaml.replace(from, to), None).unwrap_err().to_string();
    assert!(refused("{ticket}'", "{answer}'").contains("the template holds the answer"));
    assert!(refused("type: finetune, ", "").contains("an adapter needs `trainer.type: finetune`"));
    assert!(refused("type: lora", "type: ia3").contains("adapter `ia3` is not supported yet"));
    assert!(refused("base_model: smollm2-135m-instruct", "").contains("needs a `base_model`"));
}

fn refused(yaml: &str, from: &str, to: &str) -> String {
    Config::parse(&yaml.replace(from, to), None).unwrap_err().to_string()
}

const LLM: &str = "model_type: llm
base_model: m
input_features: [{name: ticket, type: text}]
output_features: [{name: desk, type: text}]
prompt: {template: 'Sort: {ticket}'}
adapter: {type: lora}
trainer: {type: finetune}
generation: {max_new_tokens: 8, temperature: 0.5}
";

#[test]
fn what_goes_together_in_a_language_model_is_checked() {
    assert!(
        refused(LLM, "desk, type: text", "desk, type: category").contains("needs an output of type text")
    );
    assert!(refused(LLM, "adapter: {type: lora}", "quantization: {bits: 4}").contains("needs an adapter"));
    let parts = "adapter: {type: lora, use_dora: yes}\nquantization: {bits: 4, bnb_4bit_quant_type: nf4}";
    let config = Config::parse(&LLM.replace("adapter: {type: lora}", parts), None).unwrap();
    let lyceum_learn::config::ModelConfig::Llm(llm) = &config.model else { panic!() };
    assert!(llm.adapter.as_ref().unwrap().use_dora && llm.quantization_bits == Some(4));
    let parts = parts.replace(": nf4", ": fp4");
    assert!(refused(LLM, "adapter: {type: lora}", &parts).contains("fp4"));
    assert!(refused(LLM, "adapter: {type: lora}\n", "").contains("every weight is not supported yet"));
    let merge = "{type: lora, postprocessor: {merge_adapter_into_base_model: true}}";
    assert!(refused(LLM, "{type: lora}", merge).contains("`lyceum merge`"));
    let e = refused(LLM, "[{name: ticket, type: text}]", "[{name: a, type: text}, {name: b, type: text}]");
    assert!(e.contains("exactly one feature"), "{e}");
    assert!(refused(LLM, "ticket, type: text", "ticket, type: number").contains("`number` is not supported"));
}

#[test]
fn templates_and_generation_are_checked_with_their_place() {
    let prompt = "{template: 'Sort: {ticket}'}";
    assert!(refused(LLM, prompt, "{template: 'Sort: {ticket}', task: t}").contains("must hold {__task__}"));
    assert!(refused(LLM, prompt, "{template: 'Sort it'}").contains("at least one {column}"));
    assert!(refused(LLM, prompt, "{template: '{desk}'}").contains("holds the answer"));
    let e = refused(LLM, prompt, "{template: '{ticket'}");
    assert!(e.starts_with("line 5:20: prompt.template: `{ticket`"), "{e}");
    assert!(refused(LLM, prompt, "{template: '{ticket} {__context__}'}").contains("prompt.retrieval"));
    let e = refused(LLM, "temperature: 0.5", "temperature: warm");
    assert!(e.starts_with("line 8:46: generation.temperature: expected a number"), "{e}");
    assert!(refused(LLM, "temperature", "temperatur").contains("did you mean `temperature`"));
    assert!(refused(LLM, "temperature: 0.5", "num_beams: 4").contains("is not supported yet"));
}

#[test]
fn a_rendered_language_model_reads_back_the_same() {
    let zero = "model_type: llm
base_model: m
input_features: [{name: ticket, type: text}]
output_features:
  - {name: desk, type: category, decoder: {type: category_extractor, fallback_label: video, match: {audio: {type: regex, value: '(?i)sound'}}}}
prompt: {task: sort it}
generation: {do_sample: false, top_k: null}
";
    for yaml in [LLM, zero] {
        let config = Config::parse(yaml, None).unwrap();
        let again = Config::parse(&config.rendered.to_string(), None).unwrap();
        assert_eq!(config.rendered, again.rendered);
        let lyceum_learn::config::ModelConfig::Llm(a) = config.model else { panic!() };
        let lyceum_learn::config::ModelConfig::Llm(b) = again.model else { panic!() };
        assert_eq!(
            (&a.prompt.template, &a.answer, &a.generation),
            (&b.prompt.template, &b.answer, &b.generation)
        );
    }
    assert!(refused(zero, "(?i)sound", "(sound").contains("not a regular expression"));
    assert!(refused(zero, "type: regex", "type: regx").contains("did you mean `regex`"));
}
