//! Trees as bit masks: comparisons clear bits, the lowest bit that is left is the leaf.
//!
//! A tree's leaves are numbered from left to right, a bit each, 32 to a word. A cut whose row goes right clears the bits
//! of the leaves on its left; after all cuts the lowest bit that is left is the row's leaf (QuickScorer, Lucchese et
//! al. 2015). No cut waits for another: each is one comparison for a tile of [`TILE`] rows, or for 16 words of one row.

mod lanes;
mod tile;
mod tiled;

pub(in crate::boosting) use lanes::{HELD, Lanes};
pub(in crate::boosting) use tile::{Keys, Kind, Source, Tile, floor32};

/// Rows of a tile.
pub(in crate::boosting) const TILE: usize = 64;
/// Leaves of a word.
pub(in crate::boosting) const WORD: usize = 32;

/// A comparison within a word.
#[derive(Debug, Clone, Copy)]
pub(in crate::boosting) struct Cut {
    /// Rows with values up to this go left: the threshold, rounded down.
    pub(in crate::boosting) threshold: f32,
    /// The bits that stay when a row goes right.
    pub(in crate::boosting) keep: u32,
    /// The feature.
    pub(in crate::boosting) feature: u32,
}

/// 32 leaves of a tree.
#[derive(Debug, Clone, Copy)]
pub(in crate::boosting) struct Word {
    /// Its cuts: NaN goes left up to the second bound, right from there on.
    pub(in crate::boosting) cuts: (usize, usize, usize),
    /// Its cuts by sets: a range of [`Parts::among`].
    pub(in crate::boosting) among: (usize, usize),
}

/// One tree.
#[derive(Debug, Clone, Copy)]
pub(in crate::boosting) struct One {
    /// A range of words, at least one.
    pub(in crate::boosting) words: (usize, usize),
    /// Where the values of its leaves begin, from left to right.
    pub(in crate::boosting) values: usize,
    /// Nodes that split by sets.
    pub(in crate::boosting) sets: usize,
}

/// What a forest is made of.
#[derive(Debug, Default)]
pub(in crate::boosting) struct Parts {
    pub(in crate::boosting) trees: Vec<One>,
    pub(in crate::boosting) words: Vec<Word>,
    pub(in crate::boosting) cuts: Vec<Cut>,
    /// The threshold of each cut as it is.
    pub(in crate::boosting) exact: Vec<f64>,
    /// For a word, the tree's set node and the bits that stay when a row goes right there.
    pub(in crate::boosting) among: Vec<(u32, u32)>,
    pub(in crate::boosting) values: Vec<f64>,
}

/// Trees as bit masks.
#[derive(Debug)]
pub(in crate::boosting) struct Forest {
    parts: Parts,
    features: usize,
}

impl Forest {
    /// Checks the parts, so that nothing later has to.
    ///
    /// # Panics
    /// When an index leaves its list, a feature is not below `features`, or a tree has fewer values than bits.
    #[allow(clippy::indexing_slicing, reason = "this is the check")]
    pub(in crate::boosting) fn new(parts: Parts, features: usize) -> Self {
        assert_eq!(parts.cuts.len(), parts.exact.len());
        assert!(parts.cuts.iter().all(|c| (c.feature as usize) < features));
        for tree in &parts.trees {
            assert!(tree.words.0 < tree.words.1);
            assert!(tree.values + (tree.words.1 - tree.words.0) * WORD <= parts.values.len());
            for word in &parts.words[tree.words.0..tree.words.1] {
                assert!(word.cuts.0 <= word.cuts.1 && word.cuts.1 <= word.cuts.2);
                assert!(word.cuts.2 <= parts.cuts.len());
                assert!(parts.among[word.among.0..word.among.1].iter().all(|a| (a.0 as usize) < tree.sets));
            }
        }
        Self { parts, features }
    }

    /// The trees.
    pub(in crate::boosting) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Number of features.
    pub(in crate::boosting) fn features(&self) -> usize {
        self.features
    }
}
