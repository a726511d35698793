//! Iteration after iteration.
#![allow(clippy::indexing_slicing, reason = "rows, classes and trees stay below the lengths made here")]

use super::dart::{Dart, Drop};
use super::linear_leaves;
use super::sample::Sampler;
use super::stop::{self, Curve, TRAINING};
use super::{Examples, Job, Source, Step, Trained};
use crate::boosting::data::Dataset;
use crate::boosting::grow::{Draw, Forced, Grower};
use crate::boosting::metric::Metric;
use crate::boosting::model::{Booster, Tree};
use crate::boosting::objective::{Kind, Loss};
use crate::boosting::params::{Boosting, BoostingParams};
use crate::boosting::predict::Predict;
use lyceum_core::{Error, FitContext, Result};
use lyceum_tensor::Pool;
use std::sync::{Mutex, PoisonError};

/// Rows under way: their bins and scores.
struct Set<'a> {
    name: &'a str,
    examples: &'a Examples<'a>,
    data: &'a Dataset,
    /// Tree-major, as everywhere in training.
    score: Vec<f64>,
}

impl Set<'_> {
    /// Adds `factor` times a tree's outputs to the scores of a class.
    fn add(&mut self, tree: &Tree, factor: f64, class: usize, pool: &Pool) {
        let rows = self.examples.y.len();
        let score = &mut self.score[class * rows..(class + 1) * rows];
        match self.examples.x.numbers() {
            Some(x) if tree.is_linear() => linear_leaves::add(tree, factor, x, score, pool),
            _ => self.data.add(tree, factor, score, pool),
        }
    }
}

struct Run<'a> {
    job: &'a Job<'a>,
    params: &'a BoostingParams,
    loss: &'a dyn Loss,
    pool: &'a Pool,
    cx: &'a FitContext,
    metrics: Vec<Metric>,
    /// The splits that every tree begins with.
    forced: Option<Forced>,
    /// Trees an iteration.
    k: usize,
    /// Iterations of the model gone on from.
    before: usize,
    /// The constant that training starts from, one a tree of an iteration.
    start: Vec<f64>,
    train: Set<'a>,
    valid: Vec<Set<'a>>,
    trees: Vec<Tree>,
    dart: Dart,
    curves: Vec<Curve>,
}

pub(super) fn run(job: &Job<'_>, cx: &FitContext) -> Result<Trained> {
    let params = &job.params;
    params.check()?;
    cx.cx.check()?;
    check(job)?;
    let pool = Pool::new(cx.threads);
    let bound;
    let loss: &dyn Loss = match (params.objective.kind, job.loss) {
        (Kind::Custom, Some(own)) => own,
        (Kind::Custom, None) => {
            return Err(
                Error::invalid("a custom objective needs gradients, given in code").at_key("objective")
            );
        }
        _ => {
            bound = params.objective.bind(job.train.rows())?;
            &*bound
        }
    };
    let metrics = Metric::all(&params.metric, &params.objective)?;
    let leaf = params.tree.min_data_in_leaf;
    let fitted = match &job.train.x {
        Source::Bins(_) => None,
        Source::Numbers(x) => {
            Some(Dataset::fit(x, &job.features, &*params.rule(&job.features)?, leaf, &pool)?)
        }
    };
    let own = bins_of(&job.train.x, &fitted)?;
    let forced =
        params.forced_splits(&job.features)?.map(|f| Forced::of(f, own, &job.features)).transpose()?;
    let binned: Vec<Option<Dataset>> = job
        .valid
        .iter()
        .map(|(name, set)| match &set.x {
            Source::Numbers(x) => own.like(x, &pool).map(Some),
            Source::Bins(data) if data.is_like(own) => Ok(None),
            Source::Bins(_) => Err(Error::invalid(format!(
                "the set `{name}` was binned unlike the training data: save both in one go"
            ))),
        })
        .collect::<Result<_>>()?;
    let k = params.objective.trees();
    let set = |name, examples, data| Set { name, examples, data, score: Vec::new() };
    let valid = job
        .valid
        .iter()
        .zip(&binned)
        .map(|((name, examples), own)| Ok(set(name.as_str(), examples, bins_of(&examples.x, own)?)));
    let run = Run {
        job,
        params,
        loss,
        pool: &pool,
        cx,
        metrics,
        forced,
        k,
        before: job.from.map_or(0, Booster::iterations),
        start: vec![0.0; k],
        train: set(TRAINING, &job.train, own),
        valid: valid.collect::<Result<_>>()?,
        trees: Vec::new(),
        dart: Dart::default(),
        curves: Vec::new(),
    };
    run.iterate()
}

/// Fails where a gradient or hessian left single precision; `rows` is how many a class has.
fn check_finite(g: &[f32], h: &[f32], rows: usize, iteration: usize) -> Result<()> {
    // Looked at to the end, which compilers make wide.
    let fine = |all: &[f32]| all.iter().fold(true, |fine, x| fine & x.is_finite());
    if fine(g) && fine(h) {
        return Ok(());
    }
    let bad = g.iter().zip(h).position(|(g, h)| !(g.is_finite() && h.is_finite())).unwrap_or(0);
    Err(Error::invalid(format!(
        "the gradient of row {} is not finite at iteration {}: its label, weight or initial score is too large",
        bad % rows + 1,
        iteration + 1
    )))
}

/// The bins that came with the rows, or those made of their numbers.
fn bins_of<'a>(x: &Source<'a>, made: &'a Option<Dataset>) -> Result<&'a Dataset> {
    match (x, made) {
        (Source::Bins(data), _) => Ok(data),
        (Source::Numbers(_), Some(data)) => Ok(data),
        (Source::Numbers(_), None) => Err(Error::internal("numbers were not binned")),
    }
}

/// What the parameters ask of the data.
fn check(job: &Job<'_>) -> Result<()> {
    let (width, k) = (job.features.len(), job.params.objective.trees());
    job.train.check("the training data", width, k)?;
    for (name, set) in &job.valid {
        set.check(&format!("the set `{name}`"), width, k)?;
    }
    let tree = &job.params.tree;
    if tree.linear_tree {
        linear_leaves::check(job.train.numbers("linear_tree")?)?;
        job.valid.iter().try_for_each(|(_, set)| set.numbers("linear_tree").map(drop))?;
    }
    let of_width = [
        (tree.monotone_constraints.len(), "monotone_constraints"),
        (tree.feature_contri.len(), "feature_contri"),
        (job.params.cost.lazy.len(), "cegb_penalty_feature_lazy"),
        (job.params.cost.coupled.len(), "cegb_penalty_feature_coupled"),
    ];
    if let Some((n, key)) = of_width.iter().find(|(n, _)| *n != 0 && *n != width) {
        return Err(Error::invalid(format!("has {n} numbers for {width} columns")).at_key(*key));
    }
    if let Some(column) = tree.interaction_constraints.iter().flatten().find(|c| **c >= width) {
        let message = format!("names column {column}; the last one is {}", width.saturating_sub(1));
        return Err(Error::invalid(message).at_key("interaction_constraints"));
    }
    let on_category =
        |(i, c): (usize, &i8)| *c != 0 && job.features.levels.get(i).is_some_and(Option::is_some);
    if let Some(i) = tree.monotone_constraints.iter().enumerate().position(on_category) {
        let message = format!("column `{}` is a category, which has no order", job.features.names[i]);
        return Err(Error::invalid(message).at_key("monotone_constraints"));
    }
    match job.from {
        Some(model) if model.per_iteration != k || model.features.len() != width => {
            Err(Error::invalid(format!(
                "the model to go on from has {} columns and {} trees an iteration, the data {width} and {k}",
                model.features.len(),
                model.per_iteration
            )))
        }
        Some(model) if model.average_output != (job.params.boosting == Boosting::Rf) => {
            Err(Error::invalid("a random forest goes on from a random forest only").at_key("boosting"))
        }
        _ => Ok(()),
    }
}

impl Run<'_> {
    fn iterate(mut self) -> Result<Trained> {
        self.begin()?;
        let (rows, k) = (self.train.examples.y.len(), self.k);
        let (mut g, mut h) = (vec![0.0f32; rows * k], vec![0.0f32; rows * k]);
        let mut sampler = Sampler::new(self.params, self.cx.seed, rows);
        let forced = self.forced.take();
        let mut grower = Grower::new(self.train.data, self.params, forced.as_ref(), self.pool);
        let total = self.params.stop.num_iterations;
        self.cx.progress.begin("boosting trees", Some(total as u64));
        let forest = self.params.boosting == Boosting::Rf;
        let fixed: Vec<f64> = if forest { self.spread(rows) } else { Vec::new() };
        let mut kept = None;
        for round in 0..total {
            self.cx.cx.check()?;
            let iteration = self.before + round;
            let drop = self.drop_trees(&sampler, iteration);
            let score = if forest { &fixed } else { &self.train.score };
            self.loss.gradients(iteration, score, &mut g, &mut h, self.pool);
            check_finite(&g, &h, rows, iteration)?;
            sampler.draw(iteration, &self.train.examples.y, &mut g, &mut h);
            let mut split_any = false;
            for class in 0..k {
                let features = sampler.features(iteration, class, self.train.data.splittable());
                let own = class * rows..(class + 1) * rows;
                let draw = Draw {
                    gradients: &g[own.clone()],
                    hessians: &h[own.clone()],
                    rows: sampler.rows(),
                    features: &features,
                    seed: sampler
                        .random(self.params.tree.extra_seed ^ (class as u64) << 20, iteration)
                        .next_u64(),
                };
                let tree = grower.grow(&draw);
                split_any |= tree.leaves() > 1;
                let renew_at = if forest { &fixed[own] } else { &self.train.score[own] };
                let (tree, renewed) = self.renew(tree, &grower, class, renew_at);
                let tree = self.linear(tree, &grower, &draw, iteration, renewed)?;
                self.keep(tree, &grower, class, round, drop.rate);
            }
            self.normalise(&drop);
            if !split_any && round > 0 {
                self.trees.truncate(round * k);
                break;
            }
            let measured = (round + 1) % self.params.stop.metric_freq == 0 || round + 1 == total;
            if measured {
                self.measure(iteration + 1);
            }
            self.cx.progress.at(round as u64 + 1);
            self.tell(iteration + 1, measured)?;
            if !split_any {
                break;
            }
            if let Some(best) = stop::enough(&self.curves, &self.params.stop, iteration + 1) {
                kept = Some(best);
                break;
            }
        }
        self.cx.progress.end();
        let best_iteration = kept.or_else(|| stop::best(&self.curves, &self.params.stop));
        if let Some(best) = best_iteration {
            self.trees.truncate((best - self.before) * k);
        }
        let model = self.job.assemble(self.train.data, std::mem::take(&mut self.trees));
        Ok(Trained { model, curves: self.curves, best_iteration })
    }

    /// Scores to start from, and empty curves.
    fn begin(&mut self) -> Result<()> {
        let given = self.job.from.is_some() || self.train.examples.init_score.is_some();
        if !given {
            self.start = self.loss.start();
        }
        let (job, k, start) = (self.job, self.k, self.start.clone());
        let threads = self.pool.threads();
        let forest = self.params.boosting == Boosting::Rf;
        for set in std::iter::once(&mut self.train).chain(&mut self.valid) {
            let rows = set.examples.y.len();
            set.score = match &set.examples.init_score {
                Some(init) => init.to_vec(),
                // A forest's trees hold the constant themselves.
                None if forest => vec![0.0; rows * k],
                None => start.iter().flat_map(|s| std::iter::repeat_n(*s, rows)).collect(),
            };
            if let Some(model) = job.from {
                let raw = model.raw_rows(
                    set.examples.numbers("input_model")?,
                    &Predict { threads, ..Predict::of(model) },
                )?;
                for (row, raw) in raw.chunks_exact(k).enumerate() {
                    raw.iter().enumerate().for_each(|(c, x)| set.score[c * rows + row] += x);
                }
            }
        }
        let measures_training = self.params.stop.is_provide_training_metric.then_some(&self.train);
        for set in measures_training.into_iter().chain(&self.valid) {
            self.curves.extend(self.metrics.iter().map(|m| Curve::new(set.name, m)));
        }
        Ok(())
    }

    fn spread(&self, rows: usize) -> Vec<f64> {
        self.start.iter().flat_map(|s| std::iter::repeat_n(*s, rows)).collect()
    }

    /// Takes the trees that this iteration drops out of all scores.
    fn drop_trees(&mut self, sampler: &Sampler<'_>, iteration: usize) -> Drop {
        let rate = match self.params.boosting {
            Boosting::Dart => {
                let mut random = sampler.random(self.params.dart.drop_seed ^ 0xda27, iteration);
                let drop = self.dart.choose(&self.params.dart, self.params.stop.learning_rate, &mut random);
                self.add_iterations(&drop.iterations, -1.0, true);
                return drop;
            }
            Boosting::Gbdt => self.params.stop.learning_rate,
            Boosting::Rf => 1.0,
        };
        Drop { iterations: Vec::new(), rate, keep: 1.0 }
    }

    /// Adds `factor` times the trees of some iterations to the scores, of the training rows only where that is said.
    fn add_iterations(&mut self, iterations: &[usize], factor: f64, training_only: bool) {
        let k = self.k;
        let valid = if training_only { &mut [] } else { self.valid.as_mut_slice() };
        for set in std::iter::once(&mut self.train).chain(valid) {
            for (iteration, class) in iterations.iter().flat_map(|i| (0..k).map(move |c| (*i, c))) {
                set.add(&self.trees[iteration * k + class], factor, class, self.pool);
            }
        }
    }

    /// Gives the dropped trees their new weights and puts them back.
    fn normalise(&mut self, drop: &Drop) {
        if self.params.boosting != Boosting::Dart {
            return;
        }
        // The validation rows still have the trees whole.
        let valid = drop.keep - 1.0;
        let k = self.k;
        let (iterations, train) = (&drop.iterations, &mut self.train);
        for (iteration, class) in iterations.iter().flat_map(|i| (0..k).map(move |c| (*i, c))) {
            let tree = &mut self.trees[iteration * k + class];
            for set in &mut self.valid {
                set.add(tree, valid, class, self.pool);
            }
            tree.shrink(drop.keep);
            train.add(tree, 1.0, class, self.pool);
        }
        self.dart.done(drop);
    }

    /// Replaces leaf outputs where the objective has better ones than the Newton step, and tells whether it has.
    fn renew(&self, mut tree: Tree, grower: &Grower<'_>, class: usize, score: &[f64]) -> (Tree, bool) {
        let mut renewed = false;
        if tree.leaves() > 1 {
            for leaf in 0..tree.leaves() {
                match self.loss.renew(class, grower.leaf_rows(leaf), score) {
                    Some(value) => (tree.leaf_value[leaf], renewed) = (value, true),
                    None => break,
                }
            }
        }
        (tree, renewed)
    }

    /// Fits the leaves' linear models where they are asked for. The first tree of all has none: it finds the level.
    fn linear(
        &self,
        mut tree: Tree,
        grower: &Grower<'_>,
        draw: &Draw<'_>,
        iteration: usize,
        renewed: bool,
    ) -> Result<Tree> {
        let p = &self.params.tree;
        if !p.linear_tree || tree.leaves() < 2 {
            return Ok(tree);
        }
        if renewed {
            let message = "the objective has leaf outputs of its own, so that leaves cannot be linear";
            return Err(Error::invalid(message).at_key("linear_tree"));
        }
        if iteration > 0 || self.params.boosting == Boosting::Rf {
            let of_rows = (draw.gradients, draw.hessians);
            let rows = |leaf: usize| grower.leaf_rows(leaf);
            let x = self.train.examples.numbers("linear_tree")?;
            linear_leaves::fit(&mut tree, x, of_rows, p.linear_lambda, &rows, self.pool);
        }
        Ok(tree)
    }

    /// Shrinks a tree, adds it to all scores and keeps it.
    fn keep(&mut self, mut tree: Tree, grower: &Grower<'_>, class: usize, round: usize, rate: f64) {
        let forest = self.params.boosting == Boosting::Rf;
        if rate != 1.0 {
            tree.shrink(rate);
        }
        if forest && self.start[class] != 0.0 {
            tree.add_bias(self.start[class]);
        }
        if tree.is_linear() {
            self.train.add(&tree, 1.0, class, self.pool);
        } else {
            let rows = self.train.examples.y.len();
            grower.add(&tree, 1.0, &mut self.train.score[class * rows..(class + 1) * rows]);
        }
        for set in &mut self.valid {
            set.add(&tree, 1.0, class, self.pool);
        }
        if !forest && round == 0 && self.start[class] != 0.0 {
            tree.add_bias(self.start[class]);
        }
        self.trees.push(tree);
    }

    /// One more value of every curve.
    fn measure(&mut self, iteration: usize) {
        let averaged = (self.params.boosting == Boosting::Rf).then(|| 1.0 / iteration as f64);
        let measures_training = self.params.stop.is_provide_training_metric.then_some(&self.train);
        let sets = measures_training.into_iter().chain(&self.valid);
        let tasks: Vec<(&Set<'_>, &Metric)> =
            sets.flat_map(|set| self.metrics.iter().map(move |m| (set, m))).collect();
        let values: Vec<Mutex<f64>> = tasks.iter().map(|_| Mutex::new(f64::NAN)).collect();
        self.pool.run(tasks.len(), |i| {
            let (set, metric) = tasks[i];
            let mean: Option<Vec<f64>> = averaged.map(|f| set.score.iter().map(|s| s * f).collect());
            let score = mean.as_deref().unwrap_or(&set.score);
            let p = self.params;
            let value = metric.value(&p.metric, &p.objective, &set.examples.rows(), score);
            *values[i].lock().unwrap_or_else(PoisonError::into_inner) = value;
        });
        for (curve, value) in self.curves.iter_mut().zip(values) {
            curve.values.push(value.into_inner().unwrap_or_else(PoisonError::into_inner));
            curve.iterations.push(iteration);
        }
    }

    fn tell(&self, iteration: usize, measured: bool) -> Result<()> {
        let model = || self.job.assemble(self.train.data, self.trees.clone());
        match self.job.watch {
            Some(watch) => watch(&Step { iteration, curves: &self.curves, measured, model: &model }),
            None => Ok(()),
        }
    }
}
