//! Trees of at most [`MOST_LEAVES`] leaves as bit masks, over tiles of rows or for one row.
#![allow(clippy::indexing_slicing, reason = "nodes, features and rows are numbered here")]

use crate::boosting::kernels::{
    Cut, Forest, HELD, Keys, Kind, Lanes, One, Parts, Source, TILE, Tile, WORD, Word, floor32,
};
use crate::boosting::matrix::Matrix;
use crate::boosting::model::{CATEGORICAL, DEFAULT_LEFT, Tree};
use lyceum_tensor::{Level, level};
use std::collections::HashMap;
use std::ops::Range;

/// Above so many leaves a walk from node to node is faster than looking at all nodes.
const MOST_LEAVES: usize = 1024;

/// Nodes of a tree that split by sets.
#[derive(Debug)]
struct Sets {
    tree: Tree,
    nodes: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Masks {
    forest: Forest,
    lanes: Option<Lanes>,
    kinds: Vec<Kind>,
    /// What each feature's values are compared with.
    keys: Vec<Keys>,
    /// For trees that have any.
    sets: Vec<Option<Sets>>,
}

/// A row on its way: buffers that are used again and again.
#[derive(Debug, Default)]
pub(in crate::boosting) struct Bits(Vec<u32>);

impl Masks {
    /// Nothing where a tree has too many leaves, or the processor compares rows one by one: then a walk is faster.
    /// `kinds` has an entry a feature.
    pub(super) fn new(trees: &[Tree], kinds: &[Kind]) -> Option<Self> {
        if level() < Level::Avx2 || trees.iter().any(|t| t.leaves() > MOST_LEAVES) {
            return None;
        }
        let mut parts = Parts::default();
        let mut sets = Vec::with_capacity(trees.len());
        let mut thresholds: Vec<Vec<f64>> = vec![Vec::new(); kinds.len()];
        for tree in trees {
            let (own, nodes) = add(tree, &mut parts);
            for cut in own {
                thresholds[parts.cuts[cut].feature as usize].push(parts.exact[cut]);
            }
            sets.push((!nodes.is_empty()).then(|| Sets { tree: tree.clone(), nodes }));
        }
        let forest = Forest::new(parts, kinds.len());
        let keys = thresholds.iter().map(|t| Keys::of(t)).collect();
        Some(Self { lanes: Lanes::new(&forest), forest, kinds: kinds.to_vec(), keys, sets })
    }

    /// Sums of some trees for rows of a matrix into row-major `out`, `k` a row.
    pub(super) fn tiled(
        &self,
        x: &Matrix<'_>,
        rows: Range<usize>,
        trees: &Range<usize>,
        k: usize,
        out: &mut [f64],
    ) {
        let width = self.kinds.len();
        let mut tile = Tile::new(width);
        let mut right = Vec::new();
        let mut sums = vec![[0.0f64; TILE]; k];
        // Sparse rows are spread out first.
        let mut spread = vec![0.0f64; if matches!(x, Matrix::Sparse(_)) { x.width() * TILE } else { 0 }];
        for (i, out) in out.chunks_mut(TILE * k).enumerate() {
            let (from, here) = (rows.start + i * TILE, out.len() / k);
            for (i, row) in spread.chunks_exact_mut(x.width().max(1)).enumerate().take(here) {
                x.row(from + i, row);
            }
            let source = |f: usize| match x {
                Matrix::Columns(columns) => Source::Double(&columns[f][from..], 1),
                Matrix::Rows64 { values, width } => Source::Double(&values[from * width + f..], *width),
                Matrix::Rows32 { values, width } => Source::Single(&values[from * width + f..], *width),
                Matrix::Sparse(csr) => Source::Double(&spread[f..], csr.width),
            };
            let features = self.kinds.iter().zip(&self.keys).enumerate();
            tile.fill(here, features.map(|(f, (kind, keys))| (source(f), *kind, keys)));
            sums.fill([0.0; TILE]);
            for t in trees.clone() {
                right.clear();
                if let Some(Sets { tree, nodes }) = &self.sets[t] {
                    let goes = |node: usize, row: usize| {
                        !tree.goes_left_at(node, tile.value(tree.split_feature[node], row))
                    };
                    let rows = |node: &usize| (0..here).fold(0u64, |m, r| m | u64::from(goes(*node, r)) << r);
                    right.extend(nodes.iter().map(rows));
                }
                self.forest.add(t, &tile, &right, &mut sums[t % k]);
            }
            for (i, out) in out.chunks_exact_mut(k).enumerate() {
                out.iter_mut().zip(&sums).for_each(|(out, sums)| *out = sums[i]);
            }
        }
    }

    /// Adds the value of each of some trees, whole iterations, for a row whose values are as they are compared, to the
    /// sum of its output; false, and nothing is added, where the row or the forest must be walked.
    pub(super) fn row(&self, row: &[f64], trees: Range<usize>, bits: &mut Bits, sums: &mut [f64]) -> bool {
        let Some(lanes) = &self.lanes else { return false };
        let mut single = [0.0f32; HELD];
        for ((out, x), keys) in single.iter_mut().zip(row).zip(&self.keys) {
            match keys.single(*x) {
                Some(x) if !x.is_nan() => *out = x,
                _ => return false,
            }
        }
        lanes.masks(&single, &mut bits.0);
        let parts = self.forest.parts();
        let value = |one: &One| {
            let words = &bits.0[one.words.0..one.words.1];
            let word = if words[0] != 0 { 0 } else { words.iter().position(|w| *w != 0).unwrap_or_default() };
            parts.values[one.values + word * WORD + words[word].trailing_zeros() as usize]
        };
        let trees = &parts.trees[trees];
        match sums {
            [sum] => trees.iter().for_each(|one| *sum += value(one)),
            sums => {
                for trees in trees.chunks_exact(sums.len()) {
                    trees.iter().zip(&mut *sums).for_each(|(one, sum)| *sum += value(one));
                }
            }
        }
        true
    }
}

/// A node and the leaves on its left.
type Reach = (usize, Range<usize>);

/// Adds a tree to the parts; its cuts, and its nodes that split by sets.
fn add(tree: &Tree, parts: &mut Parts) -> (Range<usize>, Vec<usize>) {
    let (mut order, mut nodes) = (Vec::with_capacity(tree.leaves()), Vec::new());
    in_order(tree, if tree.split_feature.is_empty() { -1 } else { 0 }, &mut order, &mut nodes);
    let decision = |n: usize| tree.decision_type.get(n).copied().unwrap_or(0);
    let sets: Vec<usize> = nodes.iter().map(|n| n.0).filter(|n| decision(*n) & CATEGORICAL != 0).collect();
    let (first_word, first_cut) = (parts.words.len(), parts.cuts.len());
    for word in 0..order.len().div_ceil(WORD).max(1) {
        let keep = |left: &Range<usize>| {
            let bits = word * WORD..(word + 1) * WORD;
            let (from, to) = (left.start.max(bits.start), left.end.min(bits.end));
            (from < to).then(|| !(u32::MAX >> (WORD - (to - from)) << (from - bits.start)))
        };
        let here: Vec<(usize, u32)> = nodes.iter().filter_map(|(n, left)| Some((*n, keep(left)?))).collect();
        let start = parts.cuts.len();
        let mut middle = start;
        let mut known = HashMap::with_capacity(here.len());
        for default_left in [true, false] {
            for (n, keep) in &here {
                let own = decision(*n);
                if own & CATEGORICAL == 0 && (own & DEFAULT_LEFT != 0) == default_left {
                    let threshold = tree.threshold[*n];
                    let feature = tree.split_feature[*n] as u32;
                    // Nodes that ask the same, as all of a level of a symmetric tree do, are one cut.
                    let asked = (feature, threshold.to_bits(), default_left);
                    let at = *known.entry(asked).or_insert(parts.cuts.len());
                    if let Some(cut) = parts.cuts.get_mut(at) {
                        cut.keep &= keep;
                        continue;
                    }
                    parts.cuts.push(Cut { threshold: floor32(threshold), keep: *keep, feature });
                    parts.exact.push(threshold);
                }
            }
            middle = if default_left { parts.cuts.len() } else { middle };
        }
        let among = parts.among.len();
        let place = |n: &usize| sets.iter().position(|s| s == n);
        parts.among.extend(here.iter().filter_map(|(n, keep)| Some((place(n)? as u32, *keep))));
        parts.words.push(Word { cuts: (start, middle, parts.cuts.len()), among: (among, parts.among.len()) });
    }
    let words = (first_word, parts.words.len());
    parts.trees.push(One { words, values: parts.values.len(), sets: sets.len() });
    parts.values.extend(order.iter().map(|leaf| tree.leaf_value[*leaf]));
    // Every bit of a word has a value.
    parts.values.resize(parts.values.len().next_multiple_of(WORD), 0.0);
    (first_cut..parts.cuts.len(), sets)
}

/// Leaves from left to right, and for each node the leaves on its left.
fn in_order(tree: &Tree, node: i32, order: &mut Vec<usize>, nodes: &mut Vec<Reach>) {
    let Ok(n) = usize::try_from(node) else {
        order.push((!node) as usize);
        return;
    };
    let from = order.len();
    in_order(tree, tree.left_child[n], order, nodes);
    nodes.push((n, from..order.len()));
    in_order(tree, tree.right_child[n], order, nodes);
}
