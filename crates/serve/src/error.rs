//! Errors of the house as each protocol writes them: one mapping from kind to status, type and code per dialect.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lyceum_core::{Error, ErrorKind};
use lyceum_wire::lorax::LoraxError;
use lyceum_wire::openai::{ErrorBody, ErrorDetail};
use serde_json::json;

/// Who will read the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Lorax,
    Ludwig,
    /// LangServe's and the agent server's: `{"detail": …}`.
    Detail,
}

impl Dialect {
    /// The dialect of a path, for errors that come before any route.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            p if p.starts_with("/v1/") || p.starts_with("/studio") => Self::OpenAi,
            p if p.starts_with("/agents") || p.starts_with("/chains") => Self::Detail,
            p if p.starts_with("/predict") || p.starts_with("/batch_predict") => Self::Ludwig,
            _ => Self::Lorax,
        }
    }
}

/// The answer to a failed request.
pub(crate) fn respond(dialect: Dialect, e: &Error) -> Response {
    if e.kind() == ErrorKind::Internal {
        eprintln!("internal error: {e}");
    }
    let status = status(dialect, e);
    let mut response = match dialect {
        Dialect::OpenAi => (status, Json(openai(e))).into_response(),
        Dialect::Lorax => (status, Json(lorax(e))).into_response(),
        Dialect::Ludwig => (status, Json(json!({ "error": text(e) }))).into_response(),
        Dialect::Detail => (status, Json(json!({ "detail": detail(e) }))).into_response(),
    };
    if matches!(status.as_u16(), 429 | 503) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn status(dialect: Dialect, e: &Error) -> StatusCode {
    let code = match (e.code(), e.kind(), dialect) {
        ("request_timeout", ..) => 408,
        ("method_not_allowed", ..) => 405,
        ("not_acceptable", ..) => 406,
        ("unsupported_media_type", ..) => 415,
        (
            _,
            ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::Corrupt,
            Dialect::Lorax | Dialect::Detail,
        ) => 422,
        (_, ErrorKind::Internal | ErrorKind::Exhausted | ErrorKind::Io, Dialect::Lorax) => 424,
        (_, kind, _) => kind.http_status(),
    };
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The error body of the OpenAI dialect.
pub(crate) fn openai(e: &Error) -> ErrorBody {
    use ErrorKind as K;
    let (kind, code) = match e.kind() {
        K::Unauthorized => ("authentication_error", "invalid_api_key"),
        K::Forbidden => ("permission_error", "permission_denied"),
        K::Overloaded => ("rate_limit_error", "rate_limit_exceeded"),
        K::TooLarge => ("invalid_request_error", "request_too_large"),
        K::Unsupported => ("invalid_request_error", "unsupported_parameter"),
        K::NotFound => ("invalid_request_error", "not_found"),
        K::Invalid | K::Corrupt | K::Conflict => ("invalid_request_error", "invalid_value"),
        K::Timeout => ("server_error", "timeout"),
        _ => ("server_error", "server_error"),
    };
    let code = if e.has_code() { e.code() } else { code };
    ErrorBody {
        error: ErrorDetail {
            message: text(e),
            kind: kind.into(),
            param: e.at().key.clone(),
            code: Some(code.into()),
        },
    }
}

/// The error body of the LoRAX dialect.
pub(crate) fn lorax(e: &Error) -> LoraxError {
    use ErrorKind as K;
    let (error, kind) = match e.kind() {
        K::Invalid | K::Unsupported | K::Corrupt => {
            (format!("Input validation error: {}", text(e)), "validation")
        }
        K::Overloaded => ("Model is overloaded".to_string(), "overloaded"),
        K::Unavailable => ("unhealthy".to_string(), "healthcheck"),
        K::Internal if e.code() == "incomplete_generation" => {
            ("Incomplete generation".to_string(), "incomplete_generation")
        }
        K::Internal | K::Exhausted | K::Io => {
            (format!("Request failed during generation: {}", text(e)), "generation")
        }
        _ => (text(e), e.code()),
    };
    LoraxError { error, error_type: kind.into() }
}

/// The words of the `detail` dialect: what and where.
fn detail(e: &Error) -> String {
    match &e.at().key {
        _ if e.code() == "unknown_url" => "Not Found".into(),
        _ if e.code() == "method_not_allowed" => "Method Not Allowed".into(),
        Some(key) => format!("{key}: {}", text(e)),
        None => text(e),
    }
}

/// What a client is told: never the inside of the house.
fn text(e: &Error) -> String {
    if matches!(e.kind(), ErrorKind::Internal | ErrorKind::Io) {
        return "internal error; the server's log has more".into();
    }
    let mut text = e.message().to_string();
    for hint in e.hints() {
        text.push_str("; ");
        text.push_str(hint);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_shape_and_no_secrets() {
        let e = Error::invalid("temperature is NaN").at_key("temperature");
        let body = openai(&e).error;
        assert_eq!(
            (body.kind.as_str(), body.param.as_deref()),
            ("invalid_request_error", Some("temperature"))
        );
        assert_eq!(status(Dialect::OpenAi, &e), 400);
        assert_eq!(status(Dialect::Lorax, &e), 422);
        assert_eq!(lorax(&e).error, "Input validation error: temperature is NaN");
        let inside = Error::internal("secret path /x");
        assert!(!openai(&inside).error.message.contains("secret"));
        assert!(!lorax(&inside).error.contains("secret"));
    }
}
