//! Boosting behind the estimator's wall: tables and targets in, a model out.

use super::{Examples, Job, Trained};
use crate::boosting::model::Booster;
use crate::boosting::objective::{Kind, Objective};
use crate::boosting::params::BoostingParams;
use crate::features::Features;
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, Target, TrainingSet};
use std::borrow::Cow;

/// Learns a [`Booster`].
#[derive(Debug, Clone, Default)]
pub struct GradientBoosting {
    /// The parameters.
    pub params: BoostingParams,
    /// Whether the objective stays what `params` says; else it follows the target.
    pub keep_objective: bool,
}

impl GradientBoosting {
    /// From parameters by LightGBM's names; the objective follows the target unless it is among them.
    pub fn from_params(params: &Params) -> Result<Self> {
        let keep_objective = params.keys().any(|k| BoostingParams::main_name(k) == Some("objective"));
        Ok(Self { params: BoostingParams::from_params(params)?, keep_objective })
    }

    /// Learns, and tells how it went.
    pub fn train(&self, data: &TrainingSet, cx: &FitContext) -> Result<Trained> {
        let mut params = self.params.clone();
        if !self.keep_objective {
            let own = Objective::for_target(&data.y);
            params.objective = Objective { kind: own.kind, num_class: own.num_class, ..params.objective };
        }
        let from = match &data.from {
            None => None,
            Some(model) => {
                let any: &dyn std::any::Any = &**model;
                let message = "training goes on from a model of boosted trees only";
                Some(any.downcast_ref::<Booster>().ok_or_else(|| Error::invalid(message))?)
            }
        };
        let features = match from {
            Some(model) => model.features.clone(),
            None => Features::of(&data.x)?,
        };
        let mut train = Examples::new(features.matrix(&data.x)?, labels(&params.objective, &data.y)?);
        train.weight = data.weight.as_deref().map(Cow::Borrowed);
        train.group = data.group.as_deref().map(Cow::Borrowed);
        train.init_score = data.init_score.as_deref().map(Cow::Borrowed);
        let mut valid = Vec::new();
        for (i, (x, y)) in data.valid.iter().filter(|(x, _)| x.rows() > 0).enumerate() {
            let set = Examples::new(features.matrix(x)?, labels(&params.objective, y)?);
            valid.push((format!("valid_{}", i + 1), set));
        }
        Job { params, features: features.clone(), train, valid, from, loss: None, watch: None }.run(cx)
    }
}

/// The target as numbers, where it suits the objective.
fn labels<'a>(objective: &Objective, y: &'a Target) -> Result<Cow<'a, [f64]>> {
    let classes = objective.has_classes();
    Ok(match y {
        Target::Regression(v) if objective.kind != Kind::Binary && !classes => Cow::Borrowed(v),
        Target::Binary(v) if !classes => v.iter().map(|b| f64::from((*b).min(1))).collect(),
        Target::Multiclass { codes, classes: k } if classes && *k == objective.num_class => {
            codes.iter().map(|c| f64::from(*c)).collect()
        }
        _ => {
            let message = format!("the objective `{}` does not fit the target", objective.name());
            return Err(Error::invalid(message).at_key("objective"));
        }
    })
}

impl Estimator for GradientBoosting {
    fn params(&self) -> Params {
        self.params.to_params()
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.train(data, cx)?.model))
    }
}
