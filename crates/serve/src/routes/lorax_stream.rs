//! LoRAX's streams: one event a token, each sent as soon as the token is known. The last one carries the whole text and
//! the details, so that only a token which may be the last waits, for the engine to say whether it is.

use super::lorax::{name_model, reason, token};
use super::lorax_plan::{Delivery, Plan, plan};
use super::openai_answer::spell;
use crate::error;
use crate::events::{self, Frames, frame};
use crate::generation::open;
use crate::state::App;
use axum::response::Response;
use lyceum_core::{Error, Finish, GenerateEvent, GenerateRequest, Prompt, Result, TextCodec, Usage};
use lyceum_wire::lorax::{self, StreamDetails, StreamEvent, Token};

/// The answer to a request that streams.
pub(super) async fn streamed(app: &App, r: lorax::GenerateRequest) -> Result<Response> {
    let mut plan = plan(app, r.inputs, &r.parameters.unwrap_or_default(), Delivery::Stream)?;
    let requests = std::mem::take(&mut plan.requests);
    let ending = requests.first().map(|r| Ending::new(r, &plan)).unwrap_or_default();
    let opened = open(app, &plan.target, requests).await?;
    let mut names = Response::default();
    name_model(&mut names, &plan);
    let mut response = events::respond(opened, TokenFrames { plan, ending, held: None, text: String::new() });
    response.headers_mut().extend(std::mem::take(names.headers_mut()));
    Ok(response)
}

/// Knows which token may be the last of a generation: an end token, the one that uses up the room, or one that completes
/// a stop string.
#[derive(Debug, Default)]
struct Ending {
    ends: Vec<u32>,
    /// Tokens that may still come.
    room: usize,
    stops: Vec<Vec<u8>>,
    /// The bytes so far, as many as a stop string may reach back.
    tail: Vec<u8>,
}

impl Ending {
    fn new(r: &GenerateRequest, plan: &Plan) -> Self {
        let engine = &plan.target.engine;
        let read = match &r.prompt {
            Prompt::Tokens(ids) => ids.len(),
            _ => 0,
        };
        let left = engine.model().context_length.saturating_sub(read);
        Self {
            ends: if r.ignore_eos { Vec::new() } else { engine.text().end_ids().to_vec() },
            room: r.max_tokens.unwrap_or(left).min(left),
            stops: r.stop.iter().map(|s| s.clone().into_bytes()).collect(),
            tail: Vec::new(),
        }
    }

    /// Takes the next token.
    fn may_be(&mut self, id: u32, codec: &dyn TextCodec) -> bool {
        self.room = self.room.saturating_sub(1);
        self.room == 0 || self.ends.contains(&id) || self.completes_a_stop(id, codec)
    }

    fn completes_a_stop(&mut self, id: u32, codec: &dyn TextCodec) -> bool {
        let Some(longest) = self.stops.iter().map(Vec::len).max() else { return false };
        let keep = self.tail.len().min(longest.saturating_sub(1));
        self.tail.drain(..self.tail.len() - keep);
        self.tail.extend(codec.token_bytes(id, false).unwrap_or_default());
        self.stops.iter().any(|s| !s.is_empty() && self.tail.windows(s.len()).any(|w| w == s))
    }
}

struct TokenFrames {
    plan: Plan,
    ending: Ending,
    /// A token that may be the last.
    held: Option<Token>,
    text: String,
}

impl TokenFrames {
    fn last(&mut self, finish: &Finish, rest: &str, usage: &Usage) -> String {
        self.text.push_str(rest);
        let mut token = self.held.take().unwrap_or_else(|| end(self.plan.target.engine.text()));
        if !token.special {
            token.text.push_str(rest);
        }
        let lead = if self.plan.full_text { self.plan.inputs.as_str() } else { "" };
        let details = StreamDetails {
            finish_reason: reason(finish),
            prompt_tokens: usage.prompt_tokens,
            generated_tokens: usage.completion_tokens,
            seed: self.plan.seed,
        };
        let generated_text = Some(format!("{lead}{}", self.text));
        frame("data:", &StreamEvent { token, generated_text, details: Some(details) })
    }
}

/// An end token, for a generation whose end is no token that was held: LoRAX's clients want one.
fn end(codec: &dyn TextCodec) -> Token {
    let id = codec.end_ids().first().copied().unwrap_or_default();
    let text = spell(codec, id).0;
    Token { id, text, logprob: Some(0.0), special: true, skipped: false, alternative_tokens: None }
}

fn plain(token: Token) -> String {
    frame("data:", &StreamEvent { token, generated_text: None, details: None })
}

impl Frames for TokenFrames {
    fn begin(&mut self) -> String {
        String::new()
    }

    fn event(&mut self, _: usize, event: GenerateEvent) -> String {
        match event {
            GenerateEvent::Started { .. } => String::new(),
            GenerateEvent::Token(t) => {
                self.text.push_str(&t.text);
                let before = self.held.take().map(plain).unwrap_or_default();
                let known = token(&self.plan, &t);
                if self.ending.may_be(t.id, self.plan.target.engine.text()) {
                    self.held = Some(known);
                    return before;
                }
                before + &plain(known)
            }
            GenerateEvent::Done { finish, text, usage } => self.last(&finish, &text, &usage),
        }
    }

    fn error(&mut self, e: &Error) -> String {
        frame("data:", &error::lorax(e))
    }

    fn end(&mut self) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens are bytes; 256 ends.
    struct Bytes;

    impl TextCodec for Bytes {
        fn encode(&self, text: &str, _: bool) -> Result<Vec<u32>> {
            Ok(text.bytes().map(u32::from).collect())
        }
        fn token_bytes(&self, id: u32, _: bool) -> Result<Vec<u8>> {
            Ok(u8::try_from(id).into_iter().collect())
        }
        fn render(&self, _: &[lyceum_core::Message], _: &lyceum_core::RenderOptions) -> Result<String> {
            Ok(String::new())
        }
        fn end_ids(&self) -> &[u32] {
            &[256]
        }
    }

    fn held(mut ending: Ending, said: &[u32]) -> Vec<bool> {
        said.iter().map(|id| ending.may_be(*id, &Bytes)).collect()
    }

    #[test]
    fn only_what_may_be_the_last_waits() {
        let bytes = |s: &str| s.bytes().map(u32::from).collect::<Vec<u32>>();
        let open = || Ending { room: 100, ends: vec![256], ..Ending::default() };
        assert_eq!(held(open(), &[97, 256, 98]), [false, true, false]);
        assert_eq!(held(Ending { room: 2, ..Ending::default() }, &[97, 256]), [false, true]);
        let stops = || vec![b"END".to_vec(), "\u{e9}".as_bytes().to_vec()];
        let with = || Ending { stops: stops(), ..open() };
        assert_eq!(held(with(), &bytes("aENaEND")), [false, false, false, false, false, false, true]);
        assert_eq!(held(with(), &bytes("x\u{e9}")), [false, false, true]);
        assert_eq!(held(Ending { room: 0, ..open() }, &[97]), [true]);
    }
}
