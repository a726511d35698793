//! A tree of runs in the terminal: who is below whom, how long each took, and a bar of when.

use lyceum_core::RunStatus;
use lyceum_store::db::RunRow;
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};

/// Characters of the bar.
const BAR: usize = 24;
/// Characters of the names' column.
const NAMES: usize = 44;
/// Runs that are shown; of more the first.
const MOST: usize = 2000;

/// All runs, the top first. `contents`: the runs as JSON with inputs, outputs and events, in the same order.
pub(super) fn show(runs: &[RunRow], asked: &str, contents: &[Json]) -> String {
    let Some(top) = runs.first() else { return String::new() };
    let last = runs.iter().filter_map(|r| r.end_ns.or(Some(r.start_ns))).max().unwrap_or(top.start_ns);
    let tree = Tree {
        runs,
        contents,
        asked,
        below: below(runs),
        begin: top.start_ns,
        span: (last - top.start_ns).max(1),
    };
    let mut out = format!(
        "{} {} of {}\n",
        top.run_type.as_str(),
        top.name,
        lyceum_store::clock::rfc3339(top.start_ns.div_euclid(1_000_000_000))
    );
    let mut shown = 0;
    tree.add(&mut out, 0, "", "", &mut shown);
    if shown < runs.len() {
        out.push_str(&format!("… and {} more runs (all of them with --json)\n", runs.len() - shown));
    }
    out.push_str(&sum(runs));
    out
}

/// Places of the runs right below each.
fn below(runs: &[RunRow]) -> HashMap<usize, Vec<usize>> {
    let places: HashMap<&str, usize> = runs.iter().enumerate().map(|(i, r)| (r.id.as_str(), i)).collect();
    let mut below: HashMap<usize, Vec<usize>> = HashMap::new();
    for (i, run) in runs.iter().enumerate().skip(1) {
        // What lost its parent hangs below the top.
        let parent = run.parent_run_id.as_deref().and_then(|p| places.get(p)).copied().unwrap_or(0);
        below.entry(if parent == i { 0 } else { parent }).or_default().push(i);
    }
    below
}

struct Tree<'a> {
    runs: &'a [RunRow],
    contents: &'a [Json],
    asked: &'a str,
    below: HashMap<usize, Vec<usize>>,
    begin: i64,
    span: i64,
}

impl Tree<'_> {
    /// A run and all below it. `branch` stands before its name, `stem` before those below. No recursion: a loop of
    /// thousands of steps may nest as deep.
    fn add(&self, out: &mut String, top: usize, branch: &str, stem: &str, shown: &mut usize) {
        let mut left = vec![(top, branch.to_string(), stem.to_string())];
        let mut seen = HashSet::new();
        while let Some((place, branch, stem)) = left.pop() {
            let Some(run) = self.runs.get(place).filter(|_| *shown < MOST && seen.insert(place)) else {
                continue;
            };
            *shown += 1;
            let children = self.below.get(&place).map(Vec::as_slice).unwrap_or_default();
            self.line(out, run, &branch);
            if let Some(content) = self.contents.get(place) {
                let through = if children.is_empty() { "  " } else { "│ " };
                content_lines(out, content, &format!("{stem}{through}  "));
            }
            for (i, child) in children.iter().enumerate().rev() {
                let (fork, go_on) = if i + 1 == children.len() { ("└ ", "  ") } else { ("├ ", "│ ") };
                left.push((*child, format!("{stem}{fork}"), format!("{stem}{go_on}")));
            }
        }
    }

    fn line(&self, out: &mut String, run: &RunRow, branch: &str) {
        let mark = if run.id == self.asked && self.runs.len() > 1 { " ◂" } else { "" };
        let name = format!("{branch}{}{mark}", run.name);
        let took = run.latency_ms().map_or_else(|| "…".into(), duration);
        let status = if run.status == RunStatus::Success { "" } else { run.status.as_str() };
        let line = format!(
            "{:<NAMES$} {:<10} {took:>9} {} {:>11} {status}",
            clip(&name, NAMES),
            run.run_type.as_str(),
            self.bar(run),
            tokens(run),
        );
        out.push_str(line.trim_end());
        out.push('\n');
        if let Some(error) = &run.error {
            let first = clip(error.lines().next().unwrap_or_default(), 200);
            out.push_str(&format!("{}  {first}\n", branch.replace('├', "│").replace('└', " ")));
        }
    }

    /// When it ran within the whole.
    fn bar(&self, run: &RunRow) -> String {
        let place =
            |ns: i64| ((ns - self.begin) as f64 / self.span as f64 * BAR as f64).clamp(0.0, BAR as f64);
        let begin = (place(run.start_ns).floor() as usize).min(BAR - 1);
        let end = (place(run.end_ns.unwrap_or(self.begin + self.span)).ceil() as usize).clamp(begin + 1, BAR);
        format!("{}{}{}", "·".repeat(begin), "█".repeat(end - begin), "·".repeat(BAR - end))
    }
}

fn content_lines(out: &mut String, content: &Json, indent: &str) {
    for key in ["inputs", "outputs"] {
        if let Some(value) = content.get(key).filter(|v| !v.is_null()) {
            out.push_str(&format!("{indent}{key}: {}\n", clip(&value.to_string(), 2000)));
        }
    }
    let events = content.get("events").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    for event in events.iter().take(20) {
        let name = event.get("name").and_then(Json::as_str).unwrap_or_default();
        let data = event.get("data").map(Json::to_string).unwrap_or_default();
        out.push_str(&format!("{indent}{name}: {}\n", clip(&data, 200)));
    }
    if events.len() > 20 {
        out.push_str(&format!("{indent}… and {} more events (all of them with --json)\n", events.len() - 20));
    }
}

/// What all models of a tree used together.
fn sum(runs: &[RunRow]) -> String {
    let add = |of: fn(&RunRow) -> Option<i64>| runs.iter().filter_map(of).sum::<i64>();
    let (read, written) = (add(|r| r.prompt_tokens), add(|r| r.completion_tokens));
    let cost: f64 = runs.iter().filter_map(|r| r.cost).sum();
    let errors = runs.iter().filter(|r| r.status == RunStatus::Error).count();
    let mut parts = vec![format!("{} runs", runs.len())];
    if read + written > 0 {
        parts.push(format!("{read} tokens read, {written} written"));
    }
    if cost > 0.0 {
        parts.push(format!("${cost:.4}"));
    }
    if errors > 0 {
        parts.push(format!("{errors} failed"));
    }
    format!("{}\n", parts.join(", "))
}

/// `12→34`: tokens read and written.
pub(super) fn tokens(run: &RunRow) -> String {
    match (run.prompt_tokens, run.completion_tokens) {
        (None, None) => String::new(),
        (read, written) => format!("{}→{}", read.unwrap_or(0), written.unwrap_or(0)),
    }
}

/// Milliseconds as people read them.
pub(super) fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 1.0 => format!("{:.0} µs", ms * 1000.0),
        ms if ms < 1000.0 => format!("{ms:.1} ms"),
        ms if ms < 60_000.0 => format!("{:.2} s", ms / 1000.0),
        ms => format!("{:.0} min {:02.0} s", (ms / 60_000.0).floor(), (ms / 1000.0) % 60.0),
    }
}

/// At most so many characters, without what a terminal would obey.
pub(super) fn clip(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = text.chars().take(most).map(plain).collect();
    if text.chars().nth(most).is_some() {
        out.pop();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_texts_fit() {
        let got = [0.25, 12.34, 2500.0, 125_000.0].map(duration);
        assert_eq!(got, ["250 µs", "12.3 ms", "2.50 s", "2 min 05 s"]);
        assert_eq!(clip("a\u{1b}[31mb", 20), "a [31mb");
        assert_eq!(clip("abcdef", 4), "abc…");
    }
}
