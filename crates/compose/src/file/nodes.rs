//! The nodes of a file: what each does and where its output goes.

use super::keys::Keys;
use super::parts::Parts;
use super::place::{Place, only_keys};
use super::steps::{KINDS, kind_of, retry, steps};
use super::words::{Names, Word};
use crate::chain::once;
use crate::graph::{Node as GraphNode, NodeOptions, Outcome, Scope, Stop};
use async_trait::async_trait;
use futures_util::StreamExt;
use lyceum_core::{Error, Map, Result, Runnable, Value, gather};
use lyceum_data::yaml::{Entry, Node, Section, Yaml};
use std::sync::Arc;

/// Keys of every node.
const COMMON: [&str; 4] = ["save", "retry", "defer", "description"];
/// Kinds of steps that are nodes of their own; the others stand in a `chain`.
const STEPS: [&str; 5] = ["model", "predict", "retrieve", "tool", "chain"];

/// A node, ready to be put into a graph.
pub(super) struct Made {
    pub(super) name: String,
    /// `model`, `predict`, …
    pub(super) kind: &'static str,
    /// What is named: the model, the retriever; the description, if there is one.
    pub(super) label: Option<String>,
    pub(super) place: Place,
    pub(super) run: Arc<dyn GraphNode>,
    pub(super) options: NodeOptions,
}

/// What a node does.
enum Work {
    /// Calls something with the state.
    Call(Arc<dyn Runnable>),
    /// Asks a person.
    Ask(Word),
    /// Nothing but its writes.
    Set,
}

/// Where an output goes.
enum Save {
    Nowhere,
    /// All of it into one key.
    Whole(Arc<str>),
    /// Values over `output` and the state into keys.
    Each(Vec<(Arc<str>, Word)>),
}

struct FileNode {
    work: Work,
    save: Save,
    keys: Arc<Keys>,
    place: Place,
}

#[async_trait]
impl GraphNode for FileNode {
    async fn run(&self, input: Value, scope: &Scope) -> Result<Outcome, Stop> {
        let names = super::words::names_of(&input);
        let put = |e: Error| Stop::Failed(self.place.put(e));
        let output = match &self.work {
            Work::Set => Value::Null,
            Work::Ask(question) => scope.interrupt(question.value(&names).map_err(put)?)?,
            Work::Call(runnable) => {
                let chunks = runnable.transform(once(input), &scope.cx).inspect(|chunk| {
                    // Text is shown as it comes; whoever watches joins it.
                    if let Ok(text @ Value::Str(_)) = chunk {
                        scope.say(text.clone());
                    }
                });
                scope.cx.run(gather(chunks.boxed())).await.map_err(put)?
            }
        };
        self.update(names, output).map(Outcome::Update).map_err(put)
    }
}

impl FileNode {
    fn update(&self, mut names: Map, output: Value) -> Result<Value> {
        let writes: Map = match &self.save {
            Save::Nowhere => return Ok(Value::Null),
            Save::Whole(key) => Map::from_iter([(key.clone(), output)]),
            Save::Each(words) => {
                if !matches!(self.work, Work::Set) {
                    names.insert("output".into(), output);
                }
                words.iter().map(|(k, w)| Ok((k.clone(), w.value(&names)?))).collect::<Result<_>>()?
            }
        };
        writes.iter().try_for_each(|(key, value)| self.keys.check(key, value))?;
        Ok(writes.into())
    }
}

/// A mapping with the keys that are wanted.
fn only(node: &Node, wanted: impl Fn(&str) -> bool) -> Node {
    let entries = node.entries().iter().filter(|e| wanted(&e.key)).cloned().collect();
    Node { value: Yaml::Map(entries), ..*node }
}

/// Reads one node.
pub(super) fn node(entry: &Entry, keys: &Arc<Keys>, parts: &dyn Parts) -> Result<Made> {
    let path = format!("nodes.{}", entry.key);
    let place = Place::at(entry.line, entry.column, path.as_str());
    let name = entry.key.as_str();
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty()
        || name.len() > 64
        || !name.chars().all(fine)
        || ["START", "END"].contains(&name)
        || name.starts_with("__")
    {
        let e = place.wrong(format!("`{name}` cannot be the name of a node"));
        return Err(e.hint("letters, digits, _ and - are taken, and not START and END"));
    }
    let node = &entry.node;
    if !matches!(node.value, Yaml::Map(_)) {
        return Err(Place::of(node, path).wrong(format!("expected a mapping, found {}", node.type_name())));
    }
    let kind = kind(node, &path)?;
    let allowed: &[&str] = match kind {
        "ask" => &["ask"],
        "set" => &["set"],
        kind => KINDS.iter().find(|(k, _)| *k == kind).map_or(&[], |(_, keys)| keys),
    };
    only_keys(node, &path, &[allowed, &COMMON])?;
    let names = Names::Known(keys.names());
    let inside = names.with(&["input"]);
    let common = only(node, |k| COMMON.contains(&k));
    let common = Section::new(&common, &path, &COMMON)?;
    let own = node.get(kind).ok_or_else(|| place.wrong(format!("`{kind}` is missing")))?;
    let at = |key: &str| format!("{path}.{key}");
    let work = match kind {
        "ask" => Work::Ask(Word::template(own, &at("ask"), &inside)?),
        "set" => Work::Set,
        _ => Work::Call(steps(&only(node, |k| allowed.contains(&k)), &path, &names, parts)?),
    };
    let asked = ["prompt", "messages"].iter().any(|k| node.get(k).is_some());
    if kind == "model" && !asked {
        return Err(Place::of(own, at("model"))
            .wrong("what the model is asked is missing")
            .hint("`prompt: TEXT` or `messages: [{role, content}]`"));
    }
    let save = match (kind, common.get("save")) {
        ("set", Some(node)) => return Err(Place::of(node, at("save")).wrong("`set` writes by itself")),
        ("set", None) => each(own, &at("set"), keys, &inside)?,
        (_, Some(node)) => save(node, &at("save"), keys, &inside.with(&["output"]))?,
        ("ask" | "tool", None) => Save::Nowhere,
        (_, None) => {
            let e = place.wrong("`save` is missing: what comes out would be lost");
            return Err(e.hint("`save: KEY`, or `save: {KEY: EXPRESSION}` over `output`"));
        }
    };
    let options = NodeOptions {
        defer: match common.get("defer").map(|n| (n, &n.value)) {
            None => false,
            Some((_, Yaml::Bool(b))) => *b,
            Some((n, _)) => {
                return Err(Place::of(n, at("defer"))
                    .wrong(format!("expected true or false, found {}", n.type_name())));
            }
        },
        retry: retry(common.get("retry"), &at("retry"))?,
    };
    let label = common.text("description")?.or_else(|| own.as_str().map(str::to_string));
    let run = Arc::new(FileNode { work, save, keys: keys.clone(), place: place.clone() });
    Ok(Made { name: name.to_string(), kind, label, place, run, options })
}

/// What a node does: one of its keys says so.
fn kind(node: &Node, path: &str) -> Result<&'static str> {
    let all = || STEPS.into_iter().chain(["ask", "set"]);
    let special = ["ask", "set"].into_iter().find(|k| node.get(k).is_some());
    let step = kind_of(node).map(|(kind, _)| kind).filter(|k| STEPS.contains(k));
    if let Some(kind) = special.or(step) {
        return Ok(kind);
    }
    let given = node.entries().iter().find(|e| !COMMON.contains(&e.key.as_str()));
    let place = given.map_or_else(|| Place::of(node, path), |e| Place::at(e.line, e.column, path));
    let e =
        place.wrong("nothing here says what the node does").did_you_mean(given.map_or("", |g| &g.key), all());
    Err(e.hint(format!("one of {}", all().collect::<Vec<_>>().join(", "))))
}

fn save(node: &Node, key: &str, keys: &Keys, names: &Names) -> Result<Save> {
    match node.as_str() {
        Some(name) => Ok(Save::Whole(keys.find(name, &Place::of(node, key))?.name.clone())),
        None => each(node, key, keys, names),
    }
}

fn each(node: &Node, key: &str, keys: &Keys, names: &Names) -> Result<Save> {
    if !matches!(&node.value, Yaml::Map(entries) if !entries.is_empty()) {
        let message = format!("expected keys of the state with expressions, found {}", node.type_name());
        return Err(Place::of(node, key).wrong(message));
    }
    let one = |e: &Entry| {
        let path = format!("{key}.{}", e.key);
        let into = keys.find(&e.key, &Place::at(e.line, e.column, path.as_str()))?;
        Ok((into.name.clone(), Word::expression(&e.node, &path, names)?))
    };
    node.entries().iter().map(one).collect::<Result<_>>().map(Save::Each)
}
