//! The Studio's files, embedded when the program is built. Each has its content's hash as its tag: a browser asks
//! whether it is still the same, and mostly hears yes.

use crate::error::{Dialect, respond as respond_error};
use crate::state::Shared;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lyceum_core::{Error, Result};
use lyceum_store::hash;
use std::borrow::Cow;
use std::path::Path as FilePath;

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../studio/", $name)))),*]
    };
}

/// Every file there is; no other name is ever opened.
const FILES: &[(&str, &str)] = embedded![
    "app.js",
    "base.css",
    "icon.svg",
    "index.html",
    "lib/api.js",
    "lib/dom.js",
    "lib/format.js",
    "lib/gates.js",
    "lib/graphview.js",
    "lib/plot.js",
    "lib/prediction.js",
    "lib/runs.js",
    "lib/schema.js",
    "lib/threads.js",
    "pages.css",
    "pages/chat.js",
    "pages/graphs.js",
    "pages/home.js",
    "pages/login.js",
    "pages/tables.js",
    "pages/traces.js",
    "pages/training.js",
    "shell.css",
    "theme.js",
];

/// `GET /studio/assets/NAME`.
pub(crate) async fn route(
    State(app): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    respond(app.studio.files.as_deref(), &name, &headers)
}

/// A file, or 304 where the browser has it.
pub(super) fn respond(folder: Option<&FilePath>, name: &str, headers: &HeaderMap) -> Response {
    let text = match find(folder, name) {
        Ok(text) => text,
        Err(e) => return respond_error(Dialect::OpenAi, &e),
    };
    let digest = hash::of_bytes(text.as_bytes());
    let tag = format!("\"{}\"", digest.get(..32).unwrap_or(&digest));
    let had = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let same = had.is_some_and(|had| had.split(',').any(|t| t.trim().trim_start_matches("W/") == tag));
    let mut response =
        if same { StatusCode::NOT_MODIFIED.into_response() } else { text.into_owned().into_response() };
    let to = response.headers_mut();
    to.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
    to.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        to.insert(header::ETAG, tag);
    }
    response
}

fn find(folder: Option<&FilePath>, name: &str) -> Result<Cow<'static, str>> {
    let (known, text) = FILES
        .iter()
        .find(|(n, _)| *n == name)
        .ok_or_else(|| Error::not_found(format!("the Studio has no file \"{name}\"")))?;
    match folder {
        None => Ok(Cow::Borrowed(text)),
        Some(folder) => {
            let path = folder.join(known);
            std::fs::read_to_string(&path).map(Cow::Owned).map_err(|e| Error::io(&path, "read", e))
        }
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn below(dir: &FilePath) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        entries.flat_map(|p| if p.is_dir() { below(&p) } else { vec![p] }).collect()
    }

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("studio");
        let mut there: Vec<String> =
            below(&root).iter().map(|p| p.strip_prefix(&root).unwrap().display().to_string()).collect();
        let mut known: Vec<&str> = FILES.iter().map(|(n, _)| *n).collect();
        there.sort();
        known.sort_unstable();
        assert_eq!(there, known);
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_no_text_becomes_markup() {
        for (name, text) in FILES {
            for word in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://"]
            {
                assert!(!text.contains(word), "{name}: {word}");
            }
            for at in text.match_indices("http://").map(|(i, _)| &text[i..]) {
                assert!(at.starts_with("http://www.w3.org/"), "{name}: {}", &at[..40]);
            }
        }
    }

    #[test]
    fn a_folder_stands_in_and_names_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("index.html"), "mine").unwrap();
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        assert_eq!(find(Some(dir.path()), "index.html").unwrap(), "mine");
        for name in ["secret", "../secret", "/etc/passwd", ""] {
            assert!(find(Some(dir.path()), name).is_err(), "{name}");
        }
    }
}
