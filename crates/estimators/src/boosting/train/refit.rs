//! Keeps a model's trees and learns their leaf outputs again on other rows.
//!
//! Formula: LightGBM's refit: decay · old + (1 - decay) · shrinkage · Newton step, tree after tree, the gradients taken
//! at the scores of the renewed trees before.
#![allow(clippy::indexing_slicing, reason = "rows, leaves and trees stay below the lengths made here")]

use super::Examples;
use crate::boosting::grow::leaf_output;
use crate::boosting::model::{Booster, Tree};
use crate::boosting::objective::Objective;
use crate::boosting::params::BoostingParams;
use lyceum_core::{Error, FitContext, Result};
use lyceum_tensor::Pool;

impl Booster {
    /// The same trees with leaf outputs that lean by `1 - decay` towards these rows; `decay` is in [0, 1]. Of the
    /// parameters, those of regularisation count. A leaf that no row falls into keeps its output.
    ///
    /// # Errors
    /// Rows of another width, labels outside the objective's range, a model without an objective or with linear
    /// leaves; cancellation.
    pub fn refit(
        &self,
        examples: &Examples<'_>,
        decay: f64,
        params: &BoostingParams,
        cx: &FitContext,
    ) -> Result<Self> {
        if !(0.0..=1.0).contains(&decay) {
            return Err(Error::invalid("expected 0 to 1").at_key("refit_decay_rate"));
        }
        if self.trees.iter().any(Tree::is_linear) {
            return Err(Error::unsupported("models with linear leaves are not refitted"));
        }
        let objective = Objective::from_line(&self.objective, params.objective.clone())?;
        let k = self.per_iteration;
        examples.check("the data", self.features.len(), k)?;
        let loss = objective.bind(examples.rows())?;
        let pool = Pool::new(cx.threads);
        let x = examples.numbers("task")?;
        let rows = examples.y.len();
        let mut out = self.clone();
        let mut score = match &examples.init_score {
            Some(init) => init.to_vec(),
            None => vec![0.0; rows * k],
        };
        let (mut g, mut h) = (vec![0.0f32; rows * k], vec![0.0f32; rows * k]);
        let mut row = vec![0.0; x.width()];
        cx.progress.begin("refitting trees", Some(self.iterations() as u64));
        for iteration in 0..self.iterations() {
            cx.cx.check()?;
            loss.gradients(iteration, &score, &mut g, &mut h, &pool);
            for class in 0..k {
                let tree = &mut out.trees[iteration * k + class];
                let own = class * rows;
                let mut sums = vec![(0.0f64, 0.0f64); tree.leaves()];
                let leaves: Vec<usize> = (0..rows)
                    .map(|r| {
                        x.row(r, &mut row);
                        let leaf = tree.leaf(&row);
                        sums[leaf].0 += f64::from(g[own + r]);
                        sums[leaf].1 += f64::from(h[own + r]);
                        leaf
                    })
                    .collect();
                for (leaf, (g, h)) in sums.iter().enumerate().filter(|(_, s)| s.1 > 0.0) {
                    let step = tree.shrinkage * leaf_output(*g, *h, &params.tree);
                    tree.leaf_value[leaf] = decay * tree.leaf_value[leaf] + (1.0 - decay) * step;
                }
                leaves.iter().enumerate().for_each(|(r, leaf)| score[own + r] += tree.leaf_value[*leaf]);
            }
            cx.progress.at(iteration as u64 + 1);
        }
        cx.progress.end();
        Ok(out)
    }
}
