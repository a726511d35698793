//! The network's combiner and trainer.

use super::features::{Output, OutputKind};
use super::section::Section;
use lyceum_data::yaml::{Node, Yaml};
use lyceum_tensor::tape::Activation;

/// Dense layers of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FcStack {
    /// How many; may be 0.
    pub layers: usize,
    /// Size of each.
    pub size: usize,
    /// What follows each.
    pub activation: Activation,
    /// Share of each layer's output that is dropped in training.
    pub dropout: f64,
}

/// Puts the encoders' outputs side by side and through dense layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Combiner {
    /// The layers.
    pub fc: FcStack,
}

/// Update rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OptimizerKind {
    /// Gradient descent with momentum.
    Sgd {
        /// Share of the last step that is kept.
        momentum: f64,
        /// Whether the gradient is looked up ahead.
        nesterov: bool,
    },
    /// Adam; with `decoupled` AdamW.
    Adam {
        /// Decay of the two moments.
        betas: (f64, f64),
        /// Added to the root of the second moment.
        eps: f64,
        /// Whether weight decay stays out of the moments.
        decoupled: bool,
    },
    /// Adagrad.
    Adagrad {
        /// Added to the root of the sum of squares.
        eps: f64,
    },
    /// RMSprop.
    RmsProp {
        /// Decay of the mean of squares.
        alpha: f64,
        /// Added to its root.
        eps: f64,
        /// Share of the last step that is kept.
        momentum: f64,
    },
}

/// Limits on gradients; absent ones are off.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Clipping {
    /// Euclidean norm of all gradients together.
    pub global_norm: Option<f64>,
    /// Each entry, in absolute value.
    pub value: Option<f64>,
}

/// How the learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decay {
    /// It does not.
    None,
    /// To 0 in a straight line over the run.
    Linear,
    /// Times `rate` every `steps`; in stairs where asked for.
    Exponential {
        /// The factor.
        rate: f64,
        /// Steps of one factor.
        steps: usize,
        /// Whether only whole factors are taken.
        staircase: bool,
    },
    /// Half a cosine over the run, down to this share of the learning rate.
    Cosine {
        /// The share at the end.
        floor: f64,
    },
}

/// The learning rate over the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// How it falls.
    pub decay: Decay,
    /// Share of the run over which it first rises from 0.
    pub warmup_fraction: f64,
    /// How often it is reduced when the validation loss stands still.
    pub reduce_on_plateau: usize,
    /// Evaluations to wait before that.
    pub plateau_patience: usize,
    /// The factor then.
    pub plateau_rate: f64,
}

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct EcdTrainer {
    /// Passes over the training rows at most.
    pub epochs: usize,
    /// Steps at most, where given.
    pub train_steps: Option<usize>,
    /// Rows of a step.
    pub batch_size: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// The rate over the run.
    pub schedule: Schedule,
    /// Update rule.
    pub optimizer: OptimizerKind,
    /// Weight decay of the update rule.
    pub weight_decay: f64,
    /// Evaluations without a better validation metric before stopping; absent goes on.
    pub early_stop: Option<usize>,
    /// Limits on gradients.
    pub clipping: Clipping,
    /// Strength of the L2 penalty of all weights.
    pub l2: f64,
    /// Strength of the L1 penalty of all weights.
    pub l1: f64,
    /// Whether each pass has another order.
    pub shuffle: bool,
    /// The output whose metric decides, or `combined`.
    pub validation_field: String,
    /// The metric that decides.
    pub validation_metric: String,
}

/// Names that a network's metrics go by, for each output type.
pub(super) fn metric_names(kind: &OutputKind) -> &'static [&'static str] {
    match kind {
        OutputKind::Number(_) => {
            &["loss", "mean_squared_error", "mean_absolute_error", "root_mean_squared_error", "r2"]
        }
        OutputKind::Binary(_) => &["loss", "accuracy", "roc_auc", "precision", "recall", "specificity"],
        OutputKind::Category(_) => &["loss", "accuracy", "hits_at_k"],
    }
}

/// The activation of a key.
pub(super) fn read_activation(s: &mut Section<'_>, key: &str) -> Activation {
    let names = ["relu", "tanh", "sigmoid", "logSigmoid", "silu", "swish", "gelu", "leakyRelu", "elu"];
    let name = s.nullable(key, Some("relu"), &names);
    name.map_or(Activation::Linear, |n| Activation::from_name(n).unwrap_or(Activation::Relu))
}

/// The rest of a stack of dense layers.
pub(super) fn read_fc(s: &mut Section<'_>, layers: usize, size: usize) -> FcStack {
    let size = s.count("output_size", size, 1);
    let activation = read_activation(s, "activation");
    FcStack { layers, size, activation, dropout: s.number("dropout", 0.0, 0.0..=0.99) }
}

/// The combiner; what Ludwig would take by default is not there yet, so that an absent section gets one layer.
pub(super) fn read_combiner(top: &mut Section<'_>, inputs: usize) -> Combiner {
    let absent = top.peek("combiner").is_none();
    if absent && inputs >= 3 {
        top.issues().warn(
            "no combiner is named: Ludwig's default ft_transformer is not there yet; `concat` with one layer of 64 is used",
        );
    }
    let (layers, size) = if absent { (1, 64) } else { (0, 256) };
    top.section("combiner", |s| {
        s.choice("type", "concat", &["concat"], "combiner.types");
        let layers = s.count("num_fc_layers", layers, 0);
        let fc = read_fc(s, layers, size);
        s.finish(&["combiner.concat"], &["weights_initializer", "bias_initializer", "flatten_inputs"]);
        Combiner { fc }
    })
}

/// Keys that change how much memory or time a run takes, not what is learned.
const HARMLESS: &[&str] = &[
    "eval_batch_size",
    "compile",
    "use_mixed_precision",
    "enable_profiling",
    "profiler",
    "max_batch_size",
    "enable_gradient_checkpointing",
    "evaluate_training_set",
    "skip_all_evaluation",
    "learning_rate_scaling",
];

/// The trainer.
pub(super) fn read_trainer(s: &mut Section<'_>, outputs: &[Output]) -> EcdTrainer {
    let epochs = s.count("epochs", 100, 1);
    let train_steps = s.take("train_steps").is_some().then(|| s.count("train_steps", 1, 1));
    let batch_size = auto(s, "batch_size").unwrap_or_else(|| s.count("batch_size", 128, 1));
    let learning_rate = match auto(s, "learning_rate") {
        Some(_) => 0.001,
        None => s.number("learning_rate", 0.001, 0.0..=1e6),
    };
    for key in ["gradient_accumulation_steps", "effective_batch_size"] {
        if auto(s, key).is_none() && s.take(key).is_some() && s.whole(key, 1, 1..=i64::MAX) != 1 {
            let node = s.node().and_then(|n| n.get(key));
            node.iter().for_each(|n| s.issues().unsupported(n, &s.path(key), "is not supported yet"));
        }
    }
    let schedule = s.section("learning_rate_scheduler", schedule);
    let (optimizer, weight_decay) = s.section("optimizer", optimizer);
    let early_stop = usize::try_from(s.whole("early_stop", 5, -1..=i64::MAX)).ok();
    let clipping = clipping(s);
    let lambda = s.number("regularization_lambda", 0.0, 0.0..=1e6);
    let kind = s.nullable("regularization_type", Some("l2"), &["l1", "l2", "l1_l2"]);
    let shuffle = s.truth("should_shuffle", true);
    let (validation_field, validation_metric) = validation(s, outputs);
    s.finish(&["trainer"], HARMLESS);
    EcdTrainer {
        epochs,
        train_steps,
        batch_size,
        learning_rate,
        schedule,
        optimizer,
        weight_decay,
        early_stop,
        clipping,
        l2: if matches!(kind, Some("l2" | "l1_l2")) { lambda } else { 0.0 },
        l1: if matches!(kind, Some("l1" | "l1_l2")) { lambda } else { 0.0 },
        shuffle,
        validation_field,
        validation_metric,
    }
}

/// `auto` gives 128 rows.
fn auto(s: &mut Section<'_>, key: &str) -> Option<usize> {
    let is_auto = s.peek(key).and_then(Node::as_str) == Some("auto");
    if is_auto {
        s.render(key, "auto");
    }
    is_auto.then_some(128)
}

fn schedule(s: &mut Section<'_>) -> Schedule {
    let decay = match s.nullable("decay", None, &["linear", "exponential", "cosine"]) {
        Some("linear") => Decay::Linear,
        Some("exponential") => Decay::Exponential {
            rate: s.number("decay_rate", 0.96, 0.0..=1.0),
            steps: s.count("decay_steps", 10_000, 1),
            staircase: s.truth("staircase", false),
        },
        Some("cosine") => Decay::Cosine { floor: s.number("eta_min", 0.0, 0.0..=1.0) },
        _ => Decay::None,
    };
    let schedule = Schedule {
        decay,
        warmup_fraction: s.number("warmup_fraction", 0.0, 0.0..=1.0),
        reduce_on_plateau: s.count("reduce_on_plateau", 0, 0),
        plateau_patience: s.count("reduce_on_plateau_patience", 10, 1),
        plateau_rate: s.number("reduce_on_plateau_rate", 0.1, 0.0..=1.0),
    };
    s.finish(&["learning_rate_scheduler"], &[]);
    schedule
}

fn optimizer(s: &mut Section<'_>) -> (OptimizerKind, f64) {
    let names = [
        "adam",
        "adamw",
        "sgd",
        "adagrad",
        "rmsprop",
        "adam_8bit",
        "adamw_8bit",
        "sgd_8bit",
        "adagrad_8bit",
        "rmsprop_8bit",
        "paged_adam",
        "paged_adamw",
        "paged_adam_8bit",
        "paged_adamw_8bit",
    ];
    let name = s.choice("type", "adam", &names, "optimizer.types");
    let decay_default = if name.contains("adamw") { 0.01 } else { 0.0 };
    let weight_decay = s.number("weight_decay", decay_default, 0.0..=1e6);
    let plain = name.trim_start_matches("paged_").trim_end_matches("_8bit");
    let kind = match plain {
        "sgd" => OptimizerKind::Sgd {
            momentum: s.number("momentum", 0.0, 0.0..=1.0),
            nesterov: s.truth("nesterov", false),
        },
        "adagrad" => OptimizerKind::Adagrad { eps: s.number("eps", 1e-10, 0.0..=1.0) },
        "rmsprop" => OptimizerKind::RmsProp {
            alpha: s.number("alpha", 0.99, 0.0..=1.0),
            eps: s.number("eps", 1e-8, 0.0..=1.0),
            momentum: s.number("momentum", 0.0, 0.0..=1.0),
        },
        _ => OptimizerKind::Adam {
            betas: betas(s),
            eps: s.number("eps", 1e-8, 0.0..=1.0),
            decoupled: plain == "adamw",
        },
    };
    s.finish(&[&format!("optimizer.{name}")], &["block_wise", "percentile_clipping"]);
    (kind, weight_decay)
}

fn betas(s: &mut Section<'_>) -> (f64, f64) {
    let default = (0.9, 0.999);
    let Some(node) = s.take("betas") else {
        s.render("betas", vec![default.0, default.1]);
        return default;
    };
    s.render("betas", node.to_json());
    let number = |n: &Node| match n.value {
        Yaml::Float(x) if (0.0..1.0).contains(&x) => Some(x),
        Yaml::Int(0) => Some(0.0),
        _ => None,
    };
    match &node.value {
        Yaml::List(items) => match items.iter().map(number).collect::<Option<Vec<_>>>().as_deref() {
            Some([a, b]) => return (*a, *b),
            _ => s.issues().wrong(node, &s.path("betas"), "expected two numbers from 0 to below 1"),
        },
        _ => s.issues().wrong(node, &s.path("betas"), "expected two numbers from 0 to below 1"),
    }
    default
}

fn clipping(s: &mut Section<'_>) -> Clipping {
    if s.peek("gradient_clipping").is_none() {
        s.render("gradient_clipping", serde_json::json!({ "clipglobalnorm": 0.5 }));
        return Clipping { global_norm: Some(0.5), value: None };
    }
    s.section("gradient_clipping", |s| {
        let optional = |s: &mut Section<'_>, key: &str| {
            (s.take(key).is_some()).then(|| s.number(key, 0.5, 0.0..=f64::MAX))
        };
        let named = ["clipglobalnorm", "clipnorm", "clipvalue"].iter().any(|k| s.peek(k).is_some());
        let global = optional(s, "clipglobalnorm").or(if named { None } else { Some(0.5) });
        let norm = optional(s, "clipnorm");
        let clip = Clipping { global_norm: global.or(norm), value: optional(s, "clipvalue") };
        s.finish(&[], &[]);
        clip
    })
}

fn validation(s: &mut Section<'_>, outputs: &[Output]) -> (String, String) {
    let field_node = s.peek("validation_field");
    let first = outputs.first().map(|o| o.name.clone()).unwrap_or_default();
    let field = s.text("validation_field").unwrap_or(first);
    let of_field = outputs.iter().find(|o| o.name == field);
    if of_field.is_none()
        && field != "combined"
        && let Some(node) = field_node
    {
        s.issues().wrong(node, &s.path("validation_field"), format!("no output is called `{field}`"));
    }
    let names = of_field.map_or(["loss"].as_slice(), |o| metric_names(&o.kind));
    let default = of_field.map_or("loss", |o| o.kind.default_metric());
    let metric = s.choice("validation_metric", default, names, "").to_string();
    (field, metric)
}
