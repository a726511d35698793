//! What a plain (unquoted) scalar is. PyYAML's rules, but `1e-4` is a number here too (PyYAML reads text).

use super::Yaml;

/// A plain scalar's value.
pub fn plain(text: &str) -> Yaml {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Yaml::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Yaml::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Yaml::Float(f64::NAN),
        _ => {}
    }
    if let Some(i) = integer(text) {
        return Yaml::Int(i);
    }
    float(text).map_or_else(|| Yaml::Str(text.to_string()), Yaml::Float)
}

/// Decimal, hexadecimal (`0x`), binary (`0b`) or octal (`0…`), underscores allowed.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace('_', "");
    let parsed = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        i64::from_str_radix(binary, 2)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(&digits, 8)
    } else {
        digits.parse()
    };
    parsed.ok().map(|i| sign * i)
}

fn float(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']) {
        ".inf" | ".Inf" | ".INF" => {
            return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
        }
        _ => {}
    }
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E' | '_');
    let digit = text.bytes().any(|b| b.is_ascii_digit());
    if !digit || !text.chars().all(allowed) || text.starts_with(['e', 'E', '_']) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_pyyaml() {
        assert_eq!(plain("yes"), Yaml::Bool(true));
        assert_eq!(plain("Off"), Yaml::Bool(false));
        assert_eq!(plain("y"), Yaml::Str("y".into()));
        assert_eq!(plain("1_000"), Yaml::Int(1000));
        assert_eq!(plain("010"), Yaml::Int(8));
        assert_eq!(plain("0x1F"), Yaml::Int(31));
        assert_eq!(plain("-1.5e3"), Yaml::Float(-1500.0));
        assert_eq!(plain("1e-4"), Yaml::Float(1e-4));
        assert_eq!(plain("-.inf"), Yaml::Float(f64::NEG_INFINITY));
        for text in ["1.2.3", "2024-01-01", "-", "e5", "1-2", "nan", "inf", "_1"] {
            assert_eq!(plain(text), Yaml::Str(text.into()), "{text}");
        }
        assert_eq!(plain("~"), Yaml::Null);
    }
}
