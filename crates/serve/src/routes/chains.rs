//! `/chains/NAME`: runnables as LangServe serves them: invoke, batch, stream, schemas. Left out: `stream_log`,
//! `stream_events`, configuration in the address, the playground, feedback.

use crate::body;
use crate::check::{check, missing};
use crate::error::{Dialect, respond};
use crate::flat;
use crate::sse::{self, Frames};
use crate::state::{App, Shared};
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, StreamExt};
use lyceum_core::{
    Context, Error, ErrorKind, Map, Result, RunId, RunKind, Runnable, Span, Value, stream_owned,
};
use serde_json::{Value as Json_, json};
use std::sync::Arc;
use std::time::Instant;

const DIALECT: Dialect = Dialect::Detail;

/// The routes, below `/chains`.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/{name}/invoke", post(invoke))
        .route("/{name}/batch", post(batch))
        .route("/{name}/stream", post(stream))
        .route("/{name}/input_schema", get(input_schema))
        .route("/{name}/output_schema", get(output_schema))
        .route("/{name}/config_schema", get(config_schema))
}

/// Why a request is not run.
enum Refused {
    /// The house's own error.
    Error(Error),
    /// A list or a text in the protocol's own words.
    Detail(Json_),
}

impl From<Error> for Refused {
    fn from(e: Error) -> Self {
        Self::Error(e)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Detail(detail) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "detail": detail }))).into_response()
            }
            Self::Error(e) if fault_of_the_run(&e) => {
                eprintln!("a chain failed: {e}");
                let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
                (StatusCode::INTERNAL_SERVER_ERROR, plain, "Internal Server Error").into_response()
            }
            Self::Error(e) => respond(DIALECT, &e),
        }
    }
}

/// What the protocol tells as a failure inside, without its words.
fn fault_of_the_run(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::Internal | ErrorKind::Io | ErrorKind::Exhausted | ErrorKind::Corrupt)
}

async fn read(app: &App, request: Request) -> Result<serde_json::Map<String, Json_>, Refused> {
    let bytes = body::read(request, &app.limits).await?;
    match serde_json::from_slice(&bytes) {
        Ok(Json_::Object(object)) => Ok(object),
        _ => Err(Refused::Detail(json!(["Invalid JSON body"]))),
    }
}

/// A key of the body; a missing one is told in the protocol's words.
fn take(body: &mut serde_json::Map<String, Json_>, key: &str) -> Result<Json_, Refused> {
    let given = body.remove(key);
    given.ok_or_else(|| Refused::Detail(json!([missing(&[json!(key)], &json!({}))])))
}

fn checked(chain: &Arc<dyn Runnable>, input: Json_) -> Result<Value, Refused> {
    let input = check(&chain.signature().input.0, input).map_err(|faults| Refused::Detail(json!(faults)))?;
    Ok(flat::from_json(input))
}

/// The call's settings: what `config.configurable` says.
fn context(app: &App, config: Option<&Json_>) -> Context {
    let configurable = config.and_then(|c| c.get("configurable")).and_then(Json_::as_object);
    let settings: Map = configurable
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.as_str().into(), Value::from_json(v.clone())))
        .collect();
    app.context().with_deadline(Instant::now() + app.limits.answer_time).with_settings(settings)
}

/// A call's record, and the id that is told: that of the record where there is one.
fn opened<'a>(cx: &'a Context, name: &str, input: &Value) -> (Span<'a>, String) {
    let span = cx.span(RunKind::Chain, name, || (input.clone(), Map::new()));
    let id = span.id().unwrap_or_else(RunId::next).to_string();
    (span, id)
}

/// One call, recorded. Gives its id too.
async fn called(
    chain: &Arc<dyn Runnable>,
    name: &str,
    input: Value,
    cx: &Context,
) -> Result<(Value, String)> {
    let (span, id) = opened(cx, name, &input);
    let done = span.cx().run(chain.invoke(input, span.cx())).await;
    span.finish(done.as_ref(), Map::new);
    Ok((done?, id))
}

fn facts(run: &str) -> Json_ {
    json!({ "run_id": run, "feedback_tokens": [] })
}

async fn invoke(State(app): State<Shared>, Path(name): Path<String>, request: Request) -> Response {
    let done = async {
        let chain = app.models().chain(&name)?;
        let mut body = read(&app, request).await?;
        let input = checked(&chain, take(&mut body, "input")?)?;
        let _permit = app.admission.enter().await?;
        let cx = context(&app, body.get("config"));
        let (output, run) = called(&chain, &name, input, &cx).await?;
        let told = json!({ "output": flat::to_json(&output), "metadata": facts(&run) });
        Ok::<_, Refused>(Json(told).into_response())
    };
    done.await.unwrap_or_else(Refused::into_response)
}

async fn batch(State(app): State<Shared>, Path(name): Path<String>, request: Request) -> Response {
    let done = async {
        let chain = app.models().chain(&name)?;
        let mut body = read(&app, request).await?;
        let inputs = match take(&mut body, "inputs")? {
            Json_::Array(inputs) if inputs.len() <= app.limits.inputs => inputs,
            Json_::Array(inputs) => {
                let text = format!("{} inputs, at most {} are taken", inputs.len(), app.limits.inputs);
                return Err(Error::new(ErrorKind::TooLarge, text).at_key("inputs").into());
            }
            _ => return Err(Error::invalid("expected a list").at_key("inputs").into()),
        };
        let (n, config) = (inputs.len(), body.get("config"));
        if let Some(configs) = config.and_then(Json_::as_array).filter(|c| c.len() != n) {
            let text = format!("Number of configs ({}) must match number of inputs ({n})", configs.len());
            return Err(Refused::Detail(json!(text)));
        }
        let inputs: Vec<Value> =
            inputs.into_iter().map(|i| checked(&chain, i)).collect::<Result<_, Refused>>()?;
        let _permit = app.admission.enter().await?;
        let (outputs, runs) =
            outputs(&app, (&chain, &name), inputs, config).await?.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        let responses: Vec<Json_> = runs.iter().map(|r| facts(r)).collect();
        let told = json!({ "output": outputs, "metadata": { "responses": responses, "run_ids": runs } });
        Ok(Json(told).into_response())
    };
    done.await.unwrap_or_else(Refused::into_response)
}

/// All outputs with the ids of their runs, or the first failure. Inputs of one configuration are one batch; recorded,
/// each is a call of its own, so that what happens below it stands below it.
async fn outputs(
    app: &App,
    (chain, name): (&Arc<dyn Runnable>, &str),
    inputs: Vec<Value>,
    config: Option<&Json_>,
) -> Result<Vec<(Json_, String)>> {
    let configs = config.and_then(Json_::as_array);
    let settings = |c: Option<&Json_>| c.and_then(|c| c.get("configurable")).cloned();
    let alike = configs.is_none_or(|all| all.iter().all(|c| settings(Some(c)) == settings(all.first())));
    if alike {
        let cx = context(app, configs.and_then(|c| c.first()).or(config));
        let all = if app.tracer.wants(RunKind::Chain) {
            let each = inputs.into_iter().map(|input| called(chain, name, input, &cx));
            stream::iter(each).buffered(cx.concurrency()).collect::<Vec<_>>().await
        } else {
            let all = cx.run(async { Ok(chain.batch(inputs, &cx).await) }).await?;
            all.into_iter().map(|o| Ok((o?, RunId::next().to_string()))).collect()
        };
        return all.into_iter().map(|o| o.map(|(o, run)| (flat::to_json(&o), run))).collect();
    }
    let mut all = Vec::new();
    for (input, config) in inputs.into_iter().zip(configs.into_iter().flatten()) {
        let cx = context(app, Some(config));
        let (output, run) = called(chain, name, input, &cx).await?;
        all.push((flat::to_json(&output), run));
    }
    Ok(all)
}

async fn stream(State(app): State<Shared>, Path(name): Path<String>, request: Request) -> Response {
    let done = async {
        let chain = app.models().chain(&name)?;
        let mut body = read(&app, request).await?;
        let input = checked(&chain, take(&mut body, "input")?)?;
        let permit = app.admission.enter().await?;
        let cx = context(&app, body.get("config"));
        let (span, run) = opened(&cx, &name, &input);
        let below = span.cx().clone();
        let chunks = span.record(stream_owned(chain, stream::iter([Ok(input)]).boxed(), below));
        let chunks = chunks.map(move |chunk| {
            let _held = &permit;
            chunk
        });
        Ok::<_, Refused>(sse::respond(frames(run, chunks)))
    };
    done.await.unwrap_or_else(Refused::into_response)
}

fn frame(event: &str, data: &Json_) -> Bytes {
    Bytes::from(format!("event: {event}\r\ndata: {data}\r\n\r\n"))
}

/// `metadata` just before the first chunk, `data` for each, then `end`; or `error`, and nothing more.
fn frames(run: String, chunks: impl stream::Stream<Item = Result<Value>> + Send + 'static) -> Frames {
    let state = Some((chunks.boxed(), false));
    let told = stream::unfold(state, move |state| {
        let run = run.clone();
        async move {
            let (mut chunks, begun) = state?;
            let mut out = Vec::new();
            let begin = |out: &mut Vec<Bytes>| {
                if !begun {
                    out.push(frame("metadata", &json!({ "run_id": run })));
                }
            };
            match chunks.next().await {
                Some(Ok(chunk)) => {
                    begin(&mut out);
                    out.push(frame("data", &flat::to_json(&chunk)));
                    Some((out, Some((chunks, true))))
                }
                Some(Err(e)) => {
                    eprintln!("a chain failed: {e}");
                    out.push(frame("error", &failure(&e)));
                    Some((out, None))
                }
                None => {
                    begin(&mut out);
                    out.push(Bytes::from_static(b"event: end\r\n\r\n"));
                    Some((out, None))
                }
            }
        }
    });
    told.flat_map(stream::iter).boxed()
}

fn failure(e: &Error) -> Json_ {
    if fault_of_the_run(e) {
        return json!({ "status_code": 500, "message": "Internal Server Error" });
    }
    json!({ "status_code": e.kind().http_status(), "message": e.message() })
}

fn schema(
    app: &App,
    name: &str,
    pick: impl FnOnce(lyceum_core::Signature) -> lyceum_core::Schema,
) -> Response {
    match app.models().chain(name) {
        Ok(chain) => {
            // What takes anything has an empty schema; clients expect an object.
            let schema = pick(chain.signature()).0;
            Json(if schema.is_object() { schema } else { json!({}) }).into_response()
        }
        Err(e) => respond(DIALECT, &e),
    }
}

async fn input_schema(State(app): State<Shared>, Path(name): Path<String>) -> Response {
    schema(&app, &name, |s| s.input)
}

async fn output_schema(State(app): State<Shared>, Path(name): Path<String>) -> Response {
    schema(&app, &name, |s| s.output)
}

async fn config_schema(State(app): State<Shared>, Path(name): Path<String>) -> Response {
    schema(&app, &name, |s| s.settings)
}
