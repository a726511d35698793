//! A model as an ONNX file, for runtimes of other houses.
//!
//! The input `rows` is double `[rows, features]` in training order, missing as NaN, categories as their codes: thresholds
//! are doubles, and so they decide as ours do. Outputs: `label` (int64, the class's number) and `probabilities` (float,
//! `[rows, classes]`) of a classifier, else `prediction` (float, `[rows, 1]`).
//!
//! Source: ONNX's operators, `ai.onnx.ml` version 3 (`TreeEnsembleRegressor`) and version 13 of the rest.
#![allow(clippy::indexing_slicing, reason = "nodes and leaves are numbered by the trees")]

mod columns;
mod proto;

use super::booster::Booster;
use super::transform::Transform;
use super::tree::{CATEGORICAL, DEFAULT_LEFT, Tree, missing_of};
use crate::boosting::data::{MissingKind, ZERO};
use columns::Made;
use lyceum_core::{Error, Result};
use proto::{
    Element, Message, doubles, floats, int_attribute, ints_attribute, tensor, tensor_attribute,
    text_attribute, texts_attribute, value, whole,
};

/// Cells of the tables of categories at most.
const MOST_CELLS: usize = 1 << 28;

impl Booster {
    /// The bytes of an ONNX file.
    ///
    /// # Errors
    /// Linear leaves, which ONNX's trees do not have; more categories times splits than a file should hold.
    pub fn to_onnx(&self) -> Result<Vec<u8>> {
        if self.trees.iter().any(Tree::is_linear) {
            return Err(Error::unsupported("ONNX's trees have no linear leaves"));
        }
        let made = Made::of(&self.trees);
        let cells: usize = made.sets.values().map(|s| s.rows().saturating_mul(s.splits.len())).sum();
        if cells > MOST_CELLS {
            let message =
                format!("splits by categories would take {cells} bytes, at most {MOST_CELLS} are written");
            return Err(Error::unsupported(message));
        }
        let mut graph = Graph::default();
        let read = graph.columns(&made, &self.trees);
        graph.trees(self, &made, read);
        let outputs = graph.outputs(self);
        let input = value("rows", Element::Double, Some(self.features.len()));
        let graph = Message::default()
            .messages(1, &graph.nodes)
            .text(2, "boosted trees")
            .messages(5, &graph.constants)
            .message(11, &input)
            .messages(12, &outputs);
        let names: Vec<&str> = self.features.names.iter().map(|n| &**n).collect();
        let names =
            Message::default().text(1, "feature_names").text(2, &serde_json::json!(names).to_string());
        let operators = |domain: &str, version| Message::default().text(1, domain).int(2, version);
        let file = Message::default()
            .int(1, 8)
            .text(2, "lyceum")
            .message(7, &graph)
            .message(8, &operators("", 13))
            .message(8, &operators("ai.onnx.ml", 3))
            .message(14, &names);
        Ok(file.0)
    }
}

#[derive(Default)]
struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
}

impl Graph {
    /// Adds a step that makes `output`.
    fn step(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[Message]) {
        let domain = if operator == "TreeEnsembleRegressor" { "ai.onnx.ml" } else { "" };
        let node = Message::default()
            .texts(1, inputs.iter().copied())
            .text(2, output)
            .text(3, output)
            .text(4, operator)
            .messages(5, attributes)
            .text(7, domain);
        self.nodes.push(node);
    }

    /// Makes what the trees read; gives its name.
    fn columns(&mut self, made: &Made, trees: &[Tree]) -> &'static str {
        let mut parts = vec!["rows".to_string()];
        let along = |axis| [int_attribute("axis", axis)];
        let cast = |to: Element| [int_attribute("to", to as i64)];
        if !made.zeros.is_empty() {
            let places: Vec<i64> = made.zeros.iter().map(|f| *f as i64).collect();
            self.constants.push(whole("zeros.features", &[places.len()], &places));
            self.constants.push(doubles("zeros.bound", &[], &[ZERO]));
            self.constants.push(doubles("zeros.missing", &[], &[f64::NAN]));
            self.step("Gather", &["rows", "zeros.features"], "zeros.values", &along(1));
            self.step("Abs", &["zeros.values"], "zeros.sizes", &[]);
            self.step("LessOrEqual", &["zeros.sizes", "zeros.bound"], "zeros.which", &[]);
            self.step("Where", &["zeros.which", "zeros.missing", "zeros.values"], "zeros", &[]);
            parts.push("zeros".into());
        }
        if !made.sets.is_empty() {
            self.constants.push(doubles("none", &[], &[-1.0]));
            self.constants.push(whole("one", &[], &[1]));
        }
        for (feature, sets) in &made.sets {
            let name = |what: &str| format!("categories.{feature}{what}");
            let [values, gaps, whole_, most, kept, codes, places, table, found, out] =
                [".values", ".gaps", ".there", ".most", ".kept", ".codes", ".places", ".table", ".found", ""]
                    .map(name);
            self.constants.push(whole(&name(".feature"), &[], &[*feature as i64]));
            self.constants.push(doubles(&most, &[], &[sets.categories as f64]));
            let dims = [sets.rows(), sets.splits.len()];
            self.constants.push(tensor(&table, Element::Uint8, &dims, &sets.table(trees)));
            self.step("Gather", &["rows", &name(".feature")], &values, &along(1));
            self.step("IsNaN", &[&values], &gaps, &[]);
            self.step("Where", &[&gaps, "none", &values], &whole_, &[]);
            self.step("Clip", &[&whole_, "none", &most], &kept, &[]);
            self.step("Cast", &[&kept], &codes, &cast(Element::Int64));
            self.step("Add", &[&codes, "one"], &places, &[]);
            self.step("Gather", &[&table, &places], &found, &along(0));
            self.step("Cast", &[&found], &out, &cast(Element::Double));
            parts.push(out);
        }
        if parts.len() == 1 {
            return "rows";
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.step("Concat", &parts, "columns", &along(1));
        "columns"
    }

    /// Adds the sums of the trees, `raw`.
    fn trees(&mut self, model: &Booster, made: &Made, read: &str) {
        let columns = made.of_nodes(&model.trees, model.features.len());
        let mut all = Nodes::default();
        for (t, (tree, columns)) in model.trees.iter().zip(&columns).enumerate() {
            all.tree(t, tree, columns);
        }
        let trees = model.trees.len() as i64;
        let k = model.per_iteration.max(1) as i64;
        let of_leaves: Vec<usize> = model.trees.iter().map(Tree::leaves).collect();
        let leaf_tree = || (0..trees).zip(&of_leaves).flat_map(|(t, leaves)| std::iter::repeat_n(t, *leaves));
        let scale = if model.average_output { model.iterations().max(1) as f64 } else { 1.0 };
        let weights: Vec<f64> =
            model.trees.iter().flat_map(|t| t.leaf_value.iter().map(|v| v / scale)).collect();
        let leaf_nodes = model.trees.iter().flat_map(|t| (0..t.leaves()).map(|l| leaf_id(t, l)));
        let attributes = [
            int_attribute("n_targets", k),
            ints_attribute("nodes_treeids", all.tree),
            ints_attribute("nodes_nodeids", all.id),
            ints_attribute("nodes_featureids", all.column),
            texts_attribute("nodes_modes", all.mode),
            tensor_attribute("nodes_values_as_tensor", &doubles("", &[all.threshold.len()], &all.threshold)),
            ints_attribute("nodes_truenodeids", all.left),
            ints_attribute("nodes_falsenodeids", all.right),
            ints_attribute("nodes_missing_value_tracks_true", all.missing_left),
            ints_attribute("target_treeids", leaf_tree()),
            ints_attribute("target_nodeids", leaf_nodes),
            ints_attribute("target_ids", leaf_tree().map(|t| t % k)),
            tensor_attribute("target_weights_as_tensor", &doubles("", &[weights.len()], &weights)),
            text_attribute("aggregate_function", "SUM"),
            text_attribute("post_transform", "NONE"),
        ];
        self.step("TreeEnsembleRegressor", &[read], "raw", &attributes);
    }

    /// Adds what is done to the raw scores; gives the descriptions of the outputs.
    fn outputs(&mut self, model: &Booster) -> Vec<Message> {
        let classes =
            |n| vec![value("label", Element::Int64, None), value("probabilities", Element::Float, Some(n))];
        let most = [int_attribute("axis", 1), int_attribute("keepdims", 0)];
        match model.transform {
            Transform::Identity => self.step("Identity", &["raw"], "prediction", &[]),
            Transform::Exp => self.step("Exp", &["raw"], "prediction", &[]),
            Transform::Logistic => self.step("Sigmoid", &["raw"], "prediction", &[]),
            Transform::Softplus => self.step("Softplus", &["raw"], "prediction", &[]),
            Transform::SignedSquare => {
                self.step("Abs", &["raw"], "raw.size", &[]);
                self.step("Mul", &["raw", "raw.size"], "prediction", &[]);
            }
            Transform::Softmax => {
                self.step("Softmax", &["raw"], "probabilities", &[int_attribute("axis", 1)]);
                self.step("ArgMax", &["probabilities"], "label", &most);
                return classes(model.per_iteration);
            }
            Transform::OneVsAll(slope) => {
                self.sigmoid(slope, "probabilities");
                self.step("ArgMax", &["probabilities"], "label", &most);
                return classes(model.per_iteration);
            }
            Transform::Sigmoid(slope) => {
                self.sigmoid(slope, "positive");
                self.constants.push(floats("whole", &[], &[1.0]));
                self.step("Sub", &["whole", "positive"], "negative", &[]);
                self.step("Concat", &["negative", "positive"], "probabilities", &[int_attribute("axis", 1)]);
                self.step("ArgMax", &["probabilities"], "label", &most);
                return classes(2);
            }
        }
        vec![value("prediction", Element::Float, Some(model.per_iteration))]
    }

    fn sigmoid(&mut self, slope: f64, output: &str) {
        self.constants.push(floats("slope", &[], &[slope as f32]));
        self.step("Mul", &["raw", "slope"], "scaled", &[]);
        self.step("Sigmoid", &["scaled"], output, &[]);
    }
}

/// The nodes of all trees, leaves included, an entry of every array each.
#[derive(Default)]
struct Nodes {
    tree: Vec<i64>,
    id: Vec<i64>,
    column: Vec<i64>,
    mode: Vec<&'static str>,
    threshold: Vec<f64>,
    left: Vec<i64>,
    right: Vec<i64>,
    missing_left: Vec<i64>,
}

/// A leaf's number among the nodes of its tree.
fn leaf_id(tree: &Tree, leaf: usize) -> i64 {
    (tree.split_feature.len() + leaf) as i64
}

impl Nodes {
    fn tree(&mut self, t: usize, tree: &Tree, columns: &[usize]) {
        let id = |child: i32| {
            usize::try_from(child).map_or_else(|_| leaf_id(tree, (!child) as usize), |n| n as i64)
        };
        for (node, column) in columns.iter().enumerate() {
            let decision = tree.decision_type[node];
            // A column made for a set is 0 where rows go left.
            let by_set = decision & CATEGORICAL != 0;
            let threshold = if by_set { 0.5 } else { tree.threshold[node] };
            let missing_left = match missing_of(decision) {
                _ if by_set => false,
                // Missing counts as 0 there.
                MissingKind::None => 0.0 <= threshold,
                _ => decision & DEFAULT_LEFT != 0,
            };
            let children = (id(tree.left_child[node]), id(tree.right_child[node]));
            self.push((t, node as i64), (*column, "BRANCH_LEQ", threshold), children, missing_left);
        }
        for leaf in 0..tree.leaves() {
            self.push((t, leaf_id(tree, leaf)), (0, "LEAF", 0.0), (0, 0), false);
        }
    }

    fn push(
        &mut self,
        (tree, id): (usize, i64),
        (column, mode, threshold): (usize, &'static str, f64),
        (left, right): (i64, i64),
        missing_left: bool,
    ) {
        self.tree.push(tree as i64);
        self.id.push(id);
        self.column.push(column as i64);
        self.mode.push(mode);
        self.threshold.push(threshold);
        self.left.push(left);
        self.right.push(right);
        self.missing_left.push(i64::from(missing_left));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    /// The fields of a message: number, and a whole number or bytes.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let (mut out, mut shift) = (0, 0);
            loop {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                out |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return out;
                }
            }
        }
        let mut out = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes);
            match tag & 7 {
                0 => out.push((tag >> 3, varint(&mut bytes), &bytes[..0])),
                2 => {
                    let len = varint(&mut bytes) as usize;
                    out.push((tag >> 3, 0, &bytes[..len]));
                    bytes = &bytes[len..];
                }
                other => panic!("wire type {other}"),
            }
        }
        out
    }

    fn within(message: &[u8], field: u64) -> Vec<&[u8]> {
        fields(message).into_iter().filter(|f| f.0 == field).map(|f| f.2).collect()
    }

    fn empty() -> Booster {
        let text = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n\
                    objective=regression\nfeature_names=a b\nfeature_infos=[0:9] -1:1:3\ntree_sizes=\n\n\
                    end of trees\n";
        Booster::parse(text).unwrap()
    }

    #[test]
    fn a_file_holds_every_node_and_leaf() {
        let mut tree = Tree::constant(0.0);
        let set = tree.push_set([1u32, 3].into_iter());
        tree.split_feature = vec![0, 1];
        tree.threshold = vec![2.5, set as f64];
        tree.decision_type = vec![DEFAULT_LEFT | 2 << 2, CATEGORICAL];
        (tree.left_child, tree.right_child) = (vec![1, -1], vec![-3, -2]);
        (tree.leaf_value, tree.leaf_count) = (vec![1.0, 2.0, -3.0], vec![1; 3]);
        let mut model = empty();
        model.trees = vec![tree, Tree::constant(0.5)];
        let file = model.to_onnx().unwrap();
        let graph = within(&file, 7)[0];
        let nodes = within(graph, 1);
        let trees = nodes.iter().find(|n| within(n, 4)[0] == b"TreeEnsembleRegressor").unwrap();
        let attribute =
            |name: &str| *within(trees, 5).iter().find(|a| within(a, 1)[0] == name.as_bytes()).unwrap();
        assert_eq!(within(attribute("nodes_treeids"), 8)[0], [0, 0, 0, 0, 0, 1]);
        assert_eq!(within(attribute("nodes_featureids"), 8)[0], [0, 2, 0, 0, 0, 0]);
        assert_eq!(within(attribute("nodes_truenodeids"), 8)[0], [1, 2, 0, 0, 0, 0]);
        assert_eq!(within(attribute("nodes_missing_value_tracks_true"), 8)[0], [1, 0, 0, 0, 0, 0]);
        let weights = within(within(attribute("target_weights_as_tensor"), 5)[0], 9)[0];
        let weights: Vec<f64> =
            weights.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(weights, [1.0, 2.0, -3.0, 0.5]);
        // None, categories 0 to 3, any other: whether it goes right.
        let tables: Vec<&[u8]> =
            within(graph, 5).into_iter().filter(|t| within(t, 8)[0] == b"categories.1.table").collect();
        assert_eq!(within(tables[0], 9)[0], [1, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn linear_leaves_are_refused() {
        let mut model = empty();
        model.trees = vec![Tree { linear: vec![Default::default()], ..Tree::constant(1.0) }];
        assert!(model.to_onnx().unwrap_err().message().contains("linear leaves"));
    }
}
