//! How the project stands, and the reports that its steps wrote. A report is somebody's data as HTML: it is shown
//! without scripts, without an origin, and can load nothing.

use crate::error::Dialect;
use crate::routes::answer;
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use lyceum_core::{Error, ErrorKind, Result};
use std::path::{Component, Path as FilePath};

/// Largest file of a report.
const LARGEST: u64 = 64 << 20;
const POLICY: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

/// `GET /studio/api/project`: null where no project is served.
pub(crate) async fn state(State(app): State<Shared>) -> Json<serde_json::Value> {
    Json(app.models().project.as_ref().map_or(serde_json::Value::Null, |tell| tell()))
}

/// `GET /studio/reports/NAME/FILE`.
pub(crate) async fn report(
    State(app): State<Shared>,
    Path((name, file)): Path<(String, String)>,
) -> Response {
    let done = tokio::task::spawn_blocking(move || read(&app, &name, &file)).await;
    let done = done.unwrap_or_else(|e| Err(Error::internal(e.to_string())));
    answer(Dialect::OpenAi, done)
}

fn read(app: &App, name: &str, file: &str) -> Result<Response> {
    let missing = || Error::not_found(format!("there is no file \"{file}\" in the report \"{name}\""));
    let models = app.models();
    let folder = models.reports().get(name).ok_or_else(|| {
        let known = models.reports().keys().map(String::as_str);
        Error::not_found(format!("no report \"{name}\"")).did_you_mean(name, known)
    })?;
    let plain = FilePath::new(file).components().all(|c| matches!(c, Component::Normal(_)));
    if !plain {
        return Err(missing());
    }
    // Links may not lead out of the folder either.
    let root = folder.canonicalize().map_err(|_| missing())?;
    let path = root.join(file).canonicalize().map_err(|_| missing())?;
    if !path.starts_with(&root) || !path.is_file() {
        return Err(missing());
    }
    let size = path.metadata().map_err(|e| Error::io(&path, "read", e))?.len();
    if size > LARGEST {
        return Err(Error::new(
            ErrorKind::TooLarge,
            format!("\"{file}\" has {size} bytes, at most {LARGEST} are shown"),
        ));
    }
    let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, "read", e))?;
    let mut response = bytes.into_response();
    let to = response.headers_mut();
    to.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(&path)));
    to.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    to.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn kind(path: &FilePath) -> &'static str {
    match path.extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "text/plain; charset=utf-8",
    }
}
