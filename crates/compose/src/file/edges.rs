//! The edges of a file: arrows, joins, branches, one task for each item of a list.

use super::keys::Keys;
use super::place::{Place, only_keys};
use super::steps::cases;
use super::words::{Names, Word};
use lyceum_core::Result;
use lyceum_data::yaml::{Node, Yaml};
use std::sync::Arc;

/// How the file writes the beginning.
pub(super) const BEGIN: &str = "START";
/// How the file writes the end.
pub(super) const FINISH: &str = "END";

/// An edge.
pub(super) struct Link {
    pub(super) place: Place,
    pub(super) from: Vec<String>,
    pub(super) how: How,
}

/// Where an edge leads.
pub(super) enum How {
    /// From one node to these.
    To(Vec<String>),
    /// After all of several, to these.
    Join(Vec<String>),
    /// To where the first condition that holds says.
    When(Vec<(Option<Word>, String, Vec<String>)>),
    /// For each item of a list a task with the item under a key.
    Each { items: Word, key: Arc<str>, to: String },
}

impl Link {
    /// All nodes to which it may lead, each with the condition's words.
    pub(super) fn targets(&self) -> Vec<(&str, Option<&str>)> {
        match &self.how {
            How::To(to) | How::Join(to) => to.iter().map(|t| (t.as_str(), None)).collect(),
            How::When(cases) => cases
                .iter()
                .flat_map(|(_, label, to)| to.iter().map(|t| (t.as_str(), Some(label.as_str()))))
                .collect(),
            How::Each { to, .. } => vec![(to.as_str(), Some("each"))],
        }
    }
}

/// Reads the list of edges.
pub(super) fn edges(node: &Node, keys: &Keys) -> Result<Vec<Link>> {
    let Yaml::List(items) = &node.value else {
        let e =
            Place::of(node, "edges").wrong(format!("expected a list of edges, found {}", node.type_name()));
        return Err(e.hint("for example `- START -> answer`"));
    };
    let mut links = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let key = format!("edges[{i}]");
        match &item.value {
            Yaml::Str(text) => links.extend(arrows(text, &Place::of(item, key))?),
            Yaml::Map(_) => links.push(mapping(item, &key, keys)?),
            _ => {
                let message = format!("expected `A -> B` or a mapping, found {}", item.type_name());
                return Err(Place::of(item, key).wrong(message));
            }
        }
    }
    Ok(links)
}

/// `A -> B`, `A & B -> C` (after both), `A -> B & C` (both after it), `A, B -> C` (after each), and longer paths.
fn arrows(text: &str, place: &Place) -> Result<Vec<Link>> {
    let groups: Vec<&str> = text.split("->").map(str::trim).collect();
    if groups.len() < 2 || groups.iter().any(|g| g.is_empty()) {
        let e = place.wrong(format!("`{text}` is no edge"));
        return Err(e.hint("`A -> B`; `A & B -> C` waits for both; `A -> B & C` leads to both"));
    }
    let mut links = Vec::new();
    for pair in groups.windows(2) {
        let [from, to] = pair else { continue };
        let (froms, together) = group(from, place)?;
        let (to, _) = group(to, place)?;
        match together && froms.len() > 1 {
            true => links.push(Link { place: place.clone(), from: froms, how: How::Join(to) }),
            false => links.extend(froms.into_iter().map(|from| Link {
                place: place.clone(),
                from: vec![from],
                how: How::To(to.clone()),
            })),
        }
    }
    Ok(links)
}

/// Names between arrows, and whether they are joined by `&`.
fn group(text: &str, place: &Place) -> Result<(Vec<String>, bool)> {
    if text.contains('&') && text.contains(',') {
        return Err(place.wrong(format!("`{text}` has both `&` and `,`")).hint("write two edges"));
    }
    let together = text.contains('&');
    let names: Vec<String> = text.split(['&', ',']).map(|n| n.trim().to_string()).collect();
    match names.iter().any(String::is_empty) {
        true => Err(place.wrong(format!("a name is missing in `{text}`"))),
        false => Ok((names, together)),
    }
}

fn mapping(item: &Node, key: &str, keys: &Keys) -> Result<Link> {
    only_keys(item, key, &[&["from", "to", "when", "each", "as"]])?;
    let place = Place::of(item, key);
    let need = |k: &str| item.get(k).ok_or_else(|| place.wrong(format!("`{k}` is missing")));
    let from = targets(need("from")?, &format!("{key}.from"))?;
    let names = Names::Known(keys.names()).with(&["input"]);
    let one = |what: &str| match from.len() {
        1 => Ok(()),
        n => Err(place.wrong(format!("{what} leads on from one node, {n} are named"))),
    };
    let how = match (item.get("when"), item.get("each")) {
        (Some(_), Some(_)) => return Err(place.wrong("`when` and `each` are two edges")),
        (Some(when), None) => {
            one("a branch")?;
            if item.get("to").is_some() {
                return Err(place.wrong("a branch has its targets under `when`, not under `to`"));
            }
            let read = |c: super::steps::Case<'_>| Ok((c.condition, c.label, targets(c.then, &c.key)?));
            How::When(
                cases(when, &format!("{key}.when"), "to", &names)?
                    .into_iter()
                    .map(read)
                    .collect::<Result<_>>()?,
            )
        }
        (None, Some(each)) => {
            one("`each`")?;
            let under = need("as")?;
            let at = Place::of(under, format!("{key}.as"));
            let under = keys.find(under.as_str().unwrap_or_default(), &at)?.name.clone();
            let items = Word::expression(each, &format!("{key}.each"), &names)?;
            let to = targets(need("to")?, &format!("{key}.to"))?;
            match &to[..] {
                [to] => How::Each { items, key: under, to: to.clone() },
                _ => return Err(place.wrong("`each` leads to one node")),
            }
        }
        (None, None) => {
            let to = targets(need("to")?, &format!("{key}.to"))?;
            if from.len() > 1 { How::Join(to) } else { How::To(to) }
        }
    };
    Ok(Link { place, from, how })
}

/// A name, or a list of names.
fn targets(node: &Node, key: &str) -> Result<Vec<String>> {
    let one = |n: &Node| {
        let wrong =
            || Place::of(n, key).wrong(format!("expected the name of a node, found {}", n.type_name()));
        n.as_str().map(str::to_string).ok_or_else(wrong)
    };
    match &node.value {
        Yaml::List(items) if items.is_empty() => {
            Err(Place::of(node, key).wrong("expected the name of a node"))
        }
        Yaml::List(items) => items.iter().map(one).collect(),
        _ => Ok(vec![one(node)?]),
    }
}
