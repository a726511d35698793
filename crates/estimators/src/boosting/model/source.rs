//! A model as Rust source that needs nothing else: one function a tree, and one for each thing that is asked of a row.
#![allow(clippy::indexing_slicing, reason = "nodes and leaves are numbered by the tree")]

use super::booster::Booster;
use super::transform::Transform;
use super::tree::{CATEGORICAL, DEFAULT_LEFT, Tree, missing_of};
use crate::boosting::data::MissingKind;
use std::fmt::Write;

const HEAD: &str = "\
//! A model of boosted trees, written by `lyceum lightgbm task=convert_model`.
//!
//! `row` has the features in training order, missing as NaN, categories as their codes.
#![allow(clippy::all)]

/// Number of features.
pub const FEATURES: usize = @FEATURES;
/// Numbers of a prediction.
pub const OUTPUTS: usize = @OUTPUTS;

fn among(set: &[u32], x: f64) -> bool {
    if !(x > -1.0 && x < 2147483648.0) {
        return false;
    }
    let c = x as usize;
    set.get(c / 32).is_some_and(|w| w >> (c % 32) & 1 == 1)
}

fn zero(x: f64) -> bool {
    x.abs() <= 1.0000000180025095e-35
}

/// Raw scores: the sums of the trees.
pub fn raw(row: &[f64; FEATURES]) -> [f64; OUTPUTS] {
    let mut out = [0.0; OUTPUTS];
    for (i, tree) in TREES.iter().enumerate() {
        out[i % OUTPUTS] += tree(row);
    }
    out
}
";

impl Booster {
    /// The source of a module with `raw(&[f64; FEATURES])` and `predict(&[f64; FEATURES])`.
    pub fn to_rust(&self) -> String {
        let mut out = HEAD
            .replace("@FEATURES", &self.features.len().to_string())
            .replace("@OUTPUTS", &self.per_iteration.to_string());
        out.push_str("\n/// Predictions.\npub fn predict(row: &[f64; FEATURES]) -> [f64; OUTPUTS] {\n");
        out.push_str("    let mut out = raw(row);\n");
        if self.average_output {
            let n = self.iterations().max(1);
            let _ = writeln!(out, "    out.iter_mut().for_each(|x| *x /= {n} as f64);");
        }
        out.push_str(&transform(self.transform));
        out.push_str("    out\n}\n");
        let names: Vec<String> = (0..self.trees.len()).map(|i| format!("tree_{i}")).collect();
        let count = names.len();
        let _ =
            writeln!(out, "\nstatic TREES: [fn(&[f64; FEATURES]) -> f64; {count}] = [{}];", names.join(", "));
        for (i, tree) in self.trees.iter().enumerate() {
            let _ = writeln!(out, "\nfn tree_{i}(row: &[f64; FEATURES]) -> f64 {{");
            node(tree, if tree.split_feature.is_empty() { -1 } else { 0 }, 1, &mut out);
            out.push_str("}\n");
        }
        out
    }
}

fn transform(t: Transform) -> String {
    let each = |body: &str| format!("    out.iter_mut().for_each(|x| *x = {body});\n");
    match t {
        Transform::Identity => String::new(),
        Transform::Sigmoid(s) | Transform::OneVsAll(s) => each(&format!("1.0 / (1.0 + (-{s:?} * *x).exp())")),
        Transform::Logistic => each("1.0 / (1.0 + (-*x).exp())"),
        Transform::SignedSquare => each("x.signum() * *x * *x"),
        Transform::Exp => each("x.exp()"),
        Transform::Softplus => each("x.exp().ln_1p()"),
        Transform::Softmax => "    \
            let most = out.iter().copied().fold(f64::NEG_INFINITY, f64::max);\n    \
            let mut sum = 0.0;\n    \
            for x in &mut out {\n        *x = (*x - most).exp();\n        sum += *x;\n    }\n    \
            out.iter_mut().for_each(|x| *x /= sum);\n"
            .into(),
    }
}

fn node(t: &Tree, at: i32, depth: usize, out: &mut String) {
    let pad = "    ".repeat(depth);
    let Ok(n) = usize::try_from(at) else {
        let leaf = (!at) as usize;
        let value = t.leaf_value[leaf];
        match t.linear.get(leaf).filter(|m| !m.features.is_empty()) {
            None => {
                let value = t.linear.get(leaf).map_or(value, |m| m.constant);
                let _ = writeln!(out, "{pad}{value:?}");
            }
            Some(m) => {
                let missing: Vec<String> = m.features.iter().map(|f| format!("row[{f}].is_nan()")).collect();
                let sum: String = m
                    .features
                    .iter()
                    .zip(&m.coefficients)
                    .map(|(f, c)| format!(" + {c:?} * row[{f}]"))
                    .collect();
                let missing = missing.join(" || ");
                let _ = writeln!(out, "{pad}if {missing} {{ {value:?} }} else {{ {:?}{sum} }}", m.constant);
            }
        }
        return;
    };
    let x = format!("row[{}]", t.split_feature[n]);
    let decision = t.decision_type[n];
    let left = decision & DEFAULT_LEFT != 0;
    let threshold = t.threshold[n];
    let test = if decision & CATEGORICAL != 0 {
        format!("among(&{:?}, {x})", t.words(threshold as usize))
    } else {
        match missing_of(decision) {
            MissingKind::None if threshold >= 0.0 => format!("!({x} > {threshold:?})"),
            MissingKind::None => format!("{x} <= {threshold:?}"),
            MissingKind::Nan if left => format!("!({x} > {threshold:?})"),
            MissingKind::Nan => format!("{x} <= {threshold:?}"),
            MissingKind::Zero if left => format!("zero({x}) || !({x} > {threshold:?})"),
            MissingKind::Zero => format!("!zero({x}) && {x} <= {threshold:?}"),
        }
    };
    let _ = writeln!(out, "{pad}if {test} {{");
    node(t, t.left_child[n], depth + 1, out);
    let _ = writeln!(out, "{pad}}} else {{");
    node(t, t.right_child[n], depth + 1, out);
    let _ = writeln!(out, "{pad}}}");
}
