//! `lyceum fit --calibrate --threshold`: what is learnt on top of a classifier, on rows that it did not learn from.

use super::Measures;
use lyceum_core::{Error, Prediction, Result, Target};
use lyceum_estimators::calibration::{Calibration, Decision, Method};
use lyceum_estimators::metrics as m;
use lyceum_estimators::thresholds::{Point, Rule, best, table};
use serde::Serialize;

/// Points of a curve that are told.
const TOLD: usize = 50;

/// What is asked for.
#[derive(Default)]
pub(super) struct Decide {
    method: Option<Method>,
    rule: Option<(String, Rule)>,
}

/// Probabilities of rows that the models which gave them had not learnt from.
#[derive(Default)]
pub(super) struct Scores {
    p: Vec<f64>,
    codes: Vec<u32>,
    classes: usize,
    /// The fold of each row; none where one part was held out.
    folds: Vec<usize>,
}

#[derive(Serialize)]
pub(super) struct CalibrationReport {
    method: Method,
    /// Rows that it was learnt from, and how the model had not learnt from them.
    rows: usize,
    learnt_on: &'static str,
    /// Rows that `before` and `after` are measured on: none of them taught the calibration that is applied to it.
    measured_on: &'static str,
    before: Measures,
    after: Measures,
}

#[derive(Serialize)]
pub(super) struct ThresholdReport {
    rule: String,
    threshold: f64,
    chosen_on: At,
    /// On the test part, which had no say.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<At>,
    /// What other thresholds give on the rows that it was chosen on.
    curve: Vec<Point>,
}

/// What a threshold gives on some rows.
#[derive(Serialize)]
struct At {
    rows: usize,
    precision: f64,
    recall: f64,
    /// The rule's number: F1, J, or cost a row.
    value: f64,
    true_positive: usize,
    false_positive: usize,
    false_negative: usize,
    true_negative: usize,
}

impl At {
    fn of(p: &Point) -> Self {
        let c = &p.counts;
        Self {
            rows: c.true_positive + c.false_positive + c.false_negative + c.true_negative,
            precision: p.precision,
            recall: p.recall,
            value: p.value,
            true_positive: c.true_positive,
            false_positive: c.false_positive,
            false_negative: c.false_negative,
            true_negative: c.true_negative,
        }
    }
}

/// What was learnt, and what is told of it.
pub(super) struct Decided {
    pub(super) decision: Decision,
    pub(super) calibration: Option<CalibrationReport>,
    pub(super) threshold: Option<ThresholdReport>,
}

impl Scores {
    /// Adds rows of one fold, or of the part that was held out.
    pub(super) fn push(&mut self, prediction: &Prediction, y: &Target, fold: Option<usize>) {
        let Prediction::Probabilities { p, classes } = prediction else { return };
        let codes = codes(y);
        self.classes = *classes;
        self.p.extend(p);
        self.folds.extend(fold.iter().flat_map(|f| std::iter::repeat_n(*f, codes.len())));
        self.codes.extend(codes);
    }

    /// Rows that are of a fold, or that are not.
    fn of(&self, fold: usize, inside: bool) -> Self {
        let mut out = Self { classes: self.classes, ..Self::default() };
        let rows = self.p.chunks_exact(self.classes.max(1)).zip(&self.codes).zip(&self.folds);
        for ((p, code), own) in rows.filter(|(_, own)| (**own == fold) == inside) {
            out.p.extend(p);
            out.codes.push(*code);
            out.folds.push(*own);
        }
        out
    }

    fn calibrated(&self, by: &Calibration) -> Self {
        let mut p = self.p.clone();
        by.apply(&mut p, self.classes);
        Self { p, codes: self.codes.clone(), folds: self.folds.clone(), classes: self.classes }
    }

    /// Scores and classes of two classes.
    fn binary(&self) -> (Vec<u8>, Vec<f64>) {
        let score = self.p.iter().skip(1).step_by(2).copied().collect();
        (self.codes.iter().map(|c| u8::from(*c > 0)).collect(), score)
    }

    /// How far probabilities are from what came true.
    fn measures(&self) -> Measures {
        if self.classes == 2 {
            let (y, p) = self.binary();
            return [
                ("log_loss", m::log_loss(&y, &p)),
                ("brier", m::brier(&y, &p)),
                ("expected_calibration_error", m::expected_calibration_error(&y, &p, 10)),
            ]
            .into();
        }
        // Several classes: the likeliest one's probability, and whether it came true.
        let likeliest = |p: &[f64]| p.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let tops = self.p.chunks_exact(self.classes.max(1)).zip(&self.codes);
        let (hit, top): (Vec<u8>, Vec<f64>) = tops
            .filter_map(|(p, code)| likeliest(p).map(|(at, top)| (u8::from(at == *code as usize), top)))
            .unzip();
        [
            ("log_loss", m::multi_log_loss(&self.codes, &self.p, self.classes)),
            ("expected_calibration_error", m::expected_calibration_error(&hit, &top, 10)),
        ]
        .into()
    }
}

fn codes(y: &Target) -> Vec<u32> {
    match y {
        Target::Regression(_) => Vec::new(),
        Target::Binary(y) => y.iter().map(|y| u32::from(*y > 0)).collect(),
        Target::Multiclass { codes, .. } => codes.clone(),
    }
}

impl Decide {
    /// From the words of the command line.
    pub(super) fn of(method: Option<&str>, rule: Option<&str>) -> Result<Self> {
        let method = method.map(Method::named).transpose().map_err(|e| e.at_key("--calibrate"))?;
        let rule = rule.map(|text| Ok((text.to_string(), Rule::parse(text)?))).transpose();
        Ok(Self { method, rule: rule.map_err(|e: Error| e.at_key("--threshold"))? })
    }

    pub(super) fn is_none(&self) -> bool {
        self.method.is_none() && self.rule.is_none()
    }

    /// Fails where the target has no classes, or a threshold has more than two of them.
    pub(super) fn check(&self, y: &Target, estimator: &str) -> Result<()> {
        let key = if self.method.is_some() { "--calibrate" } else { "--threshold" };
        match y {
            Target::Regression(_) if !self.is_none() => {
                let message = format!("is for classes, `{estimator}` learns numbers from this target");
                Err(Error::invalid(message).at_key(key))
            }
            Target::Multiclass { classes, .. } if self.rule.is_some() => {
                let message = format!("is for two classes, the target has {classes}");
                Err(Error::invalid(message).at_key("--threshold"))
            }
            _ => Ok(()),
        }
    }

    /// Learns from scores of rows that were held out; the test part, where there is one, only measures.
    pub(super) fn learn(&self, scores: &Scores, test: Option<&Scores>) -> Result<Decided> {
        let learnt_on = if scores.folds.is_empty() { "held out" } else { "out of fold" };
        let calibrate = |method, of: &Scores| Calibration::fit(method, &of.p, of.classes, &of.codes);
        let calibration = self
            .method
            .map(|method| calibrate(method, scores))
            .transpose()
            .map_err(|e| e.at_key("--calibrate"))?;
        let report = match self.method {
            None => None,
            Some(method) => {
                let (measured_on, before, after) = match (test, &calibration) {
                    (Some(test), Some(own)) => ("test", test.measures(), test.calibrated(own).measures()),
                    _ if scores.folds.is_empty() => ("nothing", Measures::new(), Measures::new()),
                    _ => ("out of fold", scores.measures(), self.crossed(method, scores)?.measures()),
                };
                let rows = scores.codes.len();
                Some(CalibrationReport { method, rows, learnt_on, measured_on, before, after })
            }
        };
        let shown = |of: &Scores| match &calibration {
            Some(own) => of.calibrated(own).binary(),
            None => of.binary(),
        };
        let threshold = match &self.rule {
            None => None,
            Some((text, rule)) => {
                let (y, score) = shown(scores);
                let all = table(*rule, &y, &score).map_err(|e| e.at_key("--threshold"))?;
                let found = best(*rule, &all).ok_or_else(|| Error::internal("no threshold is best"))?;
                let on = |of: &Scores| {
                    let (y, score) = shown(of);
                    At::of(&Point::at(*rule, found.threshold, &y, &score))
                };
                let step = all.len().div_ceil(TOLD).max(1);
                Some(ThresholdReport {
                    rule: text.clone(),
                    threshold: found.threshold,
                    chosen_on: At::of(&found),
                    test: test.map(on),
                    curve: all.iter().step_by(step).copied().collect(),
                })
            }
        };
        let decision = Decision { calibration, threshold: threshold.as_ref().map(|t| t.threshold) };
        Ok(Decided { decision, calibration: report, threshold })
    }

    /// Each fold calibrated by what the other folds say.
    fn crossed(&self, method: Method, scores: &Scores) -> Result<Scores> {
        let mut out = Scores { classes: scores.classes, ..Scores::default() };
        for fold in 0..=scores.folds.iter().copied().max().unwrap_or(0) {
            let others = scores.of(fold, false);
            let by = Calibration::fit(method, &others.p, others.classes, &others.codes)
                .map_err(|e| e.at_key("--calibrate"))?;
            let own = scores.of(fold, true).calibrated(&by);
            out.p.extend(own.p);
            out.codes.extend(own.codes);
        }
        Ok(out)
    }
}

/// Lines for people.
pub(super) fn shown(calibration: Option<&CalibrationReport>, threshold: Option<&ThresholdReport>) -> String {
    let mut out = String::new();
    if let Some(c) = calibration {
        let name = match c.method {
            Method::Sigmoid => "sigmoid",
            Method::Isotonic => "isotonic",
            Method::Temperature => "temperature",
        };
        out += &format!("calibrated by {name} on {} rows ({})\n", c.rows, c.learnt_on);
        for (metric, before) in &c.before {
            let after = c.after.get(metric).copied().unwrap_or(f64::NAN);
            out += &format!("{:11} {metric:27} {before:.5} before, {after:.5} after\n", c.measured_on);
        }
    }
    if let Some(t) = threshold {
        out += &format!("threshold {:.6} by {}\n", t.threshold, t.rule);
        let parts = [("chosen on", Some(&t.chosen_on)), ("held out", t.test.as_ref())];
        for (part, at) in parts.iter().filter_map(|(part, at)| at.map(|at| (part, at))) {
            out += &format!(
                "{part:9} {:5} rows  value {:.5}  precision {:.5}  recall {:.5}  tp {} fp {} fn {} tn {}\n",
                at.rows,
                at.value,
                at.precision,
                at.recall,
                at.true_positive,
                at.false_positive,
                at.false_negative,
                at.true_negative
            );
        }
    }
    out
}
