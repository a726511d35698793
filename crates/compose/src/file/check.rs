//! What can be said of the edges before anything runs: names, nodes that nothing leads to, circles without an exit.

use super::edges::{BEGIN, FINISH, Link};
use super::nodes::Made;
use lyceum_core::{Error, Result};
use std::collections::BTreeSet;

/// Checks the edges of a graph.
///
/// # Errors
/// The first fault, at its line.
pub(super) fn edges(nodes: &[Made], links: &[Link]) -> Result<()> {
    names(nodes, links)?;
    if !links.iter().any(|l| l.from.iter().any(|f| f == BEGIN)) {
        return Err(Error::invalid("no edge leads on from START").at_key("edges").hint("`- START -> NODE`"));
    }
    let reached = closure([BEGIN], |at| {
        links
            .iter()
            .filter(|l| l.from.iter().any(|f| f == at))
            .flat_map(|l| l.targets().into_iter().map(|t| t.0))
            .collect()
    });
    if let Some(lost) = nodes.iter().find(|n| !reached.contains(n.name.as_str())) {
        let e = lost.place.wrong(format!("nothing leads to `{}`", lost.name));
        return Err(e.hint(format!("an edge such as `START -> {}`", lost.name)));
    }
    // A node that no edge leaves ends its path as an edge to END does.
    let left = |n: &Made| links.iter().any(|l| l.from.contains(&n.name));
    let ends = nodes.iter().filter(|n| !left(n)).map(|n| n.name.as_str()).chain([FINISH]);
    let ending = closure(ends, |at| {
        let to = |l: &&Link| l.targets().iter().any(|t| t.0 == at);
        links.iter().filter(to).flat_map(|l| l.from.iter().map(String::as_str)).collect()
    });
    match nodes.iter().find(|n| !ending.contains(n.name.as_str())) {
        None => Ok(()),
        Some(stuck) => {
            let circle: Vec<&str> =
                nodes.iter().map(|n| n.name.as_str()).filter(|n| !ending.contains(n)).collect();
            let message = format!(
                "no path leads from `{}` to END: {} would run for ever",
                stuck.name,
                circle.join(", ")
            );
            Err(stuck.place.wrong(message).hint("give a branch a case that leads to END"))
        }
    }
}

fn names(nodes: &[Made], links: &[Link]) -> Result<()> {
    let known = || nodes.iter().map(|n| n.name.as_str());
    let unknown = |link: &Link, name: &str, how: &str, other: &'static str| {
        let e = link.place.wrong(format!("an edge leads {how} `{name}`, which is no node"));
        let e = e.did_you_mean(name, known().chain([other]));
        e.hint(format!("nodes are {}", known().collect::<Vec<_>>().join(", ")))
    };
    for link in links {
        for from in &link.from {
            if from == FINISH || (from == BEGIN && link.from.len() > 1) {
                let why = if from == FINISH { "nothing comes after END" } else { "START is not waited for" };
                return Err(link.place.wrong(why));
            }
            if from != BEGIN && !known().any(|k| k == from) {
                return Err(unknown(link, from, "on from", BEGIN));
            }
        }
        for (to, _) in link.targets() {
            if to == BEGIN {
                return Err(link.place.wrong("nothing leads to START"));
            }
            if to != FINISH && !known().any(|k| k == to) {
                return Err(unknown(link, to, "to", FINISH));
            }
        }
    }
    Ok(())
}

/// All that is reached from some places by steps.
fn closure<'a>(
    from: impl IntoIterator<Item = &'a str>,
    step: impl Fn(&str) -> Vec<&'a str>,
) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = from.into_iter().collect();
    while let Some(at) = open.pop() {
        if reached.insert(at) {
            open.extend(step(at));
        }
    }
    reached
}
