//! `POST /tokenize` (LoRAX, vLLM, llama.cpp: told apart by the key) and `POST /detokenize`.

use super::answer;
use crate::body;
use crate::error::Dialect;
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use lyceum_core::{Error, Result, TextCodec};
use lyceum_wire::lorax::{TokenizeRequest, TokenizedPiece};
use serde::Deserialize;
use serde_json::json;

pub(crate) async fn tokenize(State(app): State<Shared>, request: Request) -> Response {
    answer(Dialect::Lorax, tokens(&app, request).await)
}

pub(crate) async fn detokenize(State(app): State<Shared>, request: Request) -> Response {
    answer(Dialect::Lorax, text(&app, request).await)
}

async fn tokens(app: &App, request: Request) -> Result<Response> {
    let r: TokenizeRequest = body::json(request, &app.limits).await?;
    let engine = app.models().find(r.model.as_deref().unwrap_or_default(), None)?.engine;
    let special = r.add_special_tokens.unwrap_or(true);
    let codec = engine.text();
    match (r.inputs, r.prompt, r.content) {
        (Some(text), ..) => Ok(Json(pieces(codec, &text, &codec.encode(&text, special)?)?).into_response()),
        (None, Some(text), _) => {
            let ids = codec.encode(&text, special)?;
            let length = engine.model().context_length;
            Ok(Json(json!({ "count": ids.len(), "max_model_len": length, "tokens": ids })).into_response())
        }
        (None, None, Some(text)) => {
            let ids = codec.encode(&text, r.add_special_tokens.unwrap_or(false))?;
            Ok(Json(json!({ "tokens": ids })).into_response())
        }
        _ => Err(Error::invalid("`inputs` (or `prompt`, or `content`) is required").at_key("inputs")),
    }
}

/// Tokens with their places in characters. A token that ends within a character reaches to that character's end.
fn pieces(codec: &dyn TextCodec, text: &str, ids: &[u32]) -> Result<Vec<TokenizedPiece>> {
    let mut out = Vec::with_capacity(ids.len());
    let mut chars = text.char_indices().map(|(at, _)| at).peekable();
    let (mut byte, mut from, mut to) = (0, 0, 0);
    for id in ids {
        let plain = codec.token_bytes(*id, false)?;
        let shown = codec.token_bytes(*id, true)?;
        // Control tokens that were added stand nowhere in the text.
        let inside = text.as_bytes().get(byte..).is_some_and(|rest| rest.starts_with(&shown));
        byte += if inside { shown.len() } else { plain.len().min(text.len() - byte) };
        while chars.next_if(|at| *at < byte).is_some() {
            to += 1;
        }
        out.push(TokenizedPiece {
            id: *id,
            text: String::from_utf8_lossy(&shown).into_owned(),
            start: from,
            stop: to,
        });
        from = to;
    }
    Ok(out)
}

#[derive(Deserialize)]
struct Detokenize {
    tokens: Vec<u32>,
    model: Option<String>,
}

async fn text(app: &App, request: Request) -> Result<Response> {
    let r: Detokenize = body::json(request, &app.limits).await?;
    let engine = app.models().find(r.model.as_deref().unwrap_or_default(), None)?.engine;
    let text = engine.text().decode(&r.tokens)?;
    Ok(Json(json!({ "prompt": text, "content": text })).into_response())
}
