//! LightGBM's text model format, version 4: written so that LightGBM reads it, read whoever wrote it.
//!
//! One key of our own, `lyceum_feature_names` (a JSON list), stands in the header when a name holds a blank, which the
//! format cannot say; other readers skip it and see `_`.

use super::booster::{Booster, Cache, file_name_of};
use super::transform::Transform;
use super::tree::Tree;
use crate::features::{Features, Levels};
use lyceum_core::{Error, Result};
use lyceum_tensor::Pool;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

const OWN_NAMES: &str = "lyceum_feature_names";

impl Booster {
    /// The model as the text of a file.
    pub fn to_text(&self) -> String {
        let mut out = String::from("tree\nversion=v4\n");
        let mut line = |key: &str, value: &str| {
            let _ = writeln!(out, "{key}={value}");
        };
        let classes = if self.per_iteration > 1 { self.per_iteration } else { 1 }.to_string();
        line("num_class", &classes);
        line("num_tree_per_iteration", &self.per_iteration.to_string());
        line("label_index", "0");
        line("max_feature_idx", &self.features.len().saturating_sub(1).to_string());
        if !self.objective.is_empty() {
            line("objective", &self.objective);
        }
        let names: Vec<String> = self.features.names.iter().map(file_name_of).collect();
        line("feature_names", &names.join(" "));
        line("feature_infos", &self.infos.join(" "));
        let blocks: Vec<String> =
            self.trees.iter().enumerate().map(|(i, t)| format!("Tree={i}\n{}", t.to_block())).collect();
        line("tree_sizes", &blocks.iter().map(|b| b.len().to_string()).collect::<Vec<_>>().join(" "));
        if self.features.names.iter().zip(&names).any(|(n, f)| **n != **f) {
            let json = serde_json::to_string(&self.features.names).unwrap_or_default();
            line(OWN_NAMES, &json.replace('=', "\\u003d"));
        }
        if self.average_output {
            out.push_str("average_output\n");
        }
        out.push('\n');
        out.extend(blocks);
        out.push_str("end of trees\n\nfeature_importances:\n");
        out.push_str(&self.importance_lines(&names));
        out.push_str("\nparameters:\n");
        for (name, value) in &self.parameters {
            let _ = writeln!(out, "[{name}: {value}]");
        }
        out.push_str("end of parameters\n\n");
        let levels: Vec<&[Arc<str>]> = self.features.levels.iter().flatten().map(|l| &**l).collect();
        if !levels.is_empty() {
            let json = serde_json::to_string(&levels).unwrap_or_default();
            let _ = writeln!(out, "pandas_categorical:{json}");
        }
        out
    }

    fn importance_lines(&self, names: &[String]) -> String {
        let mut counts: Vec<(&String, usize)> = names
            .iter()
            .zip(self.split_counts())
            .map(|(n, (splits, _))| (n, splits))
            .filter(|(_, n)| *n > 0)
            .collect();
        counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        counts.iter().map(|(name, n)| format!("{name}={n}\n")).collect()
    }

    /// Reads the text of a model file.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().map(|l| l.trim_end_matches('\r'));
        if lines.next().map(str::trim) != Some("tree") {
            return Err(Error::corrupt("not a LightGBM model: the first line is not `tree`"));
        }
        let mut header: HashMap<&str, &str> = HashMap::new();
        let mut blocks: Vec<Vec<&str>> = Vec::new();
        let mut ended = false;
        for line in lines.by_ref() {
            ended = line == "end of trees";
            if ended {
                break;
            } else if line.starts_with("Tree=") {
                blocks.push(Vec::with_capacity(20));
            } else if let Some(block) = blocks.last_mut() {
                block.push(line);
            } else {
                let (key, value) = line.split_once('=').unwrap_or((line, ""));
                header.insert(key, value);
            }
        }
        if !ended {
            return Err(Error::corrupt("the model ends before `end of trees`"));
        }
        let trees = read_trees(&blocks)?;
        let rest: Vec<&str> = lines.collect();
        Self::assemble(&header, trees, &rest)
    }

    fn assemble(header: &HashMap<&str, &str>, trees: Vec<Tree>, rest: &[&str]) -> Result<Self> {
        let need = |key: &str| {
            header.get(key).copied().ok_or_else(|| Error::corrupt(format!("the header lacks {key}")))
        };
        let whole = |key: &str| {
            let text = need(key)?;
            text.trim()
                .parse::<usize>()
                .map_err(|_| Error::corrupt(format!("{key}: \"{text}\" is no whole number")))
        };
        let count = whole("max_feature_idx")?.saturating_add(1);
        let names: Vec<Arc<str>> = match header.get(OWN_NAMES) {
            Some(json) => {
                serde_json::from_str(json).map_err(|e| Error::corrupt(format!("{OWN_NAMES}: {e}")))?
            }
            None => need("feature_names")?.split(' ').filter(|n| !n.is_empty()).map(Arc::from).collect(),
        };
        let infos: Vec<String> = need("feature_infos")?.split_whitespace().map(str::to_string).collect();
        for (key, len) in [("feature_names", names.len()), ("feature_infos", infos.len())] {
            if len != count {
                return Err(Error::corrupt(format!("{key} has {len} entries, expected {count}")));
            }
        }
        let linear = trees.iter().flat_map(|t| t.linear.iter().flat_map(|m| &m.features));
        if trees.iter().flat_map(|t| &t.split_feature).chain(linear).any(|f| *f >= count) {
            return Err(Error::corrupt("a tree splits on a feature that is not there"));
        }
        let per_iteration = whole("num_tree_per_iteration").or_else(|_| whole("num_class"))?.max(1);
        if !trees.len().is_multiple_of(per_iteration) || per_iteration > MOST_OUTPUTS {
            let message = format!("has {} trees and {per_iteration} trees an iteration", trees.len());
            return Err(Error::corrupt(message));
        }
        let objective = header.get("objective").copied().unwrap_or_default().to_string();
        let parameters = parameters(rest);
        let levels = levels(rest, &infos, &parameters)?;
        Ok(Self {
            features: Features { names, levels },
            trees,
            per_iteration,
            transform: Transform::of_objective(&objective)?,
            objective,
            average_output: header.contains_key("average_output"),
            infos,
            parameters,
            compiled: Cache::default(),
        })
    }
}

/// Numbers of a prediction at most.
const MOST_OUTPUTS: usize = 1 << 16;
/// Trees that a thread reads at once.
const TOGETHER: usize = 8;

fn read_trees(blocks: &[Vec<&str>]) -> Result<Vec<Tree>> {
    let read = |part: &[Vec<&str>], from: usize| -> Result<Vec<Tree>> {
        let tree = |(i, lines): (usize, &Vec<&str>)| {
            let named = |e: Error| Error::new(e.kind(), format!("tree {}: {}", from + i, e.message()));
            Tree::from_block(lines).map_err(named)
        };
        part.iter().enumerate().map(tree).collect()
    };
    let parts: Vec<_> = blocks.chunks(TOGETHER).map(|part| (part, Mutex::new(Ok(Vec::new())))).collect();
    Pool::global().run(parts.len(), |i| {
        if let Some((part, out)) = parts.get(i) {
            *out.lock().unwrap_or_else(PoisonError::into_inner) = read(part, i * TOGETHER);
        }
    });
    let mut trees = Vec::with_capacity(blocks.len());
    for (_, part) in parts {
        trees.append(&mut part.into_inner().unwrap_or_else(PoisonError::into_inner)?);
    }
    Ok(trees)
}

fn parameters(rest: &[&str]) -> Vec<(String, String)> {
    let inside =
        rest.iter().skip_while(|l| **l != "parameters:").skip(1).take_while(|l| **l != "end of parameters");
    inside
        .filter_map(|l| l.strip_prefix('[')?.strip_suffix(']')?.split_once(':'))
        .map(|(k, v)| (k.trim().to_string(), v.trim().to_string()))
        .collect()
}

/// Values of the category features: the model names them in order, the parameters say which features they are, and
/// without that the infos do (a categorical info has no brackets).
fn levels(rest: &[&str], infos: &[String], parameters: &[(String, String)]) -> Result<Vec<Option<Levels>>> {
    let mut out = vec![None; infos.len()];
    let Some(json) = rest.iter().find_map(|l| l.strip_prefix("pandas_categorical:")) else { return Ok(out) };
    let lists: Option<Vec<Vec<serde_json::Value>>> =
        serde_json::from_str(json).map_err(|e| Error::corrupt(format!("pandas_categorical: {e}")))?;
    let named: Vec<usize> = parameters
        .iter()
        .find(|(k, _)| k == "categorical_feature")
        .map(|(_, v)| v.split(',').filter_map(|i| i.trim().parse().ok()).collect())
        .unwrap_or_default();
    let by_info =
        || infos.iter().enumerate().filter(|(_, i)| !i.starts_with('[') && *i != "none").map(|(i, _)| i);
    let places = if named.is_empty() { by_info().collect() } else { named };
    for (list, place) in lists.unwrap_or_default().into_iter().zip(places) {
        let text = |v: serde_json::Value| match v {
            serde_json::Value::String(s) => Arc::<str>::from(s),
            other => other.to_string().into(),
        };
        if let Some(slot) = out.get_mut(place) {
            *slot = Some(list.into_iter().map(text).collect());
        }
    }
    Ok(out)
}
