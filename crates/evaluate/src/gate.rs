//! Gates: bounds that a result must clear with its whole interval. Three verdicts, so that one run near a bound is
//! never passed or failed by luck.

use crate::bootstrap::Resampling;
use crate::interval::Interval;
use crate::scores::Scores;
use lyceum_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// The value is at least this.
    pub at_least: Option<f64>,
    /// The value is at most this.
    pub at_most: Option<f64>,
    /// It is better than the baseline by at least this.
    pub better_by: Option<f64>,
    /// It is not worse than the baseline, the name of which is here, by `margin` or more.
    pub not_worse_than: Option<String>,
    /// For `not_worse_than`; 0 by default.
    pub margin: Option<f64>,
}

/// Whether it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The whole interval is on the right side.
    Pass,
    /// The whole interval is on the wrong side.
    Fail,
    /// The interval holds the bound: more examples would tell.
    Undecided,
}

/// A judged gate, as `lyceum up --json` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateResult {
    /// Name of the evaluation.
    pub name: String,
    /// The metric.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Lower end of its 95 % interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// The baseline's value.
    pub baseline: Option<f64>,
    /// Whether the gate holds.
    pub verdict: Verdict,
}

impl Gate {
    /// Fails when a bound makes no sense.
    pub fn check(&self) -> Result<()> {
        let bounds = [
            ("at_least", self.at_least),
            ("at_most", self.at_most),
            ("better_by", self.better_by),
            ("margin", self.margin),
        ];
        for (key, bound) in bounds {
            if bound.is_some_and(|b| !b.is_finite()) {
                return Err(Error::invalid(format!("{key} must be a finite number")).at_key(key));
            }
        }
        if self.margin.is_some_and(|m| m < 0.0) {
            return Err(Error::invalid("margin must not be negative").at_key("margin"));
        }
        if self.margin.is_some() && self.not_worse_than.is_none() {
            return Err(Error::invalid("margin goes with not_worse_than").at_key("margin"));
        }
        Ok(())
    }

    /// Whether it looks at a baseline.
    pub fn needs_baseline(&self) -> bool {
        self.better_by.is_some() || self.not_worse_than.is_some()
    }
}

/// Judges a gate. Fails when a bound makes no sense, or needs a baseline (on the same examples) that is not there.
pub fn gate(
    name: &str,
    gate: &Gate,
    scores: &Scores,
    baseline: Option<&Scores>,
    how: Resampling,
) -> Result<GateResult> {
    gate.check()?;
    let own = scores.interval.filter(|_| scores.value.is_finite());
    let mut verdicts = Vec::new();
    verdicts.extend(gate.at_least.map(|bound| above(own, bound)));
    verdicts.extend(gate.at_most.map(|bound| above(own.map(mirrored), -bound)));
    if gate.needs_baseline() {
        let baseline = baseline.ok_or_else(|| {
            Error::invalid(format!("the gate of {name} compares with a baseline, and there is none"))
                .at_key("baseline")
        })?;
        let difference = scores.better_than(baseline, how);
        if difference.is_none() && (scores.n != baseline.n || scores.metric != baseline.metric) {
            return Err(Error::invalid(format!(
                "{name} and its baseline were not measured on the same examples"
            )));
        }
        let difference = difference.map(|(_, interval)| interval);
        verdicts.extend(gate.better_by.map(|by| above(difference, by)));
        verdicts.extend(gate.not_worse_than.as_ref().map(|_| above(difference, -gate.margin.unwrap_or(0.0))));
    }
    Ok(GateResult {
        name: name.into(),
        metric: scores.metric.name().into(),
        value: scores.value,
        low: scores.interval.map(|i| i.low),
        high: scores.interval.map(|i| i.high),
        baseline: baseline.map(|b| b.value),
        verdict: together(&verdicts),
    })
}

fn above(interval: Option<Interval>, bound: f64) -> Verdict {
    match interval {
        Some(i) if i.low >= bound => Verdict::Pass,
        Some(i) if i.high < bound => Verdict::Fail,
        _ => Verdict::Undecided,
    }
}

fn mirrored(i: Interval) -> Interval {
    Interval { low: -i.high, high: -i.low }
}

/// One failure fails; without one, one undecided leaves it open.
fn together(verdicts: &[Verdict]) -> Verdict {
    let any = |v: Verdict| verdicts.contains(&v);
    if any(Verdict::Fail) {
        Verdict::Fail
    } else if any(Verdict::Undecided) {
        Verdict::Undecided
    } else {
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Metric, Part};
    use crate::scores::ExampleScore;

    fn scores(right: usize, n: usize) -> Scores {
        let part = |i: usize| Part::Score(f64::from(u8::from(i < right)));
        let examples = (0..n).map(|i| ExampleScore { id: i.to_string(), part: part(i) }).collect();
        Scores::new(Metric::ExactMatch, examples, 0, Resampling::default())
    }

    fn judge(g: Gate, s: &Scores, b: Option<&Scores>) -> Verdict {
        gate("g", &g, s, b, Resampling::default()).unwrap().verdict
    }

    #[test]
    fn the_interval_decides() {
        let at_least = |x: f64| Gate { at_least: Some(x), ..Gate::default() };
        let s = scores(90, 100);
        assert_eq!(judge(at_least(0.8), &s, None), Verdict::Pass);
        assert_eq!(judge(at_least(0.9), &s, None), Verdict::Undecided);
        assert_eq!(judge(at_least(0.97), &s, None), Verdict::Fail);
        assert_eq!(judge(Gate { at_most: Some(0.99), ..Gate::default() }, &s, None), Verdict::Pass);
        assert_eq!(judge(Gate { at_most: Some(0.5), ..Gate::default() }, &s, None), Verdict::Fail);
        assert_eq!(judge(at_least(0.1), &scores(1, 1), None), Verdict::Pass);
        assert_eq!(judge(Gate::default(), &s, None), Verdict::Pass);
    }

    #[test]
    fn against_a_baseline() {
        let (good, bad) = (scores(90, 100), scores(10, 100));
        let by = |x: f64| Gate { better_by: Some(x), ..Gate::default() };
        assert_eq!(judge(by(0.5), &good, Some(&bad)), Verdict::Pass);
        assert_eq!(judge(by(0.8), &good, Some(&bad)), Verdict::Undecided);
        assert_eq!(judge(by(0.5), &bad, Some(&good)), Verdict::Fail);
        let not_worse = Gate { not_worse_than: Some("base".into()), margin: Some(0.05), ..Gate::default() };
        assert_eq!(judge(not_worse.clone(), &good, Some(&bad)), Verdict::Pass);
        assert_eq!(judge(not_worse, &bad, Some(&good)), Verdict::Fail);
        // All right against all wrong is a constant difference: few examples stay few.
        assert_eq!(judge(by(0.5), &scores(4, 4), Some(&scores(0, 4))), Verdict::Undecided);
        assert_eq!(judge(by(0.5), &scores(100, 100), Some(&scores(0, 100))), Verdict::Pass);
        assert!(gate("g", &by(0.5), &good, None, Resampling::default()).is_err());
        assert!(gate("g", &by(0.5), &good, Some(&scores(1, 5)), Resampling::default()).is_err());
        assert!(gate("g", &by(f64::NAN), &good, Some(&bad), Resampling::default()).is_err());
    }

    #[test]
    fn the_shown_keys_are_fixed() {
        let g = gate(
            "t",
            &Gate { at_least: Some(0.5), ..Gate::default() },
            &scores(9, 10),
            None,
            Resampling::default(),
        );
        let shown = serde_json::to_value(g.unwrap()).unwrap();
        let keys: Vec<&String> = shown.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["name", "metric", "value", "low", "high", "baseline", "verdict"]);
        assert_eq!(shown["verdict"], "pass");
        assert!(
            serde_json::from_str::<Gate>(r#"{"at_leest": 1}"#).unwrap_err().to_string().contains("at_least")
        );
    }
}
