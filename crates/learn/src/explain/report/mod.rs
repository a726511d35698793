//! What a report tells of why a model says what it says: the numbers behind its pictures, from a seeded sample of rows.

mod look;
mod partial;
mod permutation;
mod splits;
mod swarm;
mod tree;

use crate::fit::Material;
use crate::model::TabularModel;
use look::Look;
use lyceum_core::{ErrorKind, Result};
pub(crate) use partial::Partial;
pub(crate) use permutation::Permutation;
use serde::{Deserialize, Serialize};
pub(crate) use swarm::{Dependence, Swarm, SwarmFeature};
pub(crate) use tree::{DrawnTree, Node, drawn_tree};

/// Why one output's model says what it says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Explained {
    /// Splits on each feature, the most first (trees).
    pub(crate) splits: Vec<(String, f64)>,
    /// What is lost when a feature's cells are shuffled.
    pub(crate) permutation: Option<Permutation>,
    /// Shares of the features by row: one of an output of one score, one for each of the commonest classes else.
    pub(crate) swarms: Vec<Swarm>,
    /// Share against value of the features with the largest shares.
    pub(crate) dependence: Vec<Dependence>,
    /// What is predicted when a feature has one value everywhere, of the same features.
    pub(crate) partial: Vec<Partial>,
    /// Some trees.
    pub(crate) trees: Vec<DrawnTree>,
}

/// Features that get pictures of their own.
const PICTURED: usize = 4;

/// Why the model says what it says of some rows, output by output; nothing of a network.
///
/// # Errors
/// What prediction fails with.
pub(crate) fn explained(
    material: &Material,
    model: &TabularModel,
    rows: &[usize],
    seed: u64,
) -> Result<Vec<Option<Explained>>> {
    if model.models().is_none() {
        return Ok(vec![None; model.prepared.outputs.len()]);
    }
    let one = |output| {
        let look = Look::new(material, model, output, rows, seed)?;
        Ok(Some(of(&look)?))
    };
    (0..model.prepared.outputs.len()).map(one).collect()
}

fn of(look: &Look<'_>) -> Result<Explained> {
    let shares = match look.shares() {
        Ok(shares) => Some(shares),
        Err(e) if e.kind() == ErrorKind::Unsupported => None,
        Err(e) => return Err(e),
    };
    let swarms = shares.as_ref().map(|s| swarm::swarms(look, s)).unwrap_or_default();
    let permutation = permutation::permutation(look)?;
    let order = match (&shares, &permutation) {
        (Some(shares), _) => swarm::order(shares, 0),
        (None, Some(p)) => p.order(look),
        (None, None) => Vec::new(),
    };
    let pictured: Vec<usize> = order.into_iter().filter(|f| look.has_axis(*f)).take(PICTURED).collect();
    let dependence = shares.as_ref().map(|s| swarm::dependence(look, s, &pictured)).unwrap_or_default();
    let partial = pictured.iter().map(|f| partial::partial(look, *f)).collect::<Result<_>>()?;
    let trees = look.booster().and_then(|b| drawn_tree(b, 0, look.classes())).into_iter().collect();
    Ok(Explained { splits: splits::splits(look), permutation, swarms, dependence, partial, trees })
}
