//! Laws of [`Engine`]: events come in order, text is the tokens' text, one seed one output, wrong requests are
//! refused at the door, several at once answer as alone.

use super::law;
use crate::{Engine, ErrorKind, Finish, GenerateEvent, GenerateRequest, Prompt, Result, Sampling, Usage};
use futures_util::stream::{StreamExt, TryStreamExt};

/// What one generation gave.
struct Gathered {
    ids: Vec<u32>,
    text: String,
    finish: Finish,
    usage: Usage,
}

async fn gather(e: &dyn Engine, request: GenerateRequest) -> Result<Gathered> {
    let mut events = e.generate(request)?;
    let started = matches!(events.next().await.transpose()?, Some(GenerateEvent::Started { .. }));
    law(started, "the first event is Started", String::new)?;
    let mut ids = Vec::new();
    let mut text = String::new();
    while let Some(event) = events.try_next().await? {
        match event {
            GenerateEvent::Started { .. } => law(false, "Started comes once", String::new)?,
            GenerateEvent::Token(t) => {
                ids.push(t.id);
                text.push_str(&t.text);
            }
            GenerateEvent::Done { finish, text: rest, usage } => {
                text.push_str(&rest);
                law(events.next().await.is_none(), "nothing comes after Done", String::new)?;
                return Ok(Gathered { ids, text, finish, usage });
            }
        }
    }
    law(false, "a generation ends with Done", String::new)?;
    Err(crate::Error::internal("unreachable: the law above has failed"))
}

fn request(prompt: &str, tokens: usize, sampling: Sampling) -> GenerateRequest {
    let mut r = GenerateRequest::new(Prompt::Text(prompt.into()));
    r.max_tokens = Some(tokens);
    r.sampling = sampling;
    r.ignore_eos = true;
    r
}

/// Checks an engine that generates.
pub async fn engine(e: &dyn Engine) -> Result<()> {
    let greedy = gather(e, request("One two three", 8, Sampling::greedy())).await?;
    law(greedy.ids.len() == 8 && greedy.usage.completion_tokens == 8, "max_tokens is kept", || {
        format!("{} tokens", greedy.ids.len())
    })?;
    law(greedy.finish == Finish::Length, "the finish says why", || format!("{:?}", greedy.finish))?;
    let decoded = e.text().decode(&greedy.ids)?;
    law(decoded == greedy.text, "the text is the tokens' text", || format!("{decoded:?} {:?}", greedy.text))?;

    let drawn = Sampling { seed: 7, ..Sampling::default() };
    let a = gather(e, request("One two three", 8, drawn.clone())).await?;
    let (b, other) = futures_util::join!(
        gather(e, request("One two three", 8, drawn)),
        gather(e, request("Something else", 8, Sampling::greedy()))
    );
    other?;
    law(a.ids == b?.ids, "one seed, one output, whoever shares the batch", || format!("{:?}", a.ids))?;

    let mut bad = request("x", 1, Sampling { temperature: f32::NAN, ..Sampling::default() });
    let kind = e.generate(bad.clone()).err().map(|e| e.kind());
    law(kind == Some(ErrorKind::Invalid), "NaN temperature is refused", || format!("{kind:?}"))?;
    bad = request("x", 1, Sampling::greedy());
    bad.adapter = Some("no such adapter".into());
    let kind = e.generate(bad).err().map(|e| e.kind());
    law(kind == Some(ErrorKind::NotFound), "an unknown adapter is not found", || format!("{kind:?}"))?;
    let long = vec![0; e.model().context_length + 1];
    let kind = e.generate(GenerateRequest::new(Prompt::Tokens(long))).err().map(|e| e.kind());
    law(kind == Some(ErrorKind::Invalid), "a prompt over the context is refused", || format!("{kind:?}"))
}
