//! Server-sent events as they come in pieces: lines may end in CRLF, characters may be cut between pieces, comments
//! are skipped.

use lyceum_core::{Error, ErrorKind, Result};

/// Longest line that is taken.
const LINE: usize = 8 << 20;

/// Gathers pieces into the data of events.
#[derive(Default)]
pub(super) struct Events {
    held: Vec<u8>,
}

impl Events {
    /// The data of each event that a piece completes, in order.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Vec<String>> {
        self.held.extend_from_slice(piece);
        let mut out = Vec::new();
        while let Some(end) = self.held.iter().position(|b| *b == b'\n') {
            let rest = self.held.split_off(end + 1);
            let line = std::mem::replace(&mut self.held, rest);
            let text = std::str::from_utf8(&line).map_err(|_| broken("a line is not UTF-8"))?;
            // One space after the colon is not part of the data.
            if let Some(data) = text.trim_end_matches(['\r', '\n']).strip_prefix("data:") {
                out.push(data.strip_prefix(' ').unwrap_or(data).to_string());
            }
        }
        if self.held.len() > LINE {
            return Err(broken("a line is too long"));
        }
        Ok(out)
    }
}

fn broken(why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("malformed stream: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_events() {
        let stream = ": ping\r\n\r\ndata: {\"a\":\"é\"}\r\n\r\ndata:{\"b\":1}\n\nevent: x\ndata: [DONE]\n\n"
            .as_bytes();
        let whole = Events::default().feed(stream).unwrap();
        assert_eq!(whole, ["{\"a\":\"é\"}", "{\"b\":1}", "[DONE]"]);
        for cut in 1..stream.len() {
            let mut events = Events::default();
            let mut got = events.feed(&stream[..cut]).unwrap();
            got.extend(events.feed(&stream[cut..]).unwrap());
            assert_eq!(got, whole, "cut at {cut}");
        }
        assert!(Events::default().feed(b"data: \xff\n").is_err());
    }
}
