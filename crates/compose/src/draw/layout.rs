//! Where nodes and edges stand: positions for layers and members.
#![allow(clippy::indexing_slicing, reason = "places of members come from the tables that they index")]

use super::layers::{Layered, layered};
use super::{Drawing, Line, Spot};
use serde::{Deserialize, Serialize};

/// How large things are drawn; any unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// Width of a letter.
    pub letter: f64,
    /// Room beside the words of a box, both sides together.
    pub padding: f64,
    /// Height of a box.
    pub height: f64,
    /// Room between boxes of a layer.
    pub beside: f64,
    /// Room between layers.
    pub below: f64,
}

impl Default for Sizes {
    /// In pixels.
    fn default() -> Self {
        Self { letter: 8.0, padding: 28.0, height: 40.0, beside: 32.0, below: 56.0 }
    }
}

/// A drawing with positions; the corner at the top left is (0, 0).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// The graph's name.
    pub name: String,
    /// Width of it all.
    pub width: f64,
    /// Height of it all.
    pub height: f64,
    /// Nodes.
    pub nodes: Vec<Put>,
    /// Edges.
    pub edges: Vec<Bent>,
}

/// A node with its box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// The node.
    #[serde(flatten)]
    pub node: Spot,
    /// What stands in its box.
    pub words: String,
    /// Its layer, from 0 at the top.
    pub layer: usize,
    /// The box's left side.
    pub x: f64,
    /// The box's upper side.
    pub y: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

/// An edge with its corners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bent {
    /// The edge.
    #[serde(flatten)]
    pub edge: Line,
    /// From where it leaves to where the arrow points; empty for an edge from a node to itself.
    pub points: Vec<(f64, f64)>,
}

/// Rounds in which members move towards those that they are tied to.
const ROUNDS: usize = 8;

pub(super) fn layout(drawing: &Drawing, sizes: &Sizes) -> Layout {
    let layered = layered(drawing);
    let words: Vec<String> = drawing.nodes.iter().map(Spot::words).collect();
    let width_of =
        |m: usize| words.get(m).map_or(0.0, |w| w.chars().count() as f64 * sizes.letter + sizes.padding);
    let centres = centres(&layered, &width_of, sizes.beside);
    let top = |row: usize| row as f64 * (sizes.height + sizes.below);
    let mut row_of = vec![0; layered.members];
    layered.layers.iter().enumerate().for_each(|(row, l)| l.iter().for_each(|m| row_of[*m] = row));
    let nodes: Vec<Put> = drawing
        .nodes
        .iter()
        .zip(&words)
        .enumerate()
        .map(|(m, (node, words))| Put {
            node: node.clone(),
            words: words.clone(),
            layer: row_of[m],
            x: centres[m] - width_of(m) / 2.0,
            y: top(row_of[m]),
            width: width_of(m),
            height: sizes.height,
        })
        .collect();
    let edges = drawing.edges.iter().zip(&layered.paths).zip(&layered.upward).map(|((edge, path), up)| {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (i, m) in path.iter().enumerate() {
            // It leaves the lower side of the first box and passes bends along their whole height.
            if i > 0 {
                points.push((centres[*m], top(row_of[*m])));
            }
            if i + 1 < path.len() {
                points.push((centres[*m], top(row_of[*m]) + sizes.height));
            }
        }
        if *up {
            points.reverse();
        }
        Bent { edge: edge.clone(), points }
    });
    let right = nodes.iter().map(|n| n.x + n.width).chain(centres.iter().copied()).fold(0.0, f64::max);
    let height = nodes.iter().map(|n| n.y + n.height).fold(0.0, f64::max);
    Layout { name: drawing.name.clone(), width: right, height, edges: edges.collect(), nodes }
}

/// The middle of each member: in its layer's order, with room between, near to what it is tied to.
fn centres(layered: &Layered, width: &dyn Fn(usize) -> f64, beside: f64) -> Vec<f64> {
    let apart = |a: usize, b: usize| (width(a) + width(b)) / 2.0 + beside;
    let mut centre = vec![0.0; layered.members];
    for layer in &layered.layers {
        let mut at = 0.0;
        for (i, m) in layer.iter().enumerate() {
            at += if i == 0 { width(*m) / 2.0 } else { apart(layer[i - 1], *m) };
            centre[*m] = at;
        }
    }
    let (above, below) = (layered.ties(true), layered.ties(false));
    for round in 0..ROUNDS {
        let ties = if round % 2 == 0 { &above } else { &below };
        let rows: Vec<&Vec<usize>> = if round % 2 == 0 {
            layered.layers.iter().collect()
        } else {
            layered.layers.iter().rev().collect()
        };
        for layer in rows {
            let wanted: Vec<f64> = layer
                .iter()
                .map(|m| match ties[*m].len() {
                    0 => centre[*m],
                    k => ties[*m].iter().map(|t| centre[*t]).sum::<f64>() / k as f64,
                })
                .collect();
            // The mean of what is nearest from the left and from the right keeps order and room.
            let mut left = wanted.clone();
            for i in 1..layer.len() {
                left[i] = left[i].max(left[i - 1] + apart(layer[i - 1], layer[i]));
            }
            let mut right = wanted;
            for i in (1..layer.len()).rev() {
                right[i - 1] = right[i - 1].min(right[i] - apart(layer[i - 1], layer[i]));
            }
            layer.iter().enumerate().for_each(|(i, m)| centre[*m] = (left[i] + right[i]) / 2.0);
        }
    }
    let leftmost = (0..layered.members).map(|m| centre[m] - width(m) / 2.0).fold(f64::INFINITY, f64::min);
    centre.iter().map(|c| c - leftmost).collect()
}
