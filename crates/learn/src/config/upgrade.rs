//! Old configurations to the present form (Ludwig 0.4 to 0.7), and `defaults` into the features. A warning says what
//! was changed.

use super::issue::Issues;
use lyceum_data::yaml::{Entry, Node, Yaml};

/// A configuration in the present form.
pub(super) fn upgrade(root: &Node, issues: &Issues) -> Node {
    let mut root = root.clone();
    rename(&mut root, "training", "trainer", issues);
    remove_empty_hyperopt(&mut root);
    old_preprocessing(&mut root, issues);
    for list in ["input_features", "output_features"] {
        for feature in items(&mut root, list) {
            old_feature(feature, list == "input_features", issues);
        }
    }
    if let Some(trainer) = value_mut(&mut root, "trainer") {
        old_trainer(trainer, issues);
    }
    if let Some(combiner) = value_mut(&mut root, "combiner") {
        string_to_type(combiner);
    }
    defaults(&mut root, issues);
    root
}

fn entries_mut(node: &mut Node) -> Option<&mut Vec<Entry>> {
    match &mut node.value {
        Yaml::Map(entries) => Some(entries),
        _ => None,
    }
}

fn value_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    entries_mut(node)?.iter_mut().find(|e| e.key == key).map(|e| &mut e.node)
}

fn items<'n>(root: &'n mut Node, key: &str) -> impl Iterator<Item = &'n mut Node> {
    let list = value_mut(root, key).and_then(|n| match &mut n.value {
        Yaml::List(items) => Some(items),
        _ => None,
    });
    list.into_iter().flatten()
}

fn remove(node: &mut Node, key: &str) -> Option<Entry> {
    let entries = entries_mut(node)?;
    let at = entries.iter().position(|e| e.key == key)?;
    Some(entries.remove(at))
}

/// Puts an entry into a (possibly absent) section, unless the section has that key already.
fn put(node: &mut Node, section: &str, mut entry: Entry, key: &str) {
    entry.key = key.to_string();
    let (line, column) = (entry.line, entry.column);
    let Some(entries) = entries_mut(node) else { return };
    if entries.iter().all(|e| e.key != section) {
        let empty = Node { line, column, value: Yaml::Map(Vec::new()) };
        entries.push(Entry { key: section.to_string(), line, column, node: empty });
    }
    if let Some(inner) = value_mut(node, section) {
        string_to_type(inner);
        if inner.value == Yaml::Null {
            inner.value = Yaml::Map(Vec::new());
        }
        if let Some(inner) = entries_mut(inner).filter(|inner| inner.iter().all(|e| e.key != key)) {
            inner.push(entry);
        }
    }
}

fn rename(node: &mut Node, old: &str, new: &str, issues: &Issues) {
    let Some(entries) = entries_mut(node) else { return };
    if entries.iter().any(|e| e.key == new) {
        return;
    }
    if let Some(entry) = entries.iter_mut().find(|e| e.key == old) {
        entry.key = new.to_string();
        issues.warn(format!("line {}: `{old}` is an old name, read as `{new}`", entry.line));
    }
}

/// `encoder: embed` becomes `encoder: {type: embed}`.
fn string_to_type(node: &mut Node) {
    if let Yaml::Str(name) = &node.value {
        let (line, column) = (node.line, node.column);
        let inner = Node { line, column, value: Yaml::Str(name.clone()) };
        node.value = Yaml::Map(vec![Entry { key: "type".into(), line, column, node: inner }]);
    }
}

fn remove_empty_hyperopt(root: &mut Node) {
    if root.get("hyperopt").is_some_and(|n| matches!(&n.value, Yaml::Map(e) if e.is_empty())) {
        remove(root, "hyperopt");
    }
}

const TYPES: [&str; 13] = [
    "number",
    "numerical",
    "binary",
    "category",
    "text",
    "sequence",
    "set",
    "bag",
    "timeseries",
    "vector",
    "image",
    "audio",
    "date",
];

/// Per-type sections move to `defaults`; `force_split`, `split_probabilities` and `stratify` to `split`.
fn old_preprocessing(root: &mut Node, issues: &Issues) {
    let Some(preprocessing) = value_mut(root, "preprocessing") else { return };
    let mut per_type = Vec::new();
    for name in TYPES {
        per_type.extend(remove(preprocessing, name));
    }
    remove(preprocessing, "force_split");
    if let Some(entry) = remove(preprocessing, "split_probabilities") {
        issues.warn(format!("line {}: `split_probabilities` is read as `split.probabilities`", entry.line));
        put(preprocessing, "split", entry, "probabilities");
    }
    if let Some(entry) = remove(preprocessing, "stratify").filter(|e| e.node.value != Yaml::Null) {
        issues.warn(format!("line {}: `stratify` is read as `split.type: stratify`", entry.line));
        let (line, column) = (entry.line, entry.column);
        let kind = Node { line, column, value: Yaml::Str("stratify".into()) };
        put(preprocessing, "split", entry, "column");
        put(preprocessing, "split", Entry { key: "type".into(), line, column, node: kind }, "type");
    }
    for entry in per_type {
        let name = if entry.key == "numerical" { "number".to_string() } else { entry.key.clone() };
        issues.warn(format!(
            "line {}: `preprocessing.{}` is read as `defaults.{name}.preprocessing`",
            entry.line, entry.key
        ));
        let (line, column) = (entry.line, entry.column);
        let inner =
            Node { line, column, value: Yaml::Map(vec![Entry { key: "preprocessing".into(), ..entry }]) };
        put(root, "defaults", Entry { key: name.clone(), line, column, node: inner }, &name);
    }
}

/// Keys of a feature that belong to it and not to its encoder or decoder.
const FEATURE_KEYS: [&str; 22] = [
    "name",
    "type",
    "column",
    "proc_column",
    "active",
    "tied",
    "preprocessing",
    "encoder",
    "decoder",
    "loss",
    "dependencies",
    "reduce_input",
    "reduce_dependencies",
    "default_validation_metric",
    "threshold",
    "calibration",
    "top_k",
    "clip",
    "input_size",
    "num_classes",
    "augmentation",
    "horizon",
];

fn old_feature(feature: &mut Node, input: bool, issues: &Issues) {
    if let Some(kind) = value_mut(feature, "type")
        && kind.as_str() == Some("numerical")
    {
        issues.warn(format!("line {}: type `numerical` is read as `number`", kind.line));
        kind.value = Yaml::Str("number".into());
    }
    for section in ["encoder", "decoder", "loss"] {
        value_mut(feature, section).into_iter().for_each(string_to_type);
    }
    let part = if input { "encoder" } else { "decoder" };
    let kind = feature.get("type").and_then(Node::as_str).unwrap_or_default().to_string();
    let io = if input { "input" } else { "output" };
    let flat: Vec<String> = feature
        .entries()
        .iter()
        .map(|e| e.key.clone())
        .filter(|k| !FEATURE_KEYS.contains(&k.as_str()) && is_part_key(io, &kind, part, k))
        .collect();
    for key in flat {
        if let Some(entry) = remove(feature, &key) {
            issues.warn(format!("line {}: `{key}` is read as `{part}.{key}`", entry.line));
            put(feature, part, entry, &key);
        }
    }
    let Some(preprocessing) = value_mut(feature, "preprocessing") else { return };
    for prefix in ["word_", "char_"] {
        for name in ["tokenizer", "vocab_file", "most_common", "max_sequence_length", "sequence_length_limit"]
        {
            if let Some(entry) = remove(preprocessing, &format!("{prefix}{name}")) {
                let new = name.replace("sequence_length_limit", "max_sequence_length");
                if let Some(entries) = entries_mut(preprocessing).filter(|e| e.iter().all(|e| e.key != new)) {
                    entries.push(Entry { key: new, ..entry });
                }
            }
        }
    }
    if let Some(strategy) = value_mut(preprocessing, "missing_value_strategy") {
        match strategy.as_str() {
            Some("backfill") => strategy.value = Yaml::Str("bfill".into()),
            Some("pad") => strategy.value = Yaml::Str("ffill".into()),
            _ => {}
        }
    }
}

/// Whether some encoder (or decoder) of this type knows the key.
fn is_part_key(io: &str, kind: &str, part: &str, key: &str) -> bool {
    let types = super::keys::names(&format!("{io}.{kind}.{part}.types"));
    types.iter().any(|t| super::keys::of(&format!("{io}.{kind}.{part}.{t}")).contains_key(key))
}

/// Keys of a trainer that became a scheduler's.
const SCHEDULER_KEYS: [(&str, &str); 10] = [
    ("decay_steps", "decay_steps"),
    ("decay_rate", "decay_rate"),
    ("staircase", "staircase"),
    ("reduce_learning_rate_on_plateau", "reduce_on_plateau"),
    ("reduce_learning_rate_on_plateau_patience", "reduce_on_plateau_patience"),
    ("reduce_learning_rate_on_plateau_rate", "reduce_on_plateau_rate"),
    ("reduce_learning_rate_eval_metric", "reduce_eval_metric"),
    ("reduce_learning_rate_eval_split", "reduce_eval_split"),
    ("learning_rate_warmup_epochs", "warmup_evaluations"),
    ("decay", "decay"),
];

fn old_trainer(trainer: &mut Node, issues: &Issues) {
    for (old, new) in SCHEDULER_KEYS {
        let Some(mut entry) = remove(trainer, old) else { continue };
        issues
            .warn(format!("line {}: `trainer.{old}` is read as `learning_rate_scheduler.{new}`", entry.line));
        if old == "decay" {
            entry.node.value = match entry.node.value {
                Yaml::Bool(true) => Yaml::Str("exponential".into()),
                Yaml::Bool(false) => Yaml::Null,
                other => other,
            };
        }
        put(trainer, "learning_rate_scheduler", entry, new);
    }
    rename(trainer, "increase_batch_size_on_plateau_max", "max_batch_size", issues);
    if let Some(size) = value_mut(trainer, "eval_batch_size").filter(|n| n.value == Yaml::Int(0)) {
        size.value = Yaml::Null;
    }
}

/// Moves what `defaults.<type>` says into every feature of the type that does not say it itself.
fn defaults(root: &mut Node, issues: &Issues) {
    let Some(defaults) = remove(root, "defaults") else { return };
    for of_type in defaults.node.entries() {
        if !TYPES.contains(&of_type.key.as_str()) && of_type.key != "h3" {
            let path = format!("defaults.{}", of_type.key);
            issues.unknown_key((of_type.line, of_type.column), &path, &of_type.key, TYPES);
        }
        for part in of_type.node.entries() {
            let lists: &[&str] = match part.key.as_str() {
                "encoder" => &["input_features"],
                "decoder" | "loss" => &["output_features"],
                _ => &["input_features", "output_features"],
            };
            for list in lists {
                for feature in items(root, list) {
                    if feature.get("type").and_then(Node::as_str) == Some(of_type.key.as_str()) {
                        spread(feature, part);
                    }
                }
            }
        }
    }
}

fn spread(feature: &mut Node, part: &Entry) {
    let own_type = feature.get(&part.key).and_then(|n| n.get("type")).cloned();
    let their_type = part.node.get("type").cloned();
    // What is said of another encoder does not fit this one.
    if own_type.is_some() && own_type.as_ref().map(|t| &t.value) != their_type.as_ref().map(|t| &t.value) {
        return;
    }
    let mut whole = part.node.clone();
    string_to_type(&mut whole);
    for entry in whole.entries() {
        put(feature, &part.key, entry.clone(), &entry.key);
    }
}
