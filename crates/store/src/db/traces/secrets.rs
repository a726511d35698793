//! Keys and tokens never reach the database: they are masked in every text that is kept.

use std::borrow::Cow;

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// Beginnings of keys, and how many characters of a key follow at least.
const BEGINNINGS: [(&str, usize); 13] = [
    ("lyc_", 16),
    ("sk-", 16),
    ("pk-", 16),
    ("sk_live_", 12),
    ("hf_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("AKIA", 16),
    ("eyJ", 40),
];
/// Words after which a credential comes, as in HTTP headers.
const SCHEMES: [&str; 3] = ["Bearer ", "bearer ", "Basic "];
/// Names of fields whose values are secrets, written without `-` and `_`.
const FIELDS: [&str; 16] = [
    "authorization",
    "proxyauthorization",
    "apikey",
    "xapikey",
    "password",
    "passwd",
    "secret",
    "clientsecret",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authtoken",
    "bearertoken",
    "privatekey",
    "cookie",
    "setcookie",
];

/// Whether what stands in a field of this name is a secret.
pub(super) fn is_secret_field(name: &str) -> bool {
    if name.len() > 32 {
        return false;
    }
    let plain: String =
        name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    FIELDS.contains(&plain.as_str())
}

/// The text with its secrets masked: known beginnings of keys, credentials after `Bearer` or `Basic`, passwords in URLs.
pub(super) fn mask(text: &str) -> Cow<'_, str> {
    let mut spans = Vec::new();
    for (beginning, least) in BEGINNINGS {
        for (at, _) in text.match_indices(beginning) {
            let rest = text.get(at + beginning.len()..).unwrap_or_default();
            let long = key_length(rest);
            if long >= least && begins_a_word(text, at) {
                spans.push((at + beginning.len(), at + beginning.len() + long));
            }
        }
    }
    for scheme in SCHEMES {
        for (at, _) in text.match_indices(scheme) {
            let begin = at + scheme.len();
            let long = key_length(text.get(begin..).unwrap_or_default());
            if long >= 8 && begins_a_word(text, at) {
                spans.push((begin, begin + long));
            }
        }
    }
    spans.extend(text.match_indices("://").filter_map(|(at, _)| password(text, at + 3)));
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    spans.sort_unstable();
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (begin, end) in spans {
        if begin >= done {
            out.push_str(text.get(done..begin).unwrap_or_default());
            out.push_str(MASK);
        }
        done = done.max(end);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

fn key_length(rest: &str) -> usize {
    rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"-_.+/=~".contains(b)).count()
}

fn begins_a_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|t| t.chars().next_back());
    before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
}

/// The password of `user:password@host` at this place.
fn password(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c)).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let host = authority.rfind('@')?;
    let colon = authority.get(..host)?.find(':')?;
    (colon + 1 < host).then_some((at + colon + 1, at + host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_and_text_is_not() {
        let cases = [
            ("key sk-abcdefghijklmnop1234, done", "key sk-***, done"),
            ("Authorization: Bearer abc.def-ghi_jkl", "Authorization: Bearer ***"),
            ("get https://me:hunter2@example.org/x", "get https://me:***@example.org/x"),
            ("Bearer sk-abcdefghijklmnop1234", "Bearer ***"),
            ("a task-oriented-and-very-long-word-list", "a task-oriented-and-very-long-word-list"),
            ("http://localhost:8080/a@b", "http://localhost:8080/a@b"),
            ("the bearer of news", "the bearer of news"),
            ("é sk-short", "é sk-short"),
        ];
        for (text, masked) in cases {
            assert_eq!(mask(text), masked);
        }
        assert!(
            is_secret_field("X-Api-Key") && is_secret_field("client_secret") && !is_secret_field("token")
        );
    }
}
