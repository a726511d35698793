//! `POST /v1/embeddings` and LoRAX's `POST /embed`.

use super::answer;
use crate::body;
use crate::error::Dialect;
use crate::models::Target;
use crate::sampling::count;
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lyceum_core::{Error, Map, Result, RunKind, Value};
use lyceum_wire::lorax::EmbedRequest;
use lyceum_wire::openai::{Embedding, EmbeddingList, EmbeddingRequest, PromptInput};
use serde_json::json;

pub(crate) async fn openai(State(app): State<Shared>, request: Request) -> Response {
    answer(Dialect::OpenAi, embeddings(&app, request).await)
}

pub(crate) async fn lorax(State(app): State<Shared>, request: Request) -> Response {
    answer(Dialect::Lorax, embed(&app, request).await)
}

async fn embeddings(app: &App, request: Request) -> Result<Response> {
    let r: EmbeddingRequest = body::json(request, &app.limits).await?;
    let base64 = match r.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            return Err(Error::invalid(format!("\"{other}\" is not an encoding, expected float or base64"))
                .at_key("encoding_format"));
        }
    };
    let target = embedder(app, &r.model)?;
    let width = target.engine.model().hidden_size;
    let width = count("dimensions", r.dimensions, width, 1, width)?;
    let texts = texts(app, &target, r.input)?;
    let (texts, tokens) = fit(&target, texts, r.truncate_prompt_tokens)?;
    let _permit = app.admission.enter().await?;
    let vectors = vectors(app, &target, &texts).await?;
    let shaped = vectors.into_iter().map(|v| shape(v, width, base64)).collect();
    let mut response = Json(EmbeddingList::new(target.name.clone(), shaped, tokens)).into_response();
    body::note_ignored(&mut response, &r.extra, &["user"]);
    Ok(response)
}

async fn embed(app: &App, request: Request) -> Result<Response> {
    let r: EmbedRequest = body::json(request, &app.limits).await?;
    if r.inputs.is_empty() {
        return Err(Error::invalid("`inputs` cannot be empty"));
    }
    let models = app.models();
    let engine = models.engines().iter().find(|e| e.model().embeds);
    let engine = engine.ok_or_else(|| Error::unsupported("no embedding model is served"))?.clone();
    let target = Target { name: engine.model().name.clone(), engine, adapter: None };
    let (texts, _) = fit(&target, vec![r.inputs], None)?;
    let _permit = app.admission.enter().await?;
    let vector = vectors(app, &target, &texts).await?.into_iter().next().unwrap_or_default();
    Ok(Json(json!({ "embeddings": vector })).into_response())
}

/// The vectors of texts. How many there are is recorded, not their numbers.
async fn vectors(app: &App, target: &Target, texts: &[String]) -> Result<Vec<Vec<f32>>> {
    let cx = app.context();
    let about = || (texts.iter().map(|t| Value::from(t.as_str())).collect(), Map::new());
    let span = cx.span(RunKind::Embedding, &target.name, about);
    let done = target.engine.embed(texts).await;
    match &done {
        Ok(all) => {
            let shape = [("vectors", all.len()), ("dimensions", all.first().map_or(0, Vec::len))];
            let shape = shape.map(|(k, n)| (k.into(), Value::Int(i64::try_from(n).unwrap_or(i64::MAX))));
            span.finish(Ok(&Map::from_iter(shape).into()), Map::new);
        }
        Err(e) => span.finish(Err(e), Map::new),
    }
    done
}

fn embedder(app: &App, model: &str) -> Result<Target> {
    let target = app.models().find(model, None)?;
    if target.engine.model().embeds {
        return Ok(target);
    }
    let models = app.models();
    let others = models.engines().iter().filter(|e| e.model().embeds);
    let others: Vec<&str> = others.map(|e| e.model().name.as_str()).collect();
    let have =
        if others.is_empty() { "none is served".into() } else { format!("served are {}", others.join(", ")) };
    Err(Error::unsupported(format!("`{model}` does not make embeddings; of those that do, {have}"))
        .at_key("model"))
}

fn texts(app: &App, target: &Target, input: PromptInput) -> Result<Vec<String>> {
    let codec = target.engine.text();
    let texts = match input {
        PromptInput::Text(text) => vec![text],
        PromptInput::Texts(texts) => texts,
        PromptInput::Tokens(ids) => vec![codec.decode(&ids)?],
        PromptInput::TokenLists(lists) => lists.iter().map(|ids| codec.decode(ids)).collect::<Result<_>>()?,
    };
    let most = app.limits.inputs;
    if texts.is_empty() || texts.len() > most {
        return Err(Error::invalid(format!("input has {} entries, expected 1 to {most}", texts.len()))
            .at_key("input"));
    }
    if let Some(i) = texts.iter().position(String::is_empty) {
        return Err(Error::invalid(format!("input {i} is empty")).at_key("input"));
    }
    Ok(texts)
}

/// The texts, cut only where the request says so, and their tokens together.
fn fit(target: &Target, texts: Vec<String>, truncate: Option<i64>) -> Result<(Vec<String>, usize)> {
    let (codec, context) = (target.engine.text(), target.engine.model().context_length);
    let cut = match truncate {
        None => None,
        Some(-1) => Some(context),
        Some(_) => Some(count("truncate_prompt_tokens", truncate, context, 1, context)?),
    };
    let (mut out, mut total) = (Vec::with_capacity(texts.len()), 0);
    for (i, text) in texts.into_iter().enumerate() {
        let ids = codec.encode(&text, true)?;
        match cut {
            Some(most) if ids.len() > most => {
                // What frames a text (its first and last control token) is added again by the engine.
                let plain = codec.encode(&text, false)?;
                let room = most.saturating_sub(ids.len() - plain.len());
                out.push(codec.decode(plain.get(..room).unwrap_or(&plain))?);
                total += most;
            }
            _ if ids.len() > context => {
                let n = ids.len();
                return Err(Error::invalid(format!(
                    "input {i} has {n} tokens, the model reads at most {context}"
                ))
                .with_code("context_length_exceeded")
                .at_key("input")
                .hint("set truncate_prompt_tokens to cut it"));
            }
            _ => {
                out.push(text);
                total += ids.len();
            }
        }
    }
    Ok((out, total))
}

fn shape(mut vector: Vec<f32>, width: usize, base64: bool) -> Embedding {
    if width < vector.len() {
        vector.truncate(width);
        let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if norm > 0.0 {
            vector.iter_mut().for_each(|x| *x /= norm);
        }
    }
    if !base64 {
        return Embedding::Floats(vector);
    }
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    Embedding::Base64(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_what_the_client_has_recorded_and_cut_vectors_have_length_one() {
        assert_eq!(shape(vec![0.5, -0.25], 2, true), Embedding::Base64("AAAAPwAAgL4=".into()));
        assert_eq!(shape(vec![3.0, 4.0, 9.0], 2, false), Embedding::Floats(vec![0.6, 0.8]));
    }
}
