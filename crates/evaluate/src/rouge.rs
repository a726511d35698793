//! ROUGE (Lin 2004) over tokens `[a-z0-9]+` of the lower-cased text, without stemming: overlap of n-grams, and of
//! the longest common subsequence.

use crate::text::shared;

/// Precision, recall and their harmonic mean, each in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rouge {
    /// Share of the answer that is in the reference.
    pub precision: f64,
    /// Share of the reference that is in the answer.
    pub recall: f64,
    /// Harmonic mean.
    pub f1: f64,
}

/// Overlap of n-grams.
pub fn rouge_n(answer: &str, reference: &str, n: usize) -> Rouge {
    let (a, r) = (tokens(answer), tokens(reference));
    let grams = |t: &[String]| -> Vec<Vec<String>> { t.windows(n.max(1)).map(<[String]>::to_vec).collect() };
    let (a, r) = (grams(&a), grams(&r));
    scored(shared(&a, &r), a.len(), r.len())
}

/// Longest common subsequence.
pub fn rouge_l(answer: &str, reference: &str) -> Rouge {
    let (a, r) = (tokens(answer), tokens(reference));
    scored(common_subsequence(&a, &r), a.len(), r.len())
}

fn scored(hits: usize, answer: usize, reference: usize) -> Rouge {
    let share = |n: usize| if n == 0 { 0.0 } else { hits as f64 / n as f64 };
    let (precision, recall) = (share(answer), share(reference));
    let sum = precision + recall;
    Rouge { precision, recall, f1: if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 } }
}

fn tokens(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_string).collect()
}

/// Length of the longest common subsequence, one row of the table at a time.
fn common_subsequence(a: &[String], b: &[String]) -> usize {
    let mut row = vec![0usize; b.len() + 1];
    for x in a {
        let mut corner = 0;
        let mut left = 0;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let above = *cell;
            *cell = if x == y { corner + 1 } else { above.max(left) };
            corner = above;
            left = *cell;
        }
    }
    row.last().copied().unwrap_or(0)
}
