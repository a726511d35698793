//! The loop: gradients, a tree, new scores, until enough or no better.
#![allow(clippy::indexing_slicing, reason = "rows and trees stay below the lengths made here")]

use super::data::{BinMapper, Dataset};
use super::grow::{Draw, Grower};
use super::metric::Metric;
use super::model::{Booster, Transform, Tree};
use super::objective::{Kind, Objective};
use super::params::BoostingParams;
use crate::features::Features;
use lyceum_core::{Error, Estimator, FitContext, Model, Params, Result, Table, Target, TrainingSet};
use lyceum_data::Random;
use lyceum_tensor::Pool;

/// Learns a [`Booster`].
#[derive(Debug, Clone, Default)]
pub struct GradientBoosting {
    /// The parameters.
    pub params: BoostingParams,
    /// Whether the objective stays what `params` says; else it follows the target.
    pub keep_objective: bool,
}

/// What came out of training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The model, cut after its best iteration when early stopping was on.
    pub model: Booster,
    /// Name of the metric that was watched.
    pub metric: &'static str,
    /// Its value on the training rows after each iteration.
    pub training: Vec<f64>,
    /// Its value on the first validation set after each iteration; empty without one.
    pub validation: Vec<f64>,
}

impl GradientBoosting {
    /// From parameters by LightGBM's names; the objective follows the target unless it is among them.
    pub fn from_params(params: &Params) -> Result<Self> {
        let keep_objective = params.keys().any(|k| super::settings::main_name(k) == Some("objective"));
        Ok(Self { params: BoostingParams::from_params(params)?, keep_objective })
    }

    /// Learns, and tells how it went.
    pub fn train(&self, data: &TrainingSet, cx: &FitContext) -> Result<Trained> {
        if !self.keep_objective {
            let own = Objective::for_target(&data.y);
            let objective =
                Objective { kind: own.kind, num_class: own.num_class, ..self.params.objective.clone() };
            let params = BoostingParams { objective, ..self.params.clone() };
            return Self { params, keep_objective: true }.train(data, cx);
        }
        self.params.check()?;
        cx.cx.check()?;
        let y = self.labels(&data.y)?;
        if y.is_empty() || data.x.rows() == 0 {
            return Err(Error::invalid("there are no rows to learn from"));
        }
        if data.x.rows() != y.len() {
            return Err(Error::invalid(format!("x has {} rows, y has {}", data.x.rows(), y.len())));
        }
        if data.group.is_some() || data.from.is_some() {
            return Err(Error::unsupported("ranking groups and continued training are not supported yet"));
        }
        let features = Features::of(&data.x)?;
        let pool = Pool::new(cx.threads);
        let rows = features.matrix(&data.x)?;
        let own =
            Dataset::fit(&rows, &features, &self.params.bins, self.params.tree.min_data_in_leaf, &pool)?;
        let metric = Metric::new(&self.params.stop.metric, &self.params.objective)?;
        let weight = self.params.objective.weights(&y, data.weight.as_deref());
        let valid = self.valid(&data.valid, &features, &own, &pool)?;
        let run = Run { params: &self.params, data: &own, pool: &pool, y, weight, valid, metric, cx };
        let (trees, training, validation) = run.iterate(data.init_score.as_deref())?;
        let metric = run.metric.name;
        Ok(Trained { model: self.assemble(features, &own, trees), metric, training, validation })
    }

    fn labels(&self, y: &Target) -> Result<Vec<f64>> {
        let objective = &self.params.objective;
        Ok(match (y, objective.kind) {
            (Target::Regression(v), Kind::Regression) => {
                if let Some(i) = v.iter().position(|x| !x.is_finite()) {
                    return Err(Error::invalid(format!("the target of row {i} is not finite")));
                }
                v.clone()
            }
            (Target::Binary(v), Kind::Binary) => v.iter().map(|b| f64::from((*b).min(1))).collect(),
            (Target::Multiclass { codes, classes }, Kind::Multiclass) if *classes == objective.num_class => {
                if codes.iter().any(|c| *c as usize >= *classes) {
                    return Err(Error::invalid(format!("a code of the target is not below {classes}")));
                }
                codes.iter().map(|c| f64::from(*c)).collect()
            }
            _ => {
                let message = format!("the objective `{}` does not fit the target", objective.name());
                return Err(Error::invalid(message).at_key("objective"));
            }
        })
    }

    fn valid(
        &self,
        sets: &[(std::sync::Arc<Table>, Target)],
        features: &Features,
        own: &Dataset,
        pool: &Pool,
    ) -> Result<Option<Valid>> {
        let Some((x, y)) = sets.first().filter(|(x, _)| x.rows() > 0) else { return Ok(None) };
        Ok(Some(Valid { data: own.like(&features.matrix(x)?, pool)?, y: self.labels(y)? }))
    }

    fn assemble(&self, features: Features, own: &Dataset, trees: Vec<Tree>) -> Booster {
        let text =
            |v: &lyceum_core::Value| v.as_str().map_or_else(|| v.to_json().to_string(), str::to_string);
        let mut parameters: Vec<(String, String)> =
            self.params.to_params().iter().map(|(k, v)| (k.to_string(), text(v))).collect();
        let category = features.levels.iter().enumerate().filter(|(_, l)| l.is_some());
        let category: Vec<String> = category.map(|(i, _)| i.to_string()).collect();
        parameters.push(("categorical_feature".into(), category.join(",")));
        let objective = self.params.objective.to_line();
        Booster {
            per_iteration: self.params.objective.trees(),
            transform: match self.params.objective.kind {
                Kind::Regression => Transform::Identity,
                Kind::Binary => Transform::Sigmoid(self.params.objective.sigmoid),
                Kind::Multiclass => Transform::Softmax,
            },
            infos: own.layout.infos.iter().map(info).collect(),
            features,
            trees,
            objective,
            average_output: false,
            parameters,
        }
    }
}

/// A feature's entry in `feature_infos`.
fn info(mapper: &Option<BinMapper>) -> String {
    match mapper {
        None => "none".into(),
        Some(BinMapper::Number { range: (low, high), .. }) => format!("[{low:?}:{high:?}]"),
        Some(BinMapper::Category { categories }) => std::iter::once("-1".to_string())
            .chain(categories.iter().map(u32::to_string))
            .collect::<Vec<_>>()
            .join(":"),
    }
}

impl Estimator for GradientBoosting {
    fn params(&self) -> Params {
        self.params.to_params()
    }

    fn fit(&self, data: &TrainingSet, cx: &FitContext) -> Result<Box<dyn Model>> {
        Ok(Box::new(self.train(data, cx)?.model))
    }
}

struct Valid {
    data: Dataset,
    y: Vec<f64>,
}

struct Run<'a> {
    params: &'a BoostingParams,
    data: &'a Dataset,
    pool: &'a Pool,
    y: Vec<f64>,
    weight: Option<Vec<f32>>,
    valid: Option<Valid>,
    metric: Metric,
    cx: &'a FitContext,
}

/// Trees and the metric's history.
type Outcome = (Vec<Tree>, Vec<f64>, Vec<f64>);

impl Run<'_> {
    fn iterate(&self, init_score: Option<&[f64]>) -> Result<Outcome> {
        let (rows, k) = (self.y.len(), self.params.objective.trees());
        let start = match init_score {
            Some(_) => vec![0.0; k],
            None => self.params.objective.start(&self.y, self.weight.as_deref()),
        };
        let spread =
            |n: usize| -> Vec<f64> { start.iter().flat_map(|s| std::iter::repeat_n(*s, n)).collect() };
        let mut score = spread(rows);
        if let Some(init) = init_score {
            if init.len() != rows * k {
                return Err(Error::invalid(format!(
                    "init_score has {} numbers, expected {}",
                    init.len(),
                    rows * k
                )));
            }
            score.copy_from_slice(init);
        }
        let valid_rows = self.valid.as_ref().map_or(0, |v| v.y.len());
        let mut valid_score = spread(valid_rows);
        let mut gradients = vec![(0.0f32, 0.0f32); rows * k];
        let (mut trees, mut training, mut validation) = (Vec::new(), Vec::new(), Vec::new());
        let mut sampler = Sampler::new(self.params, self.cx.seed, rows);
        let mut grower = Grower::new(self.data, self.params, self.pool);
        self.cx.progress.begin("boosting trees", Some(self.params.stop.num_iterations as u64));
        for iteration in 0..self.params.stop.num_iterations {
            self.cx.cx.check()?;
            self.params.objective.gradients(&self.y, &score, self.weight.as_deref(), &mut gradients);
            sampler.draw_rows(iteration);
            let mut split_any = false;
            for class in 0..k {
                let used = sampler.draw_features(self.data.splittable());
                let mut tree = self.tree(
                    &mut grower,
                    &sampler,
                    &used,
                    &gradients[class * rows..(class + 1) * rows],
                    &mut score[class * rows..(class + 1) * rows],
                    &mut valid_score[class * valid_rows..(class + 1) * valid_rows],
                );
                split_any |= tree.leaves() > 1;
                if iteration == 0 && start[class] != 0.0 {
                    tree.add_bias(start[class]);
                }
                trees.push(tree);
            }
            if !split_any && iteration > 0 {
                trees.truncate(iteration * k);
                break;
            }
            training.push(self.metric.value(&self.params.objective, &self.y, &score));
            if let Some(v) = &self.valid {
                validation.push(self.metric.value(&self.params.objective, &v.y, &valid_score));
            }
            self.cx.progress.at(iteration as u64 + 1);
            if !split_any || self.is_enough(&validation) {
                break;
            }
        }
        self.cx.progress.end();
        if self.params.stop.early_stopping_round > 0 && !validation.is_empty() {
            trees.truncate((self.best(&validation) + 1) * k);
        }
        Ok((trees, training, validation))
    }

    fn tree(
        &self,
        grower: &mut Grower<'_>,
        s: &Sampler,
        used: &[usize],
        gradients: &[(f32, f32)],
        score: &mut [f64],
        valid: &mut [f64],
    ) -> Tree {
        let (g, h): (Vec<f32>, Vec<f32>) = gradients.iter().copied().unzip();
        let rows = (!s.left_out.is_empty()).then_some(s.taken.as_slice());
        let draw = Draw { gradients: &g, hessians: &h, rows, features: used, seed: 0 };
        let mut tree = grower.grow(&draw);
        tree.shrink(self.params.stop.learning_rate);
        grower.add(&tree, 1.0, score);
        if let Some(v) = &self.valid {
            v.data.add(&tree, 1.0, valid, self.pool);
        }
        tree
    }

    /// The first iteration whose metric no later one betters.
    fn best(&self, history: &[f64]) -> usize {
        let mut best = 0;
        for (i, x) in history.iter().enumerate() {
            let by = if self.metric.rises { x - history[best] } else { history[best] - x };
            if by > self.params.stop.early_stopping_min_delta {
                best = i;
            }
        }
        best
    }

    fn is_enough(&self, history: &[f64]) -> bool {
        let patience = self.params.stop.early_stopping_round;
        patience > 0 && !history.is_empty() && history.len() > self.best(history) + patience
    }
}

/// Draws the rows and features of each tree.
struct Sampler {
    rows: Random,
    features: Random,
    fraction: f64,
    freq: usize,
    feature_fraction: f64,
    taken: Vec<u32>,
    left_out: Vec<u32>,
}

impl Sampler {
    fn new(params: &BoostingParams, seed: u64, rows: usize) -> Self {
        let seed = params.sample.seed.unwrap_or(seed);
        Self {
            rows: Random::new(seed, 0xba6),
            features: Random::new(seed, 0xfea),
            fraction: params.sample.bagging_fraction,
            freq: params.sample.bagging_freq,
            feature_fraction: params.sample.feature_fraction,
            taken: (0..rows as u32).collect(),
            left_out: Vec::new(),
        }
    }

    fn draw_rows(&mut self, iteration: usize) {
        if self.freq == 0 || self.fraction >= 1.0 || !iteration.is_multiple_of(self.freq) {
            return;
        }
        let all = self.taken.len() + self.left_out.len();
        let mut wanted = ((all as f64 * self.fraction) as usize).max(1);
        self.taken.clear();
        self.left_out.clear();
        for row in 0..all {
            if self.rows.below(all - row) < wanted {
                self.taken.push(row as u32);
                wanted -= 1;
            } else {
                self.left_out.push(row as u32);
            }
        }
    }

    fn draw_features(&mut self, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..count).collect();
        if self.feature_fraction < 1.0 && count > 0 {
            self.features.shuffle(&mut all);
            all.truncate(((count as f64 * self.feature_fraction).round() as usize).max(1));
            all.sort_unstable();
        }
        all
    }
}
