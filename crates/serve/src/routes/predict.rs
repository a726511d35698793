//! Tabular models: `POST /predict/NAME` takes rows as JSON, CSV or Arrow; Ludwig's `/predict` and `/batch_predict` take forms.

use super::answer;
use crate::body;
use crate::error::Dialect;
use crate::line::{Ask, Line};
use crate::state::{App, Shared};
use crate::tables::{self, Format};
use axum::Json;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use lyceum_core::{Error, ErrorKind, Map, Result, RunKind, Runnable, Value};
use serde::Deserialize;
use serde_json::{Value as Json_, json};
use std::sync::Arc;
use std::time::Instant;

/// `POST /predict/NAME`: an object is a row, a list of objects several; or a table as CSV or Arrow. The answer is in the format
/// that `Accept` wants. `?contributions=true` asks the model for the share of each input in its answers.
pub(crate) async fn by_name(
    State(app): State<Shared>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    answer(Dialect::Ludwig, rows(&app, &name, request).await)
}

async fn rows(app: &App, name: &str, request: Request) -> Result<Response> {
    let line = app.models().tabular(name)?.clone();
    let settings = settings(request.uri().query().unwrap_or_default())?;
    let (from, to) = (tables::read_as(request.headers())?, tables::write_as(request.headers())?);
    let (rows, single) = match from {
        Format::Json => match body::json(request, &app.limits).await? {
            row @ Value::Map(_) => (vec![row], true),
            Value::List(rows) => (rows.to_vec(), false),
            other => {
                let what = other.type_name();
                return Err(Error::invalid(format!(
                    "the body is {what}, expected a row object or a list of them"
                )));
            }
        },
        Format::Csv => {
            let whole = body::read(request, &app.limits).await?;
            (tables::read_csv(&whole, &line.model().signature().input, most_rows(app))?, false)
        }
        Format::ArrowStream | Format::ArrowFile => {
            let whole = body::read(request, &app.limits).await?;
            (tables::read_arrow(&whole, most_rows(app))?, false)
        }
    };
    let answers = predict(app, &line, rows, settings).await?;
    match to {
        Format::Json if single => Ok(Json(only(answers)).into_response()),
        Format::Json => Ok(Json(answers).into_response()),
        Format::Csv => tables::csv_answer(&answers),
        Format::ArrowStream => tables::stream_answer(&answers),
        Format::ArrowFile => tables::file_answer(&answers),
    }
}

/// What the query asks of the model.
fn settings(query: &str) -> Result<Map> {
    let mut out = Map::new();
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, "true"));
        if key != "contributions" {
            let e = Error::invalid(format!("no query parameter `{key}`; expected `contributions`"));
            return Err(e.did_you_mean(key, ["contributions"]));
        }
        match value {
            "true" | "1" => drop(out.insert(key.into(), true.into())),
            "false" | "0" => drop(out.shift_remove(key)),
            _ => {
                let text = format!("`contributions` is `{value}`, expected true or false");
                return Err(Error::invalid(text).at_key(key));
            }
        }
    }
    Ok(out)
}

/// `GET /predict/NAME`: what goes in and what comes out.
pub(crate) async fn describe(State(app): State<Shared>, Path(name): Path<String>) -> Response {
    let done = app.models().tabular(&name).map(|m| {
        let s = m.model().signature();
        Json(json!({ "name": name, "input": s.input.0, "output": s.output.0 })).into_response()
    });
    answer(Dialect::Ludwig, done)
}

/// Ludwig's `POST /predict`: a form field a column, one row.
pub(crate) async fn one(State(app): State<Shared>, request: Request) -> Response {
    let done = async {
        let line = app.models().only_tabular()?.clone();
        let row: Map = fields(request, &app).await?.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        check_columns(line.model(), row.keys().map(|k| &**k))?;
        Ok(Json(only(predict(&app, &line, vec![row.into()], Map::new()).await?)).into_response())
    };
    answer(Dialect::Ludwig, done.await)
}

/// Rows as pandas' `split` orientation writes them.
#[derive(Deserialize)]
struct Split {
    columns: Vec<String>,
    index: Option<Vec<Json_>>,
    data: Vec<Vec<Value>>,
}

/// Ludwig's `POST /batch_predict`: a form field `dataset` with a table.
pub(crate) async fn many(State(app): State<Shared>, request: Request) -> Response {
    answer(Dialect::Ludwig, batch(&app, request).await)
}

async fn batch(app: &App, request: Request) -> Result<Response> {
    let line = app.models().only_tabular()?.clone();
    let form = fields(request, app).await?;
    let dataset = form.into_iter().find(|(k, _)| k == "dataset").map(|(_, v)| v);
    let dataset =
        dataset.ok_or_else(|| Error::invalid("the form needs a field `dataset` with a table as JSON"))?;
    let table: Split = body::parse(dataset.as_bytes())?;
    check_columns(line.model(), table.columns.iter().map(String::as_str))?;
    let wide = table.columns.len();
    if let Some(i) = table.data.iter().position(|row| row.len() != wide) {
        return Err(Error::invalid(format!(
            "row {i} of `data` does not have {wide} cells, as `columns` has"
        )));
    }
    let row = |cells: &Vec<Value>| -> Value {
        table.columns.iter().map(|c| c.as_str().into()).zip(cells.iter().cloned()).collect::<Map>().into()
    };
    let rows: Vec<Value> = table.data.iter().map(row).collect();
    let n = rows.len();
    let answers = predict(app, &line, rows, Map::new()).await?;
    let columns: Vec<Arc<str>> =
        answers.first().and_then(Value::as_map).map(|m| m.keys().cloned().collect()).unwrap_or_default();
    let cells = |a: &Value| columns.iter().map(|c| a.get(c).cloned().unwrap_or_default()).collect::<Value>();
    let data: Vec<Value> = answers.iter().map(cells).collect();
    let index = table.index.unwrap_or_else(|| (0..n).map(Json_::from).collect());
    let columns: Vec<&str> = columns.iter().map(|c| &**c).collect();
    Ok(Json(json!({ "columns": columns, "index": index, "data": data })).into_response())
}

/// Most rows of one request.
fn most_rows(app: &App) -> usize {
    app.limits.inputs.max(100_000)
}

/// The answers of all rows, or the first row's error.
async fn predict(app: &App, line: &Arc<Line>, rows: Vec<Value>, settings: Map) -> Result<Vec<Value>> {
    let most = most_rows(app);
    if rows.len() > most {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("{} rows, at most {most} are taken", rows.len()),
        ));
    }
    let _permit = app.admission.enter().await?;
    let cx = app.context();
    let several = rows.len() > 1;
    let span = cx.span(RunKind::Chain, line.model().name(), || (asked(&rows), Map::new())).into_owned();
    let deadline = Instant::now() + app.limits.answer_time;
    let ask = Ask { rows, settings, deadline, cx: span.cx().clone() };
    let answers = line.predict(ask, app.limits.lanes).await.map(Vec::into_iter);
    let named =
        |i: usize, e: Error| if several { e.hint(format!("it is row {i}, counted from 0")) } else { e };
    let answers: Result<Vec<Value>> =
        answers.and_then(|all| all.enumerate().map(|(i, a)| a.map_err(|e| named(i, e))).collect());
    match &answers {
        Ok(all) if span.id().is_some() => span.finish(Ok(&asked(all)), Map::new),
        Ok(_) => drop(span),
        Err(e) => span.finish(Err(e), Map::new),
    }
    answers
}

/// Rows as they are recorded: one stands for itself.
fn asked(rows: &[Value]) -> Value {
    match rows {
        [one] => one.clone(),
        many => many.iter().cloned().collect(),
    }
}

fn only(answers: Vec<Value>) -> Value {
    answers.into_iter().next().unwrap_or_default()
}

/// Ludwig's words for columns that are not there.
fn check_columns<'a>(model: &Arc<dyn Runnable>, have: impl Iterator<Item = &'a str>) -> Result<()> {
    let have: Vec<&str> = have.collect();
    let input = model.signature().input.0;
    let required = input.get("required").and_then(Json_::as_array).cloned().unwrap_or_default();
    let missing: Vec<String> = required
        .iter()
        .filter_map(Json_::as_str)
        .filter(|r| !have.contains(r))
        .map(|r| format!("'{r}'"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(", ");
    Err(Error::invalid(format!(
        "Data received does not contain all input features. Missing features: {{{list}}}."
    )))
}

/// The fields of a form, multipart or urlencoded.
async fn fields(request: Request, app: &App) -> Result<Vec<(String, String)>> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        let (parts, raw) = request.into_parts();
        let whole = body::read(Request::from_parts(parts.clone(), raw), &app.limits).await?;
        let again = Request::from_parts(parts, axum::body::Body::from(whole));
        return multipart(again).await;
    }
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Error::invalid(
            "expected a form (multipart/form-data or application/x-www-form-urlencoded)",
        )
        .hint("rows as JSON go to /predict/NAME"));
    }
    let whole = body::read(request, &app.limits).await?;
    let request = Request::builder()
        .method("POST")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(whole))
        .map_err(|e| Error::internal(e.to_string()))?;
    let form = axum::Form::<Vec<(String, String)>>::from_request(request, &()).await;
    form.map(|f| f.0).map_err(|e| Error::invalid(format!("the form cannot be read: {e}")))
}

async fn multipart(request: Request) -> Result<Vec<(String, String)>> {
    let broken = |e: &dyn std::fmt::Display| Error::invalid(format!("the form cannot be read: {e}"));
    let mut form = Multipart::from_request(request, &()).await.map_err(|e| broken(&e))?;
    let mut out = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|e| broken(&e))? {
        let name = field.name().unwrap_or_default().to_string();
        out.push((name, field.text().await.map_err(|e| broken(&e))?));
    }
    Ok(out)
}
