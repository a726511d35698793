//! Which format a request is in and which one its answer shall have (RFC 9110, 8.3 and 12.5.1).

use super::arrow_rows::{FILE, STREAM};
use axum::http::{HeaderMap, header};
use lyceum_core::{Error, Result};

/// A format of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    ArrowStream,
    ArrowFile,
}

impl Format {
    /// Arrow's types; its answers are in the form that is named, bodies may be in either.
    fn of_arrow(kind: &str) -> Option<Self> {
        match kind {
            STREAM => Some(Self::ArrowStream),
            FILE => Some(Self::ArrowFile),
            _ => None,
        }
    }
}

const TAKEN: &str = "application/json, text/csv, application/vnd.apache.arrow.stream, \
                     application/vnd.apache.arrow.file";

/// What `Content-Type` says. Nothing, and what tools send by default, is JSON.
///
/// # Errors
/// `unsupported_media_type` (415) for a type that is not read.
pub(crate) fn read_as(headers: &HeaderMap) -> Result<Format> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(Format::Json) };
    let given = given.to_str().unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "text/csv" | "application/csv" => Ok(Format::Csv),
        ""
        | "application/json"
        | "application/x-www-form-urlencoded"
        | "text/plain"
        | "text/json"
        | "application/octet-stream" => Ok(Format::Json),
        json if json.ends_with("+json") => Ok(Format::Json),
        other => Format::of_arrow(other).ok_or_else(|| {
            Error::unsupported(format!("a body of type `{other}` is not read; expected {TAKEN}"))
                .with_code("unsupported_media_type")
        }),
    }
}

/// What `Accept` wants most among what can be written; of equals the first. Without the header it is JSON.
///
/// # Errors
/// `not_acceptable` (406) when nothing of it can be written.
pub(crate) fn write_as(headers: &HeaderMap) -> Result<Format> {
    let mut best: Option<(f32, Format)> = None;
    let mut asked = Vec::new();
    for line in headers.get_all(header::ACCEPT) {
        for range in line.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            if kind.is_empty() {
                continue;
            }
            let quality = parts.find_map(|p| p.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            let format = match kind.as_str() {
                "application/json" | "application/*" | "*/*" => Some(Format::Json),
                "text/csv" | "application/csv" | "text/*" => Some(Format::Csv),
                other => Format::of_arrow(other),
            };
            if let Some(format) = format
                && quality > best.map_or(0.0, |(q, _)| q)
            {
                best = Some((quality, format));
            }
            asked.push(kind);
        }
    }
    match best {
        Some((_, format)) => Ok(format),
        None if asked.is_empty() => Ok(Format::Json),
        None => {
            let asked = asked.join(", ");
            Err(Error::unsupported(format!("nothing of `{asked}` can be answered; expected {TAKEN}"))
                .with_code("not_acceptable"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn what_comes_in() {
        let read = |s: &str| read_as(&headers(header::CONTENT_TYPE, s));
        assert_eq!(read_as(&HeaderMap::new()).unwrap(), Format::Json);
        assert_eq!(read("Text/CSV; charset=utf-8").unwrap(), Format::Csv);
        assert_eq!(read("application/problem+json").unwrap(), Format::Json);
        assert_eq!(read("application/x-www-form-urlencoded").unwrap(), Format::Json);
        assert_eq!(read("application/vnd.apache.arrow.stream").unwrap(), Format::ArrowStream);
        assert_eq!(read("application/vnd.apache.arrow.file").unwrap(), Format::ArrowFile);
        assert_eq!(read("image/png").unwrap_err().code(), "unsupported_media_type");
    }

    #[test]
    fn what_goes_out() {
        let write = |s: &str| write_as(&headers(header::ACCEPT, s));
        assert_eq!(write_as(&HeaderMap::new()).unwrap(), Format::Json);
        assert_eq!(write("*/*").unwrap(), Format::Json);
        assert_eq!(write("text/csv, */*").unwrap(), Format::Csv);
        assert_eq!(write("text/csv;q=0.4, application/json;q=0.9").unwrap(), Format::Json);
        assert_eq!(write("text/html, text/csv;q=0.2").unwrap(), Format::Csv);
        let both = "text/csv;q=0.3, application/vnd.apache.arrow.stream";
        assert_eq!(write(both).unwrap(), Format::ArrowStream);
        assert_eq!(write("application/vnd.apache.arrow.file").unwrap(), Format::ArrowFile);
        assert_eq!(write("image/png, text/csv;q=0").unwrap_err().code(), "not_acceptable");
    }
}
