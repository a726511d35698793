//! Texts as bags of words: SQuAD's normalisation and token F1 (Rajpurkar et al. 2016, official script v1.1).

use std::collections::HashMap;

/// Lower case, without ASCII punctuation, without a/an/the, blanks collapsed.
pub fn normalised(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let words: Vec<&str> = plain.split_whitespace().filter(|w| !matches!(*w, "a" | "an" | "the")).collect();
    words.join(" ")
}

/// F1 of the words that two normalised texts share, in [0, 1]; 0 where they share none.
pub fn token_f1(answer: &str, reference: &str) -> f64 {
    let (answer, reference) = (normalised(answer), normalised(reference));
    let (a, r): (Vec<&str>, Vec<&str>) = (answer.split(' ').collect(), reference.split(' ').collect());
    if answer.is_empty() || reference.is_empty() {
        return f64::from(answer == reference);
    }
    let shared = shared(&a, &r) as f64;
    if shared == 0.0 { 0.0 } else { 2.0 * shared / (a.len() + r.len()) as f64 }
}

/// How many items two lists have in common, each as often as in the list that has it less often.
pub(crate) fn shared<T: std::hash::Hash + Eq>(a: &[T], b: &[T]) -> usize {
    let mut left: HashMap<&T, usize> = HashMap::new();
    for item in b {
        *left.entry(item).or_default() += 1;
    }
    let mut n = 0;
    for item in a {
        if let Some(count) = left.get_mut(item).filter(|c| **c > 0) {
            *count -= 1;
            n += 1;
        }
    }
    n
}
