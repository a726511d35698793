//! Input and output features.

use super::ecd::{FcStack, read_fc};
use super::section::Section;
use lyceum_core::nearest;
use lyceum_data::prepare::{
    BinaryRule, CategoryRule, Missing, Normalization, NumberRule, TextRule, Tokenizer,
};
use lyceum_data::yaml::{Node, Yaml};
use lyceum_tensor::tape::Loss;
use serde_json::Value as Json;

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// The table's column that it is read from.
    pub column: String,
    /// Its type with preprocessing and encoder.
    pub kind: InputKind,
    /// Place in the list, for messages.
    pub(super) index: usize,
}

/// Encoder of numbers and truth values: as they are, or through dense layers.
pub type DenseEncoder = Option<FcStack>;

/// Types of inputs.
#[derive(Debug, Clone, PartialEq)]
pub enum InputKind {
    /// Numbers.
    Number(NumberRule, DenseEncoder),
    /// Truth values.
    Binary(BinaryRule, DenseEncoder),
    /// Categories.
    Category(CategoryRule, CategoryEncoder),
    /// Text.
    Text(TextRule, TextEncoder),
}

/// Encoders of categories.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CategoryEncoder {
    /// A learned vector a value, of at most this size (and not more than there are values).
    Dense(usize),
    /// A 1 in the place of the value.
    OneHot,
}

/// Encoder of text: a learned vector a token, put together over the row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextEncoder {
    /// Size of a vector.
    pub embedding_size: usize,
    /// Whether the mean is taken; else the sum.
    pub mean: bool,
    /// Share of the result that is dropped in training.
    pub dropout: f64,
}

/// One output.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The table's column that it is read from.
    pub column: String,
    /// Its type with preprocessing and loss.
    pub kind: OutputKind,
    /// Layers between the combiner and the output.
    pub decoder: FcStack,
    /// Weight of its loss.
    pub weight: f64,
    pub(super) index: usize,
}

/// A number to predict.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberOutput {
    /// Preprocessing.
    pub rule: NumberRule,
    /// Loss.
    pub loss: Loss,
    /// Least and greatest prediction.
    pub clip: Option<(f64, f64)>,
}

/// A truth value to predict.
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryOutput {
    /// Preprocessing.
    pub rule: BinaryRule,
    /// From here up a probability is called true.
    pub threshold: f64,
    /// Weight of true rows.
    pub positive_weight: f64,
}

/// A category to predict.
#[derive(Debug, Clone, PartialEq)]
pub struct CategoryOutput {
    /// Preprocessing.
    pub rule: CategoryRule,
    /// How many of the likeliest classes count as a hit for `hits_at_k`.
    pub top_k: usize,
}

/// Types of outputs.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputKind {
    /// A number.
    Number(NumberOutput),
    /// A truth value.
    Binary(BinaryOutput),
    /// A category.
    Category(CategoryOutput),
}

impl OutputKind {
    /// The metric that decides when nothing else is said.
    pub fn default_metric(&self) -> &'static str {
        match self {
            Self::Number(_) => "mean_squared_error",
            Self::Binary(_) => "roc_auc",
            Self::Category(_) => "accuracy",
        }
    }
}

/// Reads both lists.
pub(super) fn read(top: &mut Section<'_>, ecd: bool) -> (Vec<Input>, Vec<Output>) {
    let inputs = list(top, "input_features", |s, i| input(s, i, ecd));
    let outputs = list(top, "output_features", output);
    (inputs, outputs)
}

fn list<T>(
    top: &mut Section<'_>,
    key: &str,
    mut one: impl FnMut(&mut Section<'_>, usize) -> Option<T>,
) -> Vec<T> {
    let items: &[Node] = match top.take(key) {
        Some(Node { value: Yaml::List(items), .. }) if !items.is_empty() => items,
        Some(node) if matches!(node.value, Yaml::List(_)) => {
            top.issues().wrong(node, key, "at least one feature is needed");
            return Vec::new();
        }
        Some(node) => {
            top.issues().wrong(node, key, format!("expected a list of features, got {}", node.type_name()));
            return Vec::new();
        }
        None => {
            top.issues().missing(top.node(), key, format!("`{key}` is missing"));
            return Vec::new();
        }
    };
    let mut rendered = Vec::new();
    let mut out = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let mut section = Section::new(Some(item), format!("{key}[{i}]"), top.issues());
        if section.node().is_some() {
            out.extend(one(&mut section, i));
        }
        rendered.push(Json::Object(section.rendered()));
    }
    top.render(key, rendered);
    out
}

const SUPPORTED: [&str; 4] = ["number", "binary", "category", "text"];

/// Name, column and type; nothing when there is no valid type.
fn head<'n>(s: &mut Section<'_>, io: &str, supported: &[&'n str]) -> Option<(String, String, &'n str)> {
    let name = s.text("name").unwrap_or_default();
    if name.is_empty() {
        s.issues().missing(s.node(), &s.path("name"), "a feature needs a name");
    }
    let column = s.text("column").unwrap_or_else(|| name.clone());
    s.render("column", column.as_str());
    if s.peek("type").is_none() {
        let written = s.node().map_or(&[][..], |n| n.entries()).iter();
        let slip = written.map(|e| e.key.as_str()).find(|k| nearest(k, ["type"]).is_some());
        let meant = slip.map_or(String::new(), |k| format!("; did you mean `type` by `{k}`?"));
        s.issues().missing(s.node(), &s.path("type"), format!("a feature needs a type{meant}"));
        s.issues().hint(format!("one of {}", supported.join(", ")));
        return None;
    }
    let kind = s.choice("type", "", supported, &format!("{io}.types"));
    (!kind.is_empty()).then_some((name, column, kind))
}

fn input(s: &mut Section<'_>, index: usize, ecd: bool) -> Option<Input> {
    let (name, column, kind) = head(s, "input", &SUPPORTED)?;
    if let Some(node) = s.take("tied") {
        s.issues().unsupported(node, &s.path("tied"), "is not supported yet");
    }
    let active = s.truth("active", true);
    let kind_ = match kind {
        "number" => {
            let rule = s.section("preprocessing", |s| {
                number_rule(s, Missing::FillWithConst, Some("zscore"), "input")
            });
            InputKind::Number(rule, s.section("encoder", |s| dense(s, "number")))
        }
        "binary" => {
            let rule = s.section("preprocessing", |s| binary_rule(s, Missing::FillWithFalse, "input"));
            InputKind::Binary(rule, s.section("encoder", |s| dense(s, "binary")))
        }
        "category" => {
            let rule = s.section("preprocessing", |s| category_rule(s, Missing::FillWithConst, "input"));
            InputKind::Category(rule, s.section("encoder", category_encoder))
        }
        _ => {
            let rule = s.section("preprocessing", text_rule);
            let shown = name.clone();
            InputKind::Text(rule, s.section("encoder", |s| text_encoder(s, &shown, ecd)))
        }
    };
    s.finish(&[&format!("input.{kind}")], &["proc_column"]);
    active.then_some(Input { name, column, kind: kind_, index })
}

fn missing(s: &mut Section<'_>, default: Missing, names: &[&'static str]) -> Missing {
    let default_name =
        names.iter().find(|n| Missing::named(n) == Some(default)).copied().unwrap_or("drop_row");
    Missing::named(s.choice("missing_value_strategy", default_name, names, "")).unwrap_or(default)
}

fn number_rule(s: &mut Section<'_>, fill: Missing, scale: Option<&'static str>, io: &str) -> NumberRule {
    let names =
        ["fill_with_const", "fill_with_mode", "fill_with_mean", "bfill", "ffill", "drop_row", "interpolate"];
    let missing = missing(s, fill, &names);
    let fill_value = s.number("fill_value", 0.0, f64::MIN..=f64::MAX);
    let normalization = match s.nullable("normalization", scale, &["zscore", "minmax", "log1p", "iq"]) {
        Some("zscore") => Some(Normalization::Zscore),
        Some("minmax") => Some(Normalization::Minmax),
        Some("log1p") => Some(Normalization::Log1p),
        Some("iq") => Some(Normalization::Iq),
        _ => None,
    };
    s.finish(&[&format!("{io}.number.preprocessing")], &[]);
    NumberRule { missing, fill_value, normalization }
}

fn binary_rule(s: &mut Section<'_>, fill: Missing, io: &str) -> BinaryRule {
    let names = ["fill_with_false", "fill_with_true", "fill_with_mode", "bfill", "ffill", "drop_row"];
    let missing = missing(s, fill, &names);
    let fallback_true_label = s.text("fallback_true_label");
    s.finish(&[&format!("{io}.binary.preprocessing")], &[]);
    BinaryRule { missing, fallback_true_label }
}

fn category_rule(s: &mut Section<'_>, fill: Missing, io: &str) -> CategoryRule {
    let names = ["fill_with_const", "fill_with_mode", "bfill", "ffill", "drop_row"];
    let missing = missing(s, fill, &names);
    let fill_value = s.text("fill_value").unwrap_or_else(|| "<UNK>".into());
    let most_common = s.count("most_common", 10_000, 1);
    let lowercase = s.truth("lowercase", false);
    s.finish(&[&format!("{io}.category.preprocessing")], &[]);
    CategoryRule { missing, fill_value, most_common, lowercase }
}

fn text_rule(s: &mut Section<'_>) -> TextRule {
    let names = ["fill_with_const", "fill_with_mode", "bfill", "ffill", "drop_row"];
    let missing = missing(s, Missing::FillWithConst, &names);
    let cutters = ["space", "space_punct", "characters", "underscore", "comma", "untokenized", "stripped"];
    let tokenizer = tokenizer(s, &cutters);
    let lowercase = s.truth("lowercase", false);
    let max_sequence_length = s.count("max_sequence_length", 256, 1);
    let most_common = s.count("most_common", 20_000, 1);
    s.finish(&["input.text.preprocessing"], &[]);
    TextRule { missing, tokenizer, lowercase, max_sequence_length, most_common }
}

fn tokenizer(s: &mut Section<'_>, names: &[&'static str]) -> Tokenizer {
    let given = s.peek("tokenizer").and_then(Node::as_str);
    let ludwig = [
        "_tokenize",
        "_filter",
        "_remove_stopwords",
        "hf_tokenizer",
        "bert",
        "gpt2bpe",
        "clip",
        "sentencepiece",
    ];
    if let Some((node, given)) = s.peek("tokenizer").zip(given)
        && ludwig.iter().any(|l| given.contains(l))
    {
        s.issues().unsupported(node, &s.path("tokenizer"), format!("`{given}` is not supported yet"));
        s.issues().hint(format!("supported: {}", names.join(", ")));
        return Tokenizer::SpacePunct;
    }
    Tokenizer::named(s.choice("tokenizer", "space_punct", names, "")).unwrap_or(Tokenizer::SpacePunct)
}

fn dense(s: &mut Section<'_>, kind: &str) -> DenseEncoder {
    let section = format!("input.{kind}.encoder");
    let stack = match s.choice("type", "passthrough", &["passthrough", "dense"], &format!("{section}.types"))
    {
        "dense" => {
            let layers = s.count("num_layers", 1, 1);
            Some(read_fc(s, layers, 256))
        }
        _ => None,
    };
    let own = if stack.is_some() { "dense" } else { "passthrough" };
    s.finish(&[&format!("{section}.{own}")], &["weights_initializer", "bias_initializer"]);
    stack
}

fn category_encoder(s: &mut Section<'_>) -> CategoryEncoder {
    let names = ["dense", "onehot", "sparse"];
    let kind = s.choice("type", "dense", &names, "input.category.encoder.types");
    let encoder = match kind {
        "dense" => CategoryEncoder::Dense(s.count("embedding_size", 50, 1)),
        _ => CategoryEncoder::OneHot,
    };
    s.finish(&[&format!("input.category.encoder.{kind}")], &["embedding_initializer", "embeddings_on_cpu"]);
    encoder
}

fn text_encoder(s: &mut Section<'_>, name: &str, ecd: bool) -> TextEncoder {
    if ecd && s.peek("type").is_none() {
        s.issues().warn(format!(
            "text feature \"{name}\": Ludwig's default encoder parallel_cnn is not there yet; `embed` is used"
        ));
    }
    let (size, reduce) = if s.peek("type").is_some() { (256, "sum") } else { (64, "mean") };
    s.choice("type", "embed", &["embed"], "input.text.encoder.types");
    let embedding_size = s.count("embedding_size", size, 1);
    let mean = s.choice("reduce_output", reduce, &["sum", "mean"], "") == "mean";
    let dropout = s.number("dropout", 0.0, 0.0..=0.99);
    let harmless = ["weights_initializer", "embeddings_on_cpu", "representation"];
    s.finish(&["input.text.encoder.embed"], &harmless);
    TextEncoder { embedding_size, mean, dropout }
}

fn output(s: &mut Section<'_>, index: usize) -> Option<Output> {
    let (name, column, kind) = head(s, "output", &["number", "binary", "category"])?;
    let active = s.truth("active", true);
    let mut weight = 1.0;
    let kind_ = match kind {
        "number" => {
            let rule = s.section("preprocessing", |s| number_rule(s, Missing::DropRow, None, "output"));
            let loss = s.section("loss", |s| number_loss(s, &mut weight));
            OutputKind::Number(NumberOutput { rule, loss, clip: clip(s) })
        }
        "binary" => {
            let rule = s.section("preprocessing", |s| binary_rule(s, Missing::DropRow, "output"));
            let threshold = s.number("threshold", 0.5, 0.0..=1.0);
            let positive_weight = s.section("loss", |s| binary_loss(s, &mut weight));
            OutputKind::Binary(BinaryOutput { rule, threshold, positive_weight })
        }
        _ => {
            let rule = s.section("preprocessing", |s| category_rule(s, Missing::DropRow, "output"));
            s.section("loss", |s| {
                s.choice(
                    "type",
                    "softmax_cross_entropy",
                    &["softmax_cross_entropy"],
                    "output.category.loss.types",
                );
                weight = s.number("weight", 1.0, 0.0..=f64::MAX);
                s.finish(&["output.category.loss.softmax_cross_entropy"], &[]);
            });
            OutputKind::Category(CategoryOutput { rule, top_k: s.count("top_k", 3, 1) })
        }
    };
    let decoder = s.section("decoder", |s| decoder(s, kind));
    s.finish(
        &[&format!("output.{kind}")],
        &["default_validation_metric", "reduce_input", "reduce_dependencies"],
    );
    active.then_some(Output { name, column, kind: kind_, decoder, weight, index })
}

fn clip(s: &mut Section<'_>) -> Option<(f64, f64)> {
    let node = s.take("clip")?;
    let json = node.to_json();
    s.render("clip", json.clone());
    let bounds = json.as_array().map(|v| v.iter().filter_map(Json::as_f64).collect::<Vec<_>>());
    match bounds.as_deref() {
        Some([low, high]) if low <= high => Some((*low, *high)),
        _ => {
            s.issues().wrong(node, &s.path("clip"), "expected two numbers, least and greatest");
            None
        }
    }
}

fn number_loss(s: &mut Section<'_>, weight: &mut f64) -> Loss {
    let names = ["mean_squared_error", "mean_absolute_error", "huber", "root_mean_squared_error"];
    let kind = s.choice("type", "mean_squared_error", &names, "output.number.loss.types");
    *weight = s.number("weight", 1.0, 0.0..=f64::MAX);
    let loss = match Loss::from_name(kind).unwrap_or(Loss::Mse) {
        Loss::Huber { .. } => Loss::Huber { delta: s.number("delta", 1.0, 1e-12..=f64::MAX) as f32 },
        other => other,
    };
    s.finish(&[&format!("output.number.loss.{kind}")], &[]);
    loss
}

fn binary_loss(s: &mut Section<'_>, weight: &mut f64) -> f64 {
    let own = "binary_weighted_cross_entropy";
    s.choice("type", own, &[own], "output.binary.loss.types");
    *weight = s.number("weight", 1.0, 0.0..=f64::MAX);
    let positive = s.number("positive_class_weight", 1.0, 1e-9..=f64::MAX);
    s.finish(&["output.binary.loss.binary_weighted_cross_entropy"], &[]);
    positive
}

fn decoder(s: &mut Section<'_>, kind: &str) -> FcStack {
    let name = if kind == "category" { "classifier" } else { "regressor" };
    s.choice("type", name, &[name], &format!("output.{kind}.decoder.types"));
    let layers = s.count("num_fc_layers", 0, 0);
    let size = s.count("fc_output_size", 256, 1);
    let activation = super::ecd::read_activation(s, "fc_activation");
    let dropout = s.number("fc_dropout", 0.0, 0.0..=0.99);
    let harmless =
        ["weights_initializer", "bias_initializer", "fc_weights_initializer", "fc_bias_initializer"];
    s.finish(&[&format!("output.{kind}.decoder.{name}")], &harmless);
    FcStack { layers, size, activation, dropout }
}
