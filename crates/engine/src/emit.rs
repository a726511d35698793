//! Bytes of tokens to text that is certain: whole characters only, and nothing that may still become a stop string.

/// The text side of one generation.
#[derive(Debug, Clone)]
pub(crate) struct Emitter {
    stops: Vec<String>,
    /// Bytes that may be the beginning of a character.
    partial: Vec<u8>,
    /// Text that may be the beginning of a stop string.
    held: String,
}

/// What a token adds.
#[derive(Debug, PartialEq)]
pub(crate) struct Emitted {
    /// Text that is certain now.
    pub(crate) text: String,
    /// The stop string that came, if one did.
    pub(crate) stop: Option<String>,
}

impl Emitter {
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self {
            stops: stops.into_iter().filter(|s| !s.is_empty()).collect(),
            partial: Vec::new(),
            held: String::new(),
        }
    }

    /// Takes the bytes of a token.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Emitted {
        self.partial.extend_from_slice(bytes);
        let whole = take_whole(&mut self.partial);
        self.held.push_str(&whole);
        self.release()
    }

    /// Nothing more comes: what was held is certain.
    pub(crate) fn finish(&mut self) -> String {
        let rest = String::from_utf8_lossy(&self.partial).into_owned();
        self.partial.clear();
        std::mem::take(&mut self.held) + &rest
    }

    fn release(&mut self) -> Emitted {
        let hits = self.stops.iter().filter_map(|s| self.held.find(s.as_str()).map(|at| (at, s)));
        if let Some((at, stop)) = hits.min_by_key(|(at, s)| (*at, std::cmp::Reverse(s.len()))) {
            let stop = stop.clone();
            let text = self.held.get(..at).unwrap_or_default().to_string();
            self.held.clear();
            self.partial.clear();
            return Emitted { text, stop: Some(stop) };
        }
        let keep = self.stops.iter().map(|s| overlap(&self.held, s)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Emitted { text: std::mem::replace(&mut self.held, rest), stop: None }
    }
}

/// Length of the longest end of `text` that is a beginning of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let starts = stop.char_indices().map(|(i, _)| i).skip(1);
    starts.filter(|n| stop.get(..*n).is_some_and(|s| text.ends_with(s))).max().unwrap_or(0)
}

/// Takes all complete characters out of `bytes`; what can never become one turns into U+FFFD.
fn take_whole(bytes: &mut Vec<u8>) -> String {
    let mut out = String::new();
    loop {
        match std::str::from_utf8(bytes) {
            Ok(s) => {
                out.push_str(s);
                bytes.clear();
                return out;
            }
            Err(e) => {
                let good = e.valid_up_to();
                out.push_str(&String::from_utf8_lossy(bytes.get(..good).unwrap_or_default()));
                match e.error_len() {
                    Some(bad) => {
                        out.push('\u{FFFD}');
                        bytes.drain(..good + bad);
                    }
                    None => {
                        bytes.drain(..good);
                        return out;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stops: &[&str], pieces: &[&[u8]]) -> (String, Option<String>) {
        let mut e = Emitter::new(stops.iter().map(|s| s.to_string()).collect());
        let mut text = String::new();
        for p in pieces {
            let got = e.push(p);
            text += &got.text;
            if got.stop.is_some() {
                return (text, got.stop);
            }
        }
        (text + &e.finish(), None)
    }

    #[test]
    fn characters_stay_whole() {
        let llama = "\u{1f999}".as_bytes();
        let mut e = Emitter::new(vec![]);
        assert_eq!(e.push(&llama[..2]).text, "");
        assert_eq!(e.push(&llama[2..]).text, "\u{1f999}");
        assert_eq!(all(&[], &[b"a\xff", b"b\xe2"]), ("a\u{FFFD}b\u{FFFD}".into(), None));
    }

    #[test]
    fn stops_are_found_across_tokens_and_not_returned() {
        assert_eq!(all(&["STOP"], &[b"one S", b"TO", b"P two"]), ("one ".into(), Some("STOP".into())));
        assert_eq!(all(&["STOP"], &[b"one S", b"TO", b"RE"]), ("one STORE".into(), None));
        assert_eq!(all(&["\n\n", "x"], &[b"a\n", b"b\n"]), ("a\nb\n".into(), None));
        assert_eq!(all(&["bc", "b"], &[b"abc"]), ("a".into(), Some("bc".into())));
    }

    #[test]
    fn only_a_possible_stop_is_held_back() {
        let mut e = Emitter::new(vec!["</s>".into()]);
        assert_eq!(e.push(b"a <").text, "a ");
        assert_eq!(e.push(b"b").text, "<b");
    }
}
