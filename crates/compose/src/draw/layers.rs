//! Nodes in layers, in an order with few crossings (Sugiyama, Tagawa, Toda 1981): circles broken, longest paths,
//! barycentres.
#![allow(clippy::indexing_slicing, reason = "places of nodes come from the tables that they index")]

use super::Drawing;

/// Sweeps over the layers; the best order seen is kept.
const SWEEPS: usize = 12;

/// A drawing in layers. Beside the nodes there are bends: where an edge passes a layer.
pub(super) struct Layered {
    /// Members of each layer in order: nodes by their place, bends after them.
    pub(super) layers: Vec<Vec<usize>>,
    /// For each edge its members from the upper to the lower end; empty for an edge from a node to itself.
    pub(super) paths: Vec<Vec<usize>>,
    /// Whether the edge leads upwards.
    pub(super) upward: Vec<bool>,
    /// Nodes and bends.
    pub(super) members: usize,
}

pub(super) fn layered(drawing: &Drawing) -> Layered {
    let n = drawing.nodes.len();
    let place = |id: &str| drawing.place(id).unwrap_or(0);
    let ends: Vec<(usize, usize)> = drawing.edges.iter().map(|e| (place(&e.from), place(&e.to))).collect();
    let upward = back_edges(n, &ends);
    let down: Vec<(usize, usize)> =
        ends.iter().zip(&upward).map(|(&(a, b), up)| if *up { (b, a) } else { (a, b) }).collect();
    let layer = longest_paths(n, &down);
    let height = layer.iter().max().map_or(0, |l| l + 1);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); height];
    (0..n).for_each(|node| layers[layer[node]].push(node));
    let mut members = n;
    let mut paths = Vec::with_capacity(down.len());
    for &(from, to) in &down {
        if from == to {
            paths.push(Vec::new());
            continue;
        }
        let mut path = vec![from];
        for between in layer[from] + 1..layer[to] {
            layers[between].push(members);
            path.push(members);
            members += 1;
        }
        path.push(to);
        paths.push(path);
    }
    let mut layered = Layered { layers, paths, upward, members };
    layered.order();
    layered
}

/// Edges that close a circle in a search from the first node on.
fn back_edges(n: usize, ends: &[(usize, usize)]) -> Vec<bool> {
    let mut back = vec![false; ends.len()];
    let mut state = vec![0u8; n];
    for root in 0..n {
        let mut stack = vec![(root, 0)];
        while let Some((at, next)) = stack.pop() {
            if next == 0 {
                if state[at] != 0 {
                    continue;
                }
                state[at] = 1;
            }
            let leaving = ends.iter().enumerate().skip(next).find(|(_, (from, _))| *from == at);
            match leaving {
                None => state[at] = 2,
                Some((e, &(_, to))) => {
                    stack.push((at, e + 1));
                    match state[to] {
                        0 => stack.push((to, 0)),
                        1 if to != at => back[e] = true,
                        _ => {}
                    }
                }
            }
        }
    }
    back
}

/// The layer of each node: one below the lowest that leads to it.
fn longest_paths(n: usize, down: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = vec![0; n];
    // Without circles the layers settle after as many rounds as there are nodes.
    for _ in 0..n {
        let mut changed = false;
        for &(from, to) in down.iter().filter(|(a, b)| a != b) {
            if layer[to] < layer[from] + 1 {
                layer[to] = layer[from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    layer
}

impl Layered {
    /// Members of the layer above (or below) to which each member is tied.
    pub(super) fn ties(&self, above: bool) -> Vec<Vec<usize>> {
        let mut ties = vec![Vec::new(); self.members];
        for pair in self.paths.iter().flat_map(|p| p.windows(2)) {
            if above { ties[pair[1]].push(pair[0]) } else { ties[pair[0]].push(pair[1]) }
        }
        ties
    }

    fn order(&mut self) {
        let (above, below) = (self.ties(true), self.ties(false));
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS {
            let down = sweep % 2 == 0;
            let ties = if down { &above } else { &below };
            let mut place = vec![0.0; self.members];
            let rows: Vec<usize> =
                if down { (0..self.layers.len()).collect() } else { (0..self.layers.len()).rev().collect() };
            for row in rows {
                let centre = |m: usize, now: usize| match ties[m].len() {
                    0 => now as f64,
                    k => ties[m].iter().map(|t| place[*t]).sum::<f64>() / k as f64,
                };
                let mut keyed: Vec<(f64, usize)> =
                    self.layers[row].iter().enumerate().map(|(i, m)| (centre(*m, i), *m)).collect();
                keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
                self.layers[row] = keyed.into_iter().map(|(_, m)| m).collect();
                self.layers[row].iter().enumerate().for_each(|(i, m)| place[*m] = i as f64);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    /// How many pairs of lines between neighbouring layers cross.
    pub(super) fn crossings(&self) -> usize {
        let mut place = vec![0; self.members];
        self.layers.iter().for_each(|l| l.iter().enumerate().for_each(|(i, m)| place[*m] = i));
        let mut layer = vec![0; self.members];
        self.layers.iter().enumerate().for_each(|(row, l)| l.iter().for_each(|m| layer[*m] = row));
        let mut lines = vec![Vec::new(); self.layers.len()];
        for pair in self.paths.iter().flat_map(|p| p.windows(2)) {
            lines[layer[pair[0]]].push((place[pair[0]], place[pair[1]]));
        }
        let crossed = |row: &Vec<(usize, usize)>| {
            let pairs = row.iter().enumerate().flat_map(|(i, a)| row[i + 1..].iter().map(move |b| (a, b)));
            pairs.filter(|(a, b)| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1)).count()
        };
        lines.iter().map(crossed).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Line, Spot};
    use super::*;

    fn drawing(edges: &[(&str, &str)]) -> Drawing {
        let mut d = Drawing::default();
        for (from, to) in edges {
            for id in [from, to] {
                if d.place(id).is_none() {
                    d.nodes.push(Spot { id: id.to_string(), ..Spot::default() });
                }
            }
            d.edges.push(Line { from: from.to_string(), to: to.to_string(), ..Line::default() });
        }
        d
    }

    #[test]
    fn layers_are_longest_paths_and_long_edges_bend() {
        let l = layered(&drawing(&[("s", "a"), ("a", "b"), ("s", "b"), ("b", "e")]));
        assert_eq!(l.layers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1, 1]);
        assert_eq!(l.paths[2], [0, 4, 2], "one bend beside `a`");
    }

    #[test]
    fn circles_are_broken_and_kept() {
        let l = layered(&drawing(&[("s", "a"), ("a", "b"), ("b", "a"), ("b", "b"), ("b", "e")]));
        assert_eq!(l.upward, [false, false, true, false, false]);
        assert!(l.paths[3].is_empty() && l.layers.len() == 4);
    }

    #[test]
    fn crossings_that_need_not_be_are_not() {
        // As given, a-y and b-x cross.
        let l = layered(&drawing(&[("s", "a"), ("s", "b"), ("b", "x"), ("a", "y"), ("x", "e"), ("y", "e")]));
        assert_eq!(l.crossings(), 0);
    }
}
