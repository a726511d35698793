//! Metrics of answers: loss and perplexity of the wanted ones, and what the given ones are worth.

use super::{Extractor, LanguageModels, Likelihood, Said};
use lyceum_estimators::metrics::Confusion;
use std::collections::BTreeMap;

/// Metric to value.
pub type Measured = BTreeMap<String, f64>;

/// The metrics of an output. `wanted` are the right answers of `said`; an extractor makes labels of both.
pub fn measure(
    models: &dyn LanguageModels,
    said: &[Said],
    wanted: &[String],
    likelihood: &[Likelihood],
    extractor: Option<&Extractor>,
) -> Measured {
    let mut out = losses(likelihood);
    match extractor {
        Some(extractor) => {
            let called: Vec<&str> = said.iter().map(|s| extractor.label(&s.text)).collect();
            out.extend(labels(&called, wanted));
        }
        None => out.extend(texts(models, said, wanted)),
    }
    out.retain(|_, v| v.is_finite());
    out
}

/// `loss`, the mean of all tokens, and `perplexity`, its exponential.
pub(crate) fn losses(likelihood: &[Likelihood]) -> Measured {
    let tokens: f64 = likelihood.iter().map(|l| l.tokens).sum();
    if tokens == 0.0 {
        return Measured::new();
    }
    let loss = likelihood.iter().map(|l| l.nll).sum::<f64>() / tokens;
    [("loss".to_string(), loss), ("perplexity".to_string(), loss.exp())].into()
}

/// The mean worth of each answer.
fn texts(models: &dyn LanguageModels, said: &[Said], wanted: &[String]) -> Measured {
    let mut sums = Measured::new();
    for (said, wanted) in said.iter().zip(wanted) {
        for (name, value) in models.compare(said.text.trim(), wanted.trim()) {
            *sums.entry(name.to_string()).or_default() += value;
        }
    }
    let n = said.len().min(wanted.len()).max(1) as f64;
    sums.values_mut().for_each(|v| *v /= n);
    sums
}

fn labels(called: &[&str], wanted: &[String]) -> Measured {
    let mut codes: BTreeMap<&str, u32> = BTreeMap::new();
    let mut code = |name| {
        let next = codes.len() as u32;
        *codes.entry(name).or_insert(next)
    };
    let truth: Vec<u32> = wanted.iter().map(|w| code(w.as_str())).collect();
    let found: Vec<u32> = called.iter().map(|c| code(c)).collect();
    if truth.is_empty() {
        return Measured::new();
    }
    let confusion = Confusion::new(&truth, &found, codes.len());
    let [precision, recall, f1] = confusion.macro_average();
    let named = [
        ("accuracy", confusion.accuracy()),
        ("precision_macro", precision),
        ("recall_macro", recall),
        ("f1_macro", f1),
    ];
    named.map(|(k, v)| (k.to_string(), v)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_losses_are_counted() {
        let wanted = ["a", "b", "b", "c"].map(String::from);
        let m = labels(&["a", "b", "<UNK>", "a"], &wanted);
        assert_eq!(m["accuracy"], 0.5);
        assert!(m["recall_macro"] > 0.0 && m["f1_macro"] < 1.0);
        let two = [Likelihood { nll: 3.0, tokens: 1.0 }, Likelihood { nll: 1.0, tokens: 3.0 }];
        assert_eq!(losses(&two)["loss"], 1.0);
        assert_eq!(losses(&two)["perplexity"], 1f64.exp());
        assert!(losses(&[]).is_empty());
    }
}
