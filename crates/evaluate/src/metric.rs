//! The metrics by name: what each example contributes, and what the whole set's value is.

use crate::json_equal::same_answer;
use crate::rouge::{rouge_l, rouge_n};
use crate::text::token_f1;
use lyceum_core::{Error, Result, Value};
use lyceum_estimators::metrics::{Confusion, roc_auc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of answers that are the reference: equal as JSON, otherwise as normalised text.
    ExactMatch,
    /// Share of predicted classes that are right.
    Accuracy,
    /// Mean word overlap of answer and reference (SQuAD).
    TokenF1,
    /// F1 of classes, plain mean over the classes.
    F1,
    /// Area under the ROC curve of a score for the positive class.
    Auc,
    /// Mean F of ROUGE-1.
    #[serde(rename = "rouge_1")]
    Rouge1,
    /// Mean F of ROUGE-2.
    #[serde(rename = "rouge_2")]
    Rouge2,
    /// Mean F of ROUGE-L.
    RougeL,
    /// exp of the mean negative log-likelihood a token; lower is better.
    Perplexity,
}

const ALL: [(Metric, &str); 9] = [
    (Metric::ExactMatch, "exact_match"),
    (Metric::Accuracy, "accuracy"),
    (Metric::TokenF1, "token_f1"),
    (Metric::F1, "f1"),
    (Metric::Auc, "auc"),
    (Metric::Rouge1, "rouge_1"),
    (Metric::Rouge2, "rouge_2"),
    (Metric::RougeL, "rouge_l"),
    (Metric::Perplexity, "perplexity"),
];

/// What an example contributes to a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A score of its own; the set's value is the mean.
    Score(f64),
    /// The true class and the predicted one.
    Classes(String, String),
    /// Whether it is positive, and the score for that.
    Ranked(bool, f64),
    /// Negative log-likelihood in nats, and tokens.
    Likelihood(f64, f64),
}

impl Metric {
    /// The metric of a name; `roc_auc` and `rouge1` style spellings are known too.
    pub fn parse(name: &str) -> Result<Self> {
        let plain = name.to_lowercase().replace(['-', ' '], "_");
        let canonical = match plain.as_str() {
            "roc_auc" => "auc",
            "rouge1" => "rouge_1",
            "rouge2" => "rouge_2",
            "rougel" => "rouge_l",
            "f1_macro" | "macro_f1" => "f1",
            other => other,
        };
        ALL.iter().find(|(_, n)| *n == canonical).map(|(m, _)| *m).ok_or_else(|| {
            let known: Vec<&str> = ALL.iter().map(|(_, n)| *n).collect();
            Error::invalid(format!("no metric \"{name}\"; there are {}", known.join(", ")))
                .at_key("metric")
                .did_you_mean(name, known.iter().copied())
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(m, _)| *m == self).map_or("", |(_, n)| n)
    }

    /// Whether more is better.
    pub fn higher_is_better(self) -> bool {
        self != Self::Perplexity
    }

    /// Whether each example is right or wrong.
    pub fn is_proportion(self) -> bool {
        matches!(self, Self::ExactMatch | Self::Accuracy)
    }

    /// What an output contributes, given the reference. An output may be plain, or a map whose `key` counts (by
    /// default `text`, `content`, `output`, `prediction`; `probability` or `score` for an AUC; `nll` and `tokens`
    /// for a perplexity).
    pub fn part(self, output: &Value, reference: &Value, key: Option<&str>) -> Result<Part> {
        let text = |v: &Value| plain(v);
        Ok(match self {
            Self::Perplexity => likelihood(output)?,
            Self::Auc => {
                let score = pick(output, key, &["probability", "score", "probabilities", "output"])?;
                let score = score.as_f64().or_else(|| score.as_str()?.trim().parse().ok());
                let score = score.filter(|s| !s.is_nan());
                Part::Ranked(
                    positive(reference)?,
                    score.ok_or_else(|| Error::invalid("the output is not a score"))?,
                )
            }
            _ => {
                let answer = text(pick(output, key, &["text", "content", "output", "prediction"])?);
                let reference = text(reference);
                match self {
                    Self::F1 => Part::Classes(reference.trim().into(), answer.trim().into()),
                    Self::Accuracy => Part::Score(f64::from(same_answer(&answer, &reference))),
                    Self::TokenF1 => Part::Score(token_f1(&answer, &reference)),
                    Self::Rouge1 => Part::Score(rouge_n(&answer, &reference, 1).f1),
                    Self::Rouge2 => Part::Score(rouge_n(&answer, &reference, 2).f1),
                    Self::RougeL => Part::Score(rouge_l(&answer, &reference).f1),
                    _ => Part::Score(f64::from(same_answer(&answer, &reference))),
                }
            }
        })
    }

    /// What a failed example contributes: nothing right. None where no number can stand for a failure.
    pub fn failed_part(self, reference: &Value) -> Option<Part> {
        match self {
            Self::Auc | Self::Perplexity => None,
            Self::F1 => Some(Part::Classes(plain(reference), String::new())),
            _ => Some(Part::Score(0.0)),
        }
    }

    /// The value of the examples at these indices (which may repeat). NaN where it is not defined.
    pub fn value(self, parts: &[&Part]) -> f64 {
        match self {
            Self::Perplexity => {
                let pairs = parts
                    .iter()
                    .filter_map(|p| if let Part::Likelihood(n, t) = p { Some((n, t)) } else { None });
                let (nll, tokens) = pairs.fold((0.0, 0.0), |(a, b), (n, t)| (a + n, b + t));
                (nll / tokens).exp()
            }
            Self::Auc => {
                let pairs = parts
                    .iter()
                    .filter_map(|p| if let Part::Ranked(y, s) = p { Some((u8::from(*y), *s)) } else { None });
                let (y, scores): (Vec<u8>, Vec<f64>) = pairs.unzip();
                roc_auc(&y, &scores)
            }
            Self::F1 => macro_f1(parts),
            _ => {
                let scores: Vec<f64> = parts
                    .iter()
                    .filter_map(|p| if let Part::Score(s) = p { Some(*s) } else { None })
                    .collect();
                scores.iter().sum::<f64>() / scores.len() as f64
            }
        }
    }
}

fn macro_f1(parts: &[&Part]) -> f64 {
    let mut codes: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut truth, mut called) = (Vec::new(), Vec::new());
    for part in parts {
        if let Part::Classes(y, p) = part {
            for (name, out) in [(y, &mut truth), (p, &mut called)] {
                let next = codes.len() as u32;
                out.push(*codes.entry(name.as_str()).or_insert(next));
            }
        }
    }
    Confusion::new(&truth, &called, codes.len()).macro_average()[2]
}

/// A value as the text that is compared: strings as they are, messages by their text, the rest as JSON.
fn plain(v: &Value) -> String {
    match v {
        Value::Str(s) => s.to_string(),
        Value::Message(m) => m.text(),
        Value::Null => String::new(),
        other => other.to_json().to_string(),
    }
}

/// The part of an output that counts: the key that was asked for, one of the usual ones, or the whole.
fn pick<'a>(output: &'a Value, key: Option<&str>, usual: &[&str]) -> Result<&'a Value> {
    let Some(map) = output.as_map() else { return Ok(output) };
    if let Some(key) = key {
        return map.get(key).ok_or_else(|| {
            let have: Vec<&str> = map.keys().map(|k| &**k).collect();
            Error::invalid(format!("the output has no \"{key}\"; it has {}", have.join(", ")))
                .did_you_mean(key, have)
        });
    }
    Ok(usual.iter().find_map(|u| map.get(*u)).unwrap_or(output))
}

fn positive(reference: &Value) -> Result<bool> {
    let text = plain(reference);
    match text.trim().to_lowercase().as_str() {
        "true" | "1" | "1.0" | "yes" | "y" | "t" | "positive" => Ok(true),
        "false" | "0" | "0.0" | "no" | "n" | "f" | "negative" => Ok(false),
        _ => Err(Error::invalid(format!("the reference \"{text}\" is neither true nor false"))),
    }
}

fn likelihood(output: &Value) -> Result<Part> {
    let number = |key: &str| output.get(key).and_then(Value::as_f64).filter(|x| x.is_finite());
    match (number("nll"), number("tokens")) {
        (Some(nll), Some(tokens)) if tokens > 0.0 => Ok(Part::Likelihood(nll, tokens)),
        _ => Err(Error::invalid("a perplexity needs outputs with `nll` and `tokens`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_both_ways() {
        for (metric, name) in ALL {
            assert_eq!(Metric::parse(name).unwrap(), metric);
            assert_eq!(serde_json::to_value(metric).unwrap(), name);
        }
        assert_eq!(Metric::parse("ROC-AUC").unwrap(), Metric::Auc);
        assert!(Metric::parse("exact_mach").unwrap_err().to_string().contains("did you mean `exact_match`"));
    }

    #[test]
    fn values_of_small_sets() {
        let value = |m: Metric, parts: &[Part]| m.value(&parts.iter().collect::<Vec<_>>());
        let ranked = [(true, 0.9), (false, 0.1), (true, 0.4), (false, 0.4)].map(|(y, s)| Part::Ranked(y, s));
        assert_eq!(value(Metric::Auc, &ranked), 0.875);
        let likely = [Part::Likelihood(2.0, 1.0), Part::Likelihood(0.0, 1.0)];
        assert!((value(Metric::Perplexity, &likely) - 1f64.exp()).abs() < 1e-12);
        let classes = [("a", "a"), ("a", "b"), ("b", "b")].map(|(y, p)| Part::Classes(y.into(), p.into()));
        assert!((value(Metric::F1, &classes) - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn outputs_are_looked_into() {
        let out: Value = serde_json::from_str(r#"{"probability": "0.75", "prediction": true}"#).unwrap();
        assert_eq!(Metric::Auc.part(&out, &"yes".into(), None).unwrap(), Part::Ranked(true, 0.75));
        assert_eq!(Metric::Accuracy.part(&out, &"true".into(), None).unwrap(), Part::Score(1.0));
        let e = Metric::Auc.part(&out, &"yes".into(), Some("probabilty")).unwrap_err().to_string();
        assert!(e.contains("did you mean `probability`"), "{e}");
        assert!(Metric::Auc.part(&Value::Float(f64::NAN), &"1".into(), None).is_err());
        assert!(Metric::Auc.part(&Value::Float(0.5), &"maybe".into(), None).is_err());
    }
}
