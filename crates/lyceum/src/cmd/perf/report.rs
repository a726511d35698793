//! The figures of a run, for people and for scripts.

use super::client::{Answer, Outcome, Target};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a run measured. Latencies are of answered requests only; failures stand apart.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    url: String,
    model: String,
    concurrency: usize,
    requests: usize,
    pub(super) completed: usize,
    errors: BTreeMap<&'static str, usize>,
    first_error: Option<String>,
    seconds: f64,
    requests_per_second: f64,
    prompt_tokens: u64,
    output_tokens: u64,
    output_tokens_per_second: f64,
    /// `usage`: as the server counted them; `chunks`: pieces of the streams, where it did not.
    tokens_from: &'static str,
    ttft_ms: Spread,
    inter_token_ms: Spread,
    end_to_end_ms: Spread,
}

/// How values spread; quantiles are linear between neighbours. Null without values.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Spread {
    mean: Option<f64>,
    min: Option<f64>,
    p50: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl Report {
    pub(super) fn new(target: &Target, clients: usize, wall: Duration, outcomes: &[Outcome]) -> Self {
        let mut errors: BTreeMap<&'static str, usize> = BTreeMap::new();
        let (mut answers, mut first_error) = (Vec::new(), None);
        for outcome in outcomes {
            match outcome {
                Outcome::Answered(answer) => answers.push(answer),
                Outcome::Failed { class, why } => {
                    *errors.entry(class).or_default() += 1;
                    first_error.get_or_insert_with(|| why.clone());
                }
            }
        }
        let told = answers.iter().all(|a| a.output_tokens.is_some());
        let tokens = |a: &Answer| if told { a.output_tokens.unwrap_or(0) } else { a.chunks };
        let output: u64 = answers.iter().map(|a| tokens(a)).sum();
        let seconds = wall.as_secs_f64();
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let between = answers.iter().filter(|a| tokens(a) > 1);
        let between = between.map(|a| ms(a.last - a.first) / (tokens(a) - 1) as f64);
        Self {
            url: target.url.to_string(),
            model: target.model.clone(),
            concurrency: clients,
            requests: outcomes.len(),
            completed: answers.len(),
            errors,
            first_error,
            seconds,
            requests_per_second: answers.len() as f64 / seconds,
            prompt_tokens: answers.iter().filter_map(|a| a.prompt_tokens).sum(),
            output_tokens: output,
            output_tokens_per_second: output as f64 / seconds,
            tokens_from: if told { "usage" } else { "chunks" },
            ttft_ms: Spread::of(answers.iter().map(|a| ms(a.first)).collect()),
            inter_token_ms: Spread::of(between.collect()),
            end_to_end_ms: Spread::of(answers.iter().map(|a| ms(a.end)).collect()),
        }
    }

    pub(super) fn errors_in_words(&self) -> String {
        let list: Vec<String> = self.errors.iter().map(|(class, n)| format!("{n} {class}")).collect();
        match &self.first_error {
            Some(why) => format!("{} ({why})", list.join(", ")),
            None => "none was sent".into(),
        }
    }

    pub(super) fn show(&self) -> String {
        let head = format!("{} at {}, {} at once", self.model, self.url, self.concurrency);
        let rate = format!(
            "{} of {} answered in {:.2} s: {:.2} requests/s, {:.1} output tokens/s ({} tokens by {})",
            self.completed,
            self.requests,
            self.seconds,
            self.requests_per_second,
            self.output_tokens_per_second,
            self.output_tokens,
            self.tokens_from
        );
        let mut out =
            format!("{head}\n{rate}\n{:24}{:>10}{:>10}{:>10}{:>10}\n", "", "mean", "p50", "p95", "p99");
        for (name, s) in [
            ("first token, ms", &self.ttft_ms),
            ("between tokens, ms", &self.inter_token_ms),
            ("whole answer, ms", &self.end_to_end_ms),
        ] {
            let cell = |x: Option<f64>| x.map_or("-".to_string(), |x| format!("{x:.1}"));
            let [mean, p50, p95, p99] = [s.mean, s.p50, s.p95, s.p99].map(cell);
            out += &format!("{name:24}{mean:>10}{p50:>10}{p95:>10}{p99:>10}\n");
        }
        if !self.errors.is_empty() {
            out += &format!("errors: {}\n", self.errors_in_words());
        }
        out
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        if values.is_empty() {
            return Self::default();
        }
        let at = |p: f64| {
            let place = p * (values.len() - 1) as f64;
            let low = values.get(place.floor() as usize)?;
            let high = values.get(place.ceil() as usize)?;
            Some(low + (high - low) * place.fract())
        };
        Self {
            mean: Some(values.iter().sum::<f64>() / values.len() as f64),
            min: values.first().copied(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: values.last().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_and_nothing_is_null() {
        let s = Spread::of((1..=5).map(f64::from).collect());
        assert_eq!((s.p50, s.p95, s.mean), (Some(3.0), Some(4.8), Some(3.0)));
        assert_eq!(Spread::of(vec![]), Spread::default());
    }
}
