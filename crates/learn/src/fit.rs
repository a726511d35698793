//! Configuration and rows to a trained model, with the baseline that every report shows beside it.

use crate::config::{Config, LinearTrainer, ModelConfig, TreesTrainer};
use crate::ecd::{self, Network, Rows, Stage};
use crate::explain::note_means;
use crate::metrics::{Measures, measure_all};
use crate::model::{LINEAR_WORDS, Learned, TREE_WORDS};
use crate::prepared::{Encoded, Prepared, Scale, Wanted};
use lyceum_core::{Error, Estimator, FitContext, Model, Result, Target, TrainingSet};
use lyceum_data::{Raw, Splits};
use lyceum_estimators::boosting::GradientBoosting;
use lyceum_estimators::linear::{Logistic, Ridge};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Output to metric to a value a pass (or tree).
pub type Curves = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

/// Encoded rows and what is wanted of them.
pub struct Material {
    /// Preprocessing, fitted on the training rows.
    pub prepared: Prepared,
    /// Inputs of all rows.
    pub encoded: Encoded,
    /// Outputs of all rows.
    pub wanted: Vec<Wanted>,
    /// Who trains, validates, tests.
    pub splits: Splits,
}

/// What came out of a fit.
pub struct Outcome {
    /// What was learned.
    pub learned: Learned,
    /// Metrics of the training rows over the run.
    pub training: Curves,
    /// Metrics of the validation rows over the run.
    pub validation: Curves,
    /// The pass that was kept.
    pub best: usize,
}

impl Material {
    /// Fits the preprocessing and encodes all rows.
    pub fn new(config: &Config, raw: &Raw, splits: Splits) -> Result<Self> {
        let prepared = Prepared::fit(config, raw, &splits.training)?;
        let encoded = prepared.encode(raw)?;
        let wanted = prepared.wanted(raw)?;
        Ok(Self { prepared, encoded, wanted, splits })
    }

    /// Fits the configured model.
    pub fn fit(&self, config: &Config, cx: &FitContext) -> Result<Outcome> {
        match &config.model {
            ModelConfig::Ecd { combiner, trainer } => {
                let mut network = Network::new(config, combiner, &self.prepared, cx.seed)?;
                let data = Rows::new(&self.encoded);
                let stage = Stage {
                    data: &data,
                    wanted: &self.wanted,
                    prepared: &self.prepared,
                    splits: &self.splits,
                };
                let history = ecd::train(&mut network, &stage, trainer, cx)?;
                let loss = [("loss".to_string(), history.training_loss)].into();
                Ok(Outcome {
                    learned: Learned::Ecd(Box::new(network)),
                    training: [("combined".to_string(), loss)].into(),
                    validation: transpose(&history.validation),
                    best: history.best,
                })
            }
            ModelConfig::Gbm(trainer) => self.trees(trainer, cx),
            ModelConfig::Linear(trainer) => {
                let learned = Learned::Linear(self.linear(*trainer, cx)?);
                Ok(Outcome { learned, training: Curves::new(), validation: Curves::new(), best: 0 })
            }
            ModelConfig::Llm(_) => Err(Error::internal("a language model is not trained here")),
        }
    }

    /// Linear or logistic regression for each output.
    pub fn linear(&self, trainer: LinearTrainer, cx: &FitContext) -> Result<Vec<Box<dyn Model>>> {
        let x: Arc<_> =
            self.prepared.table(&self.encoded, &self.splits.training, Scale::Scaled, LINEAR_WORDS)?.into();
        let fit = |i: usize| {
            let (rows, target) = self.target(i, &self.splits.training);
            let x = if rows.len() == x.rows() { x.clone() } else { x.take(&rows).into() };
            let data = TrainingSet::new(x, target)?;
            let model = match &data.y {
                Target::Regression(_) => Ridge { alpha: trainer.alpha }.fit(&data, cx),
                _ => Logistic { c: trainer.c, ..Logistic::default() }.fit(&data, cx),
            };
            Ok(note_means(model?, &data.x))
        };
        (0..self.wanted.len()).map(fit).collect()
    }

    fn trees(&self, trainer: &TreesTrainer, cx: &FitContext) -> Result<Outcome> {
        let part = |rows: &[usize]| self.prepared.table(&self.encoded, rows, Scale::Raw, TREE_WORDS);
        let (x, valid) = (part(&self.splits.training)?, part(&self.splits.validation)?);
        let (mut models, mut training, mut validation) =
            (Vec::<Box<dyn Model>>::new(), Curves::new(), Curves::new());
        let mut best = 0;
        for i in 0..self.wanted.len() {
            let (rows, target) = self.target(i, &self.splits.training);
            let mut data = TrainingSet::new(x.take(&rows).into(), target)?;
            let (rows, target) = self.target(i, &self.splits.validation);
            if !rows.is_empty() {
                data.valid.push((valid.take(&rows).into(), target));
            }
            let mut params = trainer.params.clone();
            params.stop.is_provide_training_metric = true;
            let trained = GradientBoosting { params, keep_objective: false }.train(&data, cx)?;
            let name = self.prepared.outputs.get(i).map(|o| o.name.clone()).unwrap_or_default();
            for (curves, is_training) in [(&mut training, true), (&mut validation, false)] {
                let own: BTreeMap<String, Vec<f64>> = trained
                    .curves
                    .iter()
                    .filter(|c| (c.set == "training") == is_training)
                    .map(|c| (ludwig_name(&c.metric).to_string(), c.values.clone()))
                    .collect();
                curves.insert(name.clone(), own);
            }
            best = best.max(trained.model.iterations().saturating_sub(1));
            models.push(Box::new(trained.model));
        }
        Ok(Outcome { learned: Learned::Gbm(models), training, validation, best })
    }

    /// Places (within `rows`) of the rows that have a true value of an output, and those values in the model's scale.
    fn target(&self, output: usize, rows: &[usize]) -> (Vec<usize>, Target) {
        use crate::prepared::FittedOutput;
        let fitted = self.prepared.outputs.get(output).map(|o| &o.fitted);
        match (self.wanted.get(output), fitted) {
            (Some(Wanted::Binary(y)), _) => {
                let (at, y) = present(rows, y, |b| u8::from(*b));
                (at, Target::Binary(y))
            }
            (Some(Wanted::Category(y)), Some(FittedOutput::Category { fitted, .. })) => {
                let (at, codes) = present(rows, y, |c| *c);
                (at, Target::Multiclass { codes, classes: fitted.levels.len() })
            }
            (Some(Wanted::Number(y)), Some(FittedOutput::Number { fitted, .. })) => {
                let (at, y) = present(rows, y, |x| fitted.normalize(*x));
                (at, Target::Regression(y))
            }
            _ => (Vec::new(), Target::Regression(Vec::new())),
        }
    }

    /// Metrics of a part of the rows.
    pub fn measure(&self, scores: &[crate::scores::Scores], rows: &[usize]) -> Measures {
        measure_all(&self.prepared, scores, &self.wanted, rows)
    }
}

fn present<T, U>(rows: &[usize], values: &[Option<T>], f: impl Fn(&T) -> U) -> (Vec<usize>, Vec<U>) {
    rows.iter().enumerate().filter_map(|(i, r)| Some((i, f(values.get(*r)?.as_ref()?)))).unzip()
}

fn transpose(passes: &[Measures]) -> Curves {
    let mut out = Curves::new();
    for pass in passes {
        for (output, metrics) in pass {
            let own = out.entry(output.clone()).or_default();
            metrics.iter().for_each(|(k, v)| own.entry(k.clone()).or_default().push(*v));
        }
    }
    out
}

/// LightGBM's metric names as Ludwig has them.
fn ludwig_name(metric: &str) -> &str {
    match metric {
        "auc" => "roc_auc",
        "binary_logloss" | "multi_logloss" => "loss",
        "l1" => "mean_absolute_error",
        "l2" => "mean_squared_error",
        "rmse" => "root_mean_squared_error",
        other => other,
    }
}
