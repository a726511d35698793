//! One tree's sweep for one row: products down the edges, sums up again, a share for each feature.
//!
//! Everything is a vector of values at `8 · B` points of a quadrature. See `predict::shap` for what they mean.
#![allow(clippy::indexing_slicing, reason = "a sweep is checked when it is made")]

use lyceum_tensor::{Level, level};

/// Values at eight points.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(in crate::boosting) struct Eight(pub(in crate::boosting) [f64; 8]);

impl Eight {
    pub(in crate::boosting) const ZERO: Self = Self([0.0; 8]);
    pub(in crate::boosting) const ONE: Self = Self([1.0; 8]);
}

/// No edge.
pub(in crate::boosting) const NONE: u32 = u32::MAX;

/// An edge of a tree, from a node to one of its children.
#[derive(Debug, Clone, Copy)]
pub(in crate::boosting) struct Edge {
    /// The edge above, or [`NONE`].
    pub(in crate::boosting) above: u32,
    /// The next edge above that splits on the same feature, or [`NONE`].
    pub(in crate::boosting) before: u32,
    pub(in crate::boosting) node: u32,
    pub(in crate::boosting) is_left: bool,
    /// The feature, by its number within the tree.
    pub(in crate::boosting) feature: u32,
    /// The leaf that it leads to, or [`NONE`].
    pub(in crate::boosting) leaf: u32,
}

/// A tree's edges, parents first, and what they do to the vectors: `blocks` [`Eight`]s for each of three states.
/// State 0: the row did not go this way at an edge of the same feature above; 1: it did, but not here; 2: it did here.
#[derive(Debug)]
pub(in crate::boosting) struct Sweep {
    edges: Vec<Edge>,
    blocks: usize,
    factors: Vec<Eight>,
    shares: Vec<Eight>,
    leaves: Vec<Eight>,
    features: usize,
    nodes: usize,
}

/// What a sweep is made of.
#[derive(Debug, Default)]
pub(in crate::boosting) struct Tables {
    /// Factor of the product, by edge and state.
    pub(in crate::boosting) factors: Vec<Eight>,
    /// Factor of the sum that is the feature's share, by edge and state.
    pub(in crate::boosting) shares: Vec<Eight>,
    /// Weight times value of each leaf.
    pub(in crate::boosting) leaves: Vec<Eight>,
}

/// Buffers of a sweep; anything may be in them before.
#[derive(Debug, Default)]
pub(in crate::boosting) struct SweepRoom {
    products: Vec<Eight>,
    sums: Vec<Eight>,
    states: Vec<u8>,
    totals: Vec<Eight>,
}

impl SweepRoom {
    /// Which state each edge was in.
    pub(in crate::boosting) fn states(&self) -> &[u8] {
        &self.states
    }
}

impl Sweep {
    /// Checks the lists, so that nothing later has to. `features` is the number of the tree's features.
    ///
    /// # Panics
    /// When an edge comes before the one above it, an index leaves its list, or a table does not fit the edges.
    pub(in crate::boosting) fn new(edges: Vec<Edge>, blocks: usize, features: usize, tables: Tables) -> Self {
        let Tables { factors, shares, leaves } = tables;
        assert!(matches!(blocks, 1 | 2 | 4 | 8 | 16));
        assert!(factors.len() == edges.len() * 3 * blocks && shares.len() == factors.len());
        for (i, edge) in edges.iter().enumerate() {
            let earlier = |e: u32| e == NONE || (e as usize) < i;
            assert!(earlier(edge.above) && earlier(edge.before) && (edge.feature as usize) < features);
            assert!(edge.leaf == NONE || (edge.leaf as usize) < leaves.len() / blocks);
        }
        let nodes = edges.iter().map(|e| e.node as usize + 1).max().unwrap_or(0);
        Self { edges, blocks, factors, shares, leaves, features, nodes }
    }

    /// The edges.
    pub(in crate::boosting) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Adds the share of each feature of the tree to `out`; `lefts[node]` is 1 where the row goes left.
    ///
    /// # Panics
    /// When a slice is too short.
    pub(in crate::boosting) fn run(&self, lefts: &[u8], room: &mut SweepRoom, out: &mut [f64]) {
        assert!(out.len() >= self.features && lefts.len() >= self.nodes);
        room.products.resize(self.edges.len() * self.blocks, Eight::ZERO);
        room.sums.resize(self.edges.len() * self.blocks, Eight::ZERO);
        room.states.resize(self.edges.len(), 0);
        room.totals.clear();
        room.totals.resize(self.features, Eight::ZERO);
        macro_rules! by_blocks {
            ($($b:literal)*) => {
                match self.blocks {
                    $($b => self.at_level::<$b>(lefts, room),)*
                    _ => {}
                }
            };
        }
        by_blocks!(1 2 4 8 16);
        for (out, total) in out.iter_mut().zip(&room.totals) {
            let [a, b, c, d, e, f, g, h] = total.0;
            *out += ((a + b) + (c + d)) + ((e + f) + (g + h));
        }
    }

    fn at_level<const B: usize>(&self, lefts: &[u8], room: &mut SweepRoom) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2")]
            fn middle<const B: usize>(own: &Sweep, lefts: &[u8], room: &mut SweepRoom) {
                own.plain::<B>(lefts, room);
            }
            if level() >= Level::Avx512 {
                // SAFETY: the level says that the processor can; the lists were checked when the sweep was made, and the
                // room has a place for each edge and feature.
                return unsafe { self.wide::<B>(lefts, room) };
            }
            if level() >= Level::Avx2 {
                // SAFETY: the level says that the processor can.
                return unsafe { middle::<B>(self, lefts, room) };
            }
        }
        self.plain::<B>(lefts, room);
    }

    #[inline(always)]
    fn plain<const B: usize>(&self, lefts: &[u8], room: &mut SweepRoom) {
        let SweepRoom { products, sums, states, totals } = room;
        let (products, sums) = (products.as_chunks_mut::<B>().0, sums.as_chunks_mut::<B>().0);
        let (factors, shares) = (self.factors.as_chunks::<B>().0, self.shares.as_chunks::<B>().0);
        let leaves = self.leaves.as_chunks::<B>().0;
        for (i, edge) in self.edges.iter().enumerate() {
            let here = (lefts[edge.node as usize] == 1) == edge.is_left;
            let above = edge.before == NONE || states[edge.before as usize] == 2;
            let state = if above { 1 + usize::from(here) } else { 0 };
            states[i] = state as u8;
            let factor = &factors[i * 3 + state];
            let from = if edge.above == NONE { [Eight::ONE; B] } else { products[edge.above as usize] };
            for (out, (a, b)) in products[i].iter_mut().zip(from.iter().zip(factor)) {
                for ((out, a), b) in out.0.iter_mut().zip(&a.0).zip(&b.0) {
                    *out = a * b;
                }
            }
            sums[i] = [Eight::ZERO; B];
        }
        for (i, edge) in self.edges.iter().enumerate().rev() {
            let mut sum = sums[i];
            if edge.leaf != NONE {
                for (out, (a, b)) in sum.iter_mut().zip(products[i].iter().zip(&leaves[edge.leaf as usize])) {
                    for ((out, a), b) in out.0.iter_mut().zip(&a.0).zip(&b.0) {
                        *out = a * b;
                    }
                }
            }
            let total = &mut totals[edge.feature as usize];
            for (sum, share) in sum.iter().zip(&shares[i * 3 + states[i] as usize]) {
                for ((out, a), b) in total.0.iter_mut().zip(&sum.0).zip(&share.0) {
                    *out += a * b;
                }
            }
            if edge.above != NONE {
                for (out, sum) in sums[edge.above as usize].iter_mut().zip(&sum) {
                    out.0.iter_mut().zip(&sum.0).for_each(|(out, x)| *out += x);
                }
            }
        }
    }

    /// # Safety
    /// AVX-512 F; the lists were checked, the room has a place for each edge and feature, `lefts` one for each node.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn wide<const B: usize>(&self, lefts: &[u8], room: &mut SweepRoom) {
        use std::arch::x86_64::*;
        let SweepRoom { products, sums, states, totals } = room;
        let (products, sums) = (products.as_mut_ptr().cast::<f64>(), sums.as_mut_ptr().cast::<f64>());
        let (states, totals) = (states.as_mut_ptr(), totals.as_mut_ptr().cast::<f64>());
        let (factors, shares) = (self.factors.as_ptr().cast::<f64>(), self.shares.as_ptr().cast::<f64>());
        let leaves = self.leaves.as_ptr().cast::<f64>();
        let step = 8 * B;
        // SAFETY: as the contract says; every vector is aligned as `Eight` is.
        unsafe {
            for (i, edge) in self.edges.iter().enumerate() {
                let here = (*lefts.get_unchecked(edge.node as usize) == 1) == edge.is_left;
                let above = edge.before == NONE || *states.add(edge.before as usize) == 2;
                let state = usize::from(above) * (1 + usize::from(here));
                *states.add(i) = state as u8;
                let factor = factors.add((i * 3 + state) * step);
                for b in 0..B {
                    let mut x = _mm512_load_pd(factor.add(b * 8));
                    if edge.above != NONE {
                        x = _mm512_mul_pd(
                            _mm512_load_pd(products.add(edge.above as usize * step + b * 8)),
                            x,
                        );
                    }
                    _mm512_store_pd(products.add(i * step + b * 8), x);
                    _mm512_store_pd(sums.add(i * step + b * 8), _mm512_setzero_pd());
                }
            }
            for (i, edge) in self.edges.iter().enumerate().rev() {
                let share = shares.add((i * 3 + *states.add(i) as usize) * step);
                let total = totals.add(edge.feature as usize * 8);
                for b in 0..B {
                    let sum = if edge.leaf == NONE {
                        _mm512_load_pd(sums.add(i * step + b * 8))
                    } else {
                        let product = _mm512_load_pd(products.add(i * step + b * 8));
                        _mm512_mul_pd(product, _mm512_load_pd(leaves.add(edge.leaf as usize * step + b * 8)))
                    };
                    let own = _mm512_mul_pd(sum, _mm512_load_pd(share.add(b * 8)));
                    _mm512_store_pd(total, _mm512_add_pd(_mm512_load_pd(total), own));
                    if edge.above != NONE {
                        let up = sums.add(edge.above as usize * step + b * 8);
                        _mm512_store_pd(up, _mm512_add_pd(_mm512_load_pd(up), sum));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lyceum_data::Random;

    #[test]
    fn every_way_gives_the_same_bits() {
        let mut random = Random::new(6, 0);
        for blocks in [1, 2, 4] {
            let mut eights = |n: usize| -> Vec<Eight> {
                (0..n * blocks).map(|_| Eight(std::array::from_fn(|_| random.normal()))).collect()
            };
            let tables = Tables { factors: eights(18), shares: eights(18), leaves: eights(4) };
            let edge = |above, before, node, is_left, feature, leaf| Edge {
                above,
                before,
                node,
                is_left,
                feature,
                leaf,
            };
            let edges = vec![
                edge(NONE, NONE, 0, true, 0, NONE),
                edge(NONE, NONE, 0, false, 0, 0),
                edge(0, NONE, 1, true, 1, 1),
                edge(0, NONE, 1, false, 1, NONE),
                edge(3, 0, 2, true, 0, 2),
                edge(3, 0, 2, false, 0, 3),
            ];
            let sweep = Sweep::new(edges, blocks, 2, tables);
            for way in 0..8u8 {
                let lefts = [way & 1, way >> 1 & 1, way >> 2];
                let (mut room, mut out) = (SweepRoom::default(), [0.0; 2]);
                sweep.run(&lefts, &mut room, &mut out);
                let got = (room.states.clone(), room.totals.clone());
                room.totals.fill(Eight::ZERO);
                match blocks {
                    1 => sweep.plain::<1>(&lefts, &mut room),
                    2 => sweep.plain::<2>(&lefts, &mut room),
                    _ => sweep.plain::<4>(&lefts, &mut room),
                }
                assert_eq!(got, (room.states, room.totals));
            }
        }
    }
}
