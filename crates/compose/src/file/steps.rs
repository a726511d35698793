//! Steps: the parts of a chain, and what most nodes of a graph do. A step is a mapping with one key that says what it
//! does; steps are a list of them, one after another, or one alone.

use super::parts::{ModelOptions, PartKind, Parts, missing};
use super::place::{Place, only_keys};
use super::schema::Checked;
use super::wired::{Choice, Valued, Wired};
use super::words::{Names, Word};
use crate::RetryPolicy;
use crate::chain::{Assign, Each, Fallbacks, JsonParser, Parallel, Pipe, Retry, TextParser};
use lyceum_core::{Result, Role, Runnable, Value};
use lyceum_data::yaml::{Node, Section, Yaml};
use std::sync::Arc;
use std::time::Duration;

/// What a step may do, with the keys that go with it.
pub(super) const KINDS: [(&str, &[&str]); 14] = [
    (
        "model",
        &[
            "model",
            "prompt",
            "messages",
            "max_tokens",
            "temperature",
            "top_p",
            "repetition_penalty",
            "seed",
            "parse",
            "schema",
        ],
    ),
    ("predict", &["predict", "input"]),
    ("retrieve", &["retrieve", "query", "k"]),
    ("tool", &["tool", "arguments"]),
    ("expr", &["expr"]),
    ("chain", &["chain"]),
    ("parallel", &["parallel"]),
    ("assign", &["assign"]),
    ("branch", &["branch"]),
    ("each", &["each"]),
    ("fallback", &["fallback"]),
    ("prompt", &["prompt"]),
    ("messages", &["messages"]),
    ("parse", &["parse", "schema"]),
];

/// Every key of every step.
const ALL: &[&str] = &[
    "model",
    "prompt",
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "repetition_penalty",
    "seed",
    "parse",
    "schema",
    "predict",
    "input",
    "retrieve",
    "query",
    "k",
    "tool",
    "arguments",
    "expr",
    "chain",
    "parallel",
    "assign",
    "branch",
    "each",
    "fallback",
    "retry",
];

/// Documents found where nothing is said.
const FOUND: u64 = 4;
/// Documents found at most.
const MOST_FOUND: u64 = 100;

/// Reads steps: a list, one after another, or one alone.
pub(super) fn steps(node: &Node, key: &str, names: &Names, parts: &dyn Parts) -> Result<Arc<dyn Runnable>> {
    let items = match &node.value {
        Yaml::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut pipe: Option<Pipe> = None;
    for (i, item) in items.iter().enumerate() {
        let path = if items.len() == 1 { key.to_string() } else { format!("{key}[{i}]") };
        // What comes out of a step is known only when it has run.
        let next = step(item, &path, if i == 0 { names } else { &Names::Any }, parts)?;
        pipe = Some(match pipe {
            None => Pipe::new(next),
            Some(pipe) => pipe.then(next),
        });
    }
    match pipe {
        Some(pipe) => Ok(Arc::new(pipe)),
        None => Err(Place::of(node, key).wrong("a chain needs at least one step")),
    }
}

/// Which kind a mapping is of: the first of the kinds whose key it has.
pub(super) fn kind_of(node: &Node) -> Option<(&'static str, &'static [&'static str])> {
    KINDS.into_iter().find(|(kind, _)| node.get(kind).is_some())
}

fn step(node: &Node, key: &str, names: &Names, parts: &dyn Parts) -> Result<Arc<dyn Runnable>> {
    if !matches!(node.value, Yaml::Map(_)) {
        let e =
            Place::of(node, key).wrong(format!("expected a step (a mapping), found {}", node.type_name()));
        return Err(e.hint("for example `{prompt: \"Shorten: {{ input }}\"}`"));
    }
    let kinds = || KINDS.iter().map(|(kind, _)| *kind);
    let Some((kind, keys)) = kind_of(node) else {
        let given = node.entries().iter().find(|e| e.key != "retry");
        let place = given.map_or_else(|| Place::of(node, key), |e| Place::at(e.line, e.column, key));
        let e = place.wrong("nothing here says what the step does");
        let e = e.did_you_mean(given.map_or("", |g| &g.key), kinds());
        return Err(e.hint(format!("one of {}", kinds().collect::<Vec<_>>().join(", "))));
    };
    only_keys(node, key, &[keys, &["retry"]])?;
    let read = Read { s: Section::new(node, key, ALL)?, node, key, names, parts };
    let done = read.kind(kind)?;
    Ok(match retry(read.s.get("retry"), &read.s.key("retry"))? {
        Some(policy) => Arc::new(Retry::new(done, policy)),
        None => done,
    })
}

/// A step being read.
struct Read<'r> {
    s: Section<'r>,
    node: &'r Node,
    key: &'r str,
    names: &'r Names,
    parts: &'r dyn Parts,
}

impl Read<'_> {
    fn kind(&self, kind: &str) -> Result<Arc<dyn Runnable>> {
        match kind {
            "model" => self.model(),
            "predict" => self.predict(),
            "retrieve" => self.retrieve(),
            "tool" => self.tool(),
            "parallel" => Ok(Arc::new(Parallel::new(self.by_key("parallel")?))),
            "assign" => Ok(Arc::new(Assign::new(self.by_key("assign")?))),
            "branch" => self.branch(),
            "each" => Ok(Arc::new(Each(self.inner("each", &Names::Any)?))),
            "fallback" => self.fallback(),
            "chain" => self.inner("chain", self.names),
            "parse" => self.parsed(None),
            "expr" => {
                let word = Word::expression(self.s.need("expr")?, &self.s.key("expr"), &self.inside())?;
                Ok(Arc::new(Valued { name: "expr".into(), word }))
            }
            _ => match self.prompt()? {
                Some(word) => Ok(Arc::new(Valued { name: "prompt".into(), word })),
                None => Err(self.wrong(kind, "is empty")),
            },
        }
    }

    /// Names within this step: `input` is all that comes in.
    fn inside(&self) -> Names {
        self.names.with(&["input"])
    }

    fn wrong(&self, key: &str, message: &str) -> lyceum_core::Error {
        self.s.wrong(self.s.get(key).unwrap_or(self.node), key, message)
    }

    fn inner(&self, key: &str, names: &Names) -> Result<Arc<dyn Runnable>> {
        steps(self.s.need(key)?, &self.s.key(key), names, self.parts)
    }

    fn by_key(&self, key: &str) -> Result<Vec<(Arc<str>, Arc<dyn Runnable>)>> {
        let entries = self.s.entries(key)?;
        if entries.is_empty() {
            return Err(self.wrong(key, "expected keys with steps"));
        }
        let one = |e: &lyceum_data::yaml::Entry| {
            let path = format!("{}.{}", self.s.key(key), e.key);
            Ok((Arc::from(e.key.as_str()), steps(&e.node, &path, self.names, self.parts)?))
        };
        entries.iter().map(one).collect()
    }

    /// The name under a key, which must be one of those that there are.
    fn part(&self, kind: PartKind, key: &str) -> Result<String> {
        let name = self.s.need_text(key)?;
        let known = self.parts.names(kind);
        if known.contains(&name) {
            return Ok(name);
        }
        let place = Place::of(self.s.need(key)?, self.s.key(key));
        let e = place.put(missing(kind, &name)).did_you_mean(&name, known.iter().map(String::as_str));
        Err(match known.is_empty() {
            true => e.hint(format!("there is no {kind} at all")),
            false => e.hint(format!("there are {}", known.join(", "))),
        })
    }

    /// Puts the place of the step on an error of whoever hands the part in.
    fn handed(&self, key: &str, part: Result<Arc<dyn Runnable>>) -> Result<Arc<dyn Runnable>> {
        part.map_err(|e| Place::of(self.s.get(key).unwrap_or(self.node), self.s.key(key)).put(e))
    }

    fn model(&self) -> Result<Arc<dyn Runnable>> {
        let name = self.part(PartKind::Model, "model")?;
        let number = |key: &str| Ok::<_, lyceum_core::Error>(self.s.number(key)?.map(|x| x as f32));
        let options = ModelOptions {
            max_tokens: self.s.count_from("max_tokens", 1)?.map(|n| n as usize),
            temperature: number("temperature")?,
            top_p: number("top_p")?,
            repetition_penalty: number("repetition_penalty")?,
            seed: self.s.count_from("seed", 0)?,
        };
        let model = self.handed("model", self.parts.model(&name, &options))?;
        let model: Arc<dyn Runnable> = match self.prompt()? {
            Some(word) => Arc::new(Wired { word, inner: model }),
            None => model,
        };
        self.parsed(Some(model))
    }

    /// The prompt of a step, if it has one.
    fn prompt(&self) -> Result<Option<Word>> {
        let names = self.inside();
        match (self.s.get("prompt"), self.s.get("messages")) {
            (Some(_), Some(_)) => {
                Err(self.wrong("messages", "there is a `prompt` already; one of the two is taken"))
            }
            (Some(node), None) => Word::text(node, &self.s.key("prompt"), &names).map(Some),
            (None, Some(node)) => messages(node, &self.s.key("messages"), &names).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn parsed(&self, model: Option<Arc<dyn Runnable>>) -> Result<Arc<dyn Runnable>> {
        let schema = self.s.get("schema");
        let given = self.s.text("parse")?;
        let parser: Option<Arc<dyn Runnable>> = match (given.as_deref(), schema) {
            (Some("json"), _) | (None, Some(_)) => Some(Arc::new(JsonParser)),
            (Some("text"), Some(_)) => {
                return Err(self.wrong("schema", "a schema is of JSON, `parse` says text"));
            }
            // A model's answer is text already, and goes on as it streams.
            (Some("text"), None) if model.is_some() => None,
            (Some("text"), None) => Some(Arc::new(TextParser)),
            (None, None) => None,
            (Some(other), _) => {
                let e = self.wrong("parse", &format!("unknown parser `{other}`"));
                return Err(e.did_you_mean(other, ["json", "text"]).hint("parsers are json, text"));
            }
        };
        let checked = schema.map(|node| Checked::read(node, &self.s.key("schema"))).transpose()?;
        let checked = checked.map(|c| -> Arc<dyn Runnable> { Arc::new(c) });
        let mut all = model.into_iter().chain(parser).chain(checked);
        let Some(first) = all.next() else { return Err(self.wrong("parse", "is empty")) };
        Ok(Arc::new(all.fold(Pipe::new(first), Pipe::then)))
    }

    fn predict(&self) -> Result<Arc<dyn Runnable>> {
        let name = self.part(PartKind::Predictor, "predict")?;
        let inner = self.handed("predict", self.parts.predictor(&name))?;
        let input = self.s.get("input");
        match input.map(|n| Word::expression(n, &self.s.key("input"), &self.inside())).transpose()? {
            Some(word) => Ok(Arc::new(Wired { word, inner })),
            None => Ok(inner),
        }
    }

    fn retrieve(&self) -> Result<Arc<dyn Runnable>> {
        let name = self.part(PartKind::Retriever, "retrieve")?;
        let k = self.s.count_from("k", 1)?.unwrap_or(FOUND);
        if k > MOST_FOUND {
            return Err(self.wrong("k", &format!("at most {MOST_FOUND} are found, {k} are asked for")));
        }
        let inner = self.handed("retrieve", self.parts.retriever(&name, k as usize))?;
        match self.s.get("query") {
            Some(node) => {
                let word = Word::text(node, &self.s.key("query"), &self.inside())?;
                Ok(Arc::new(Wired { word, inner }))
            }
            None if matches!(self.names, Names::Known(_)) => Err(self.wrong("query", "is missing")),
            None => Ok(inner),
        }
    }

    fn tool(&self) -> Result<Arc<dyn Runnable>> {
        let name = self.part(PartKind::Tool, "tool")?;
        let inner = self.handed("tool", self.parts.tool(&name))?;
        let word = match self.s.get("arguments") {
            Some(node) if matches!(node.value, Yaml::Map(_)) => {
                Word::template(node, &self.s.key("arguments"), &self.inside())?
            }
            Some(node) => {
                let message = format!("expected a mapping of arguments, found {}", node.type_name());
                return Err(self.wrong("arguments", &message));
            }
            None => Word::Map(Vec::new()),
        };
        Ok(Arc::new(Wired { word, inner }))
    }

    fn fallback(&self) -> Result<Arc<dyn Runnable>> {
        let node = self.s.need("fallback")?;
        let Yaml::List(items) = &node.value else {
            return Err(self.wrong("fallback", "expected a list of steps, tried in order"));
        };
        let one = |(i, n): (usize, &Node)| {
            steps(n, &format!("{}[{i}]", self.s.key("fallback")), self.names, self.parts)
        };
        let mut all = items.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?.into_iter();
        match all.next() {
            Some(first) => Ok(Arc::new(Fallbacks::new(first, all))),
            None => Err(self.wrong("fallback", "expected at least one step")),
        }
    }

    fn branch(&self) -> Result<Arc<dyn Runnable>> {
        let path = self.s.key("branch");
        let cases = cases(self.s.need("branch")?, &path, "then", &self.inside())?;
        let one = |c: Case<'_>| Ok((c.condition, steps(c.then, &c.key, self.names, self.parts)?));
        let cases = cases.into_iter().map(one).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Choice { key: self.key.to_string(), cases }))
    }
}

/// One case of several: its condition (nothing: otherwise), and what then.
pub(super) struct Case<'n> {
    pub(super) condition: Option<Word>,
    /// The condition as it was written; `else` otherwise.
    pub(super) label: String,
    pub(super) then: &'n Node,
    pub(super) key: String,
}

/// Reads `[{if: …, THEN: …}, {else: …}]`; the last, and only the last, is the `else`.
pub(super) fn cases<'n>(
    node: &'n Node,
    path: &str,
    then: &'static str,
    names: &Names,
) -> Result<Vec<Case<'n>>> {
    let Yaml::List(items) = &node.value else {
        let message = format!("expected a list of cases, found {}", node.type_name());
        return Err(Place::of(node, path).wrong(message));
    };
    let mut cases = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let key = format!("{path}[{i}]");
        if let Some(otherwise) = item.get("else") {
            only_keys(item, &key, &[&["else"]])?;
            if i + 1 < items.len() {
                return Err(
                    Place::of(item, &key).wrong("`else` is the last case: those after it are never reached")
                );
            }
            cases.push(Case {
                condition: None,
                label: "else".into(),
                then: otherwise,
                key: format!("{key}.else"),
            });
            continue;
        }
        only_keys(item, &key, &[&["if", then]])?;
        let need =
            |k: &str| item.get(k).ok_or_else(|| Place::of(item, &key).wrong(format!("`{k}` is missing")));
        let condition = need("if")?;
        let word = Word::expression(condition, &format!("{key}.if"), names)?;
        let label = condition.as_str().map_or_else(|| condition.to_json().to_string(), str::to_string);
        cases.push(Case { condition: Some(word), label, then: need(then)?, key: format!("{key}.{then}") });
    }
    if cases.last().is_none_or(|c| c.condition.is_some()) {
        let e = Place::of(node, path).wrong("the last case must be an `else`: what if no condition holds?");
        return Err(e.hint("END may stand there in a graph"));
    }
    Ok(cases)
}

/// Messages of a prompt: a list of `{role, content}` and of expressions that give messages, or one such expression.
fn messages(node: &Node, key: &str, names: &Names) -> Result<Word> {
    let Yaml::List(items) = &node.value else { return Word::expression(node, key, names) };
    let one = |(i, item): (usize, &Node)| {
        let key = format!("{key}[{i}]");
        if item.as_str().is_some() {
            return Word::expression(item, &key, names);
        }
        only_keys(item, &key, &[&["role", "content"]])?;
        let need =
            |k: &str| item.get(k).ok_or_else(|| Place::of(item, &key).wrong(format!("`{k}` is missing")));
        let role = need("role")?;
        let roles = [Role::System, Role::User, Role::Assistant, Role::Tool].map(Role::as_str);
        let given = role.as_str().unwrap_or_default();
        if !roles.contains(&given) {
            let e = Place::of(role, format!("{key}.role")).wrong(format!("unknown role `{given}`"));
            return Err(e.did_you_mean(given, roles).hint(format!("roles are {}", roles.join(", "))));
        }
        let content = Word::text(need("content")?, &format!("{key}.content"), names)?;
        Ok(Word::Map(vec![("role".into(), Word::Plain(Value::from(given))), ("content".into(), content)]))
    };
    let all = items.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?;
    match all.is_empty() {
        true => Err(Place::of(node, key).wrong("expected at least one message")),
        false => Ok(Word::Opened(all)),
    }
}

/// Reads `retry`: a number of attempts, or a mapping.
pub(super) fn retry(node: Option<&Node>, key: &str) -> Result<Option<RetryPolicy>> {
    let Some(node) = node else { return Ok(None) };
    let mut policy = RetryPolicy::default();
    const KEYS: [&str; 5] = ["attempts", "initial_interval", "backoff_factor", "max_interval", "errors"];
    if let Yaml::Int(_) = node.value {
        let place = Place::of(node, key);
        policy.max_attempts =
            attempts(node).ok_or_else(|| place.wrong("expected a number of attempts from 1 to 100"))?;
        return Ok(Some(policy));
    }
    only_keys(node, key, &[&KEYS])?;
    let s = Section::new(node, key, &KEYS)?;
    if let Some(node) = s.get("attempts") {
        let place = Place::of(node, s.key("attempts"));
        policy.max_attempts = attempts(node).ok_or_else(|| place.wrong("expected a number from 1 to 100"))?;
    }
    let seconds = |key: &str| match s.number(key)? {
        Some(x) if !(0.0..=86_400.0).contains(&x) => {
            Err(s.wrong(s.need(key)?, key, &format!("expected seconds from 0 to 86400, found {x}")))
        }
        x => Ok(x.map(Duration::from_secs_f64)),
    };
    policy.initial_interval = seconds("initial_interval")?.unwrap_or(policy.initial_interval);
    policy.max_interval = seconds("max_interval")?.unwrap_or(policy.max_interval);
    if let Some(x) = s.number("backoff_factor")? {
        if !(1.0..=100.0).contains(&x) {
            let node = s.need("backoff_factor")?;
            return Err(s.wrong(
                node,
                "backoff_factor",
                &format!("expected a number from 1 to 100, found {x}"),
            ));
        }
        policy.backoff_factor = x;
    }
    match s.text("errors")?.as_deref() {
        None | Some("transient") => {}
        Some("any") => policy.retry_on = Some(Arc::new(|e| e.kind() != lyceum_core::ErrorKind::Cancelled)),
        Some(other) => {
            let e = s.wrong(s.need("errors")?, "errors", &format!("unknown errors `{other}`"));
            return Err(e.did_you_mean(other, ["transient", "any"]).hint("errors are transient, any"));
        }
    }
    Ok(Some(policy))
}

fn attempts(node: &Node) -> Option<usize> {
    match node.value {
        Yaml::Int(n) if (1..=100).contains(&n) => usize::try_from(n).ok(),
        _ => None,
    }
}
