//! Whether two answers are the same: as JSON values where both are JSON, otherwise as normalised text.

use crate::text::normalised;
use serde_json::{Number, Value};

/// Equality of JSON values: the order of keys and the spelling of numbers (`1`, `1.0`, `1e0`) do not matter.
pub fn json_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| json_equal(v, w)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(v, w)| json_equal(v, w))
        }
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (a, b) => a == b,
    }
}

fn same_number(a: &Number, b: &Number) -> bool {
    // Whole numbers are compared exactly, as f64 has no room for all of them.
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_u64().is_some() && a.as_u64() == b.as_u64() || a.as_f64() == b.as_f64(),
    }
}

/// Whether an answer is the reference: equal as JSON where both parse, otherwise equal as normalised text.
pub fn same_answer(answer: &str, reference: &str) -> bool {
    match (serde_json::from_str::<Value>(answer.trim()), serde_json::from_str::<Value>(reference.trim())) {
        (Ok(a), Ok(b)) => json_equal(&a, &b),
        // A broken object is not the object, however alike the texts look without their punctuation.
        (a, b) if looks_json(answer, a.is_ok()) || looks_json(reference, b.is_ok()) => false,
        _ => normalised(answer) == normalised(reference),
    }
}

fn looks_json(text: &str, parses: bool) -> bool {
    parses && text.trim_start().starts_with(['{', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter_and_content_does() {
        assert!(same_answer(r#"{"a": 1, "b": [true, "x"]}"#, r#"{"b":[true,"x"],"a":1.0}"#));
        assert!(same_answer(" 42 ", "42.0") && same_answer("4.2e1", "42"));
        assert!(!same_answer("9007199254740993", "9007199254740992"));
        assert!(!same_answer(r#"{"a":1}"#, r#"{"a":1,"b":null}"#));
        assert!(!same_answer(r#"{"a":"X"}"#, r#"{"a":"x"}"#));
        assert!(!same_answer("[1,2]", "[2,1]"));
        assert!(same_answer("The Eiffel Tower.", "eiffel tower"));
        assert!(!same_answer(r#"{"a":1"#, r#"{"a":1}"#), "a broken object is wrong");
        assert!(!same_answer("", "x") && same_answer("", ""));
    }
}
