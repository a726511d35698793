//! Signing in to the Studio with an API key, and out again. Wrong keys are answered slowly, the slower the more there
//! were of late.

use super::session::{LIFE, Session, cookie_name};
use crate::body;
use crate::error::Dialect;
use crate::routes::answer;
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lyceum_core::{Error, ErrorKind, Result};
use lyceum_store::db::ApiKey;
use serde::Deserialize;
use serde_json::json;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// `GET /studio/api/session`: whether one must sign in here, and who has.
pub(crate) async fn session(State(app): State<Shared>, headers: HeaderMap) -> Response {
    let done = || {
        let needed = app.keys.in_force()?;
        let signed = if needed { app.keys.signed_in(&headers)? } else { None };
        Ok(match signed {
            Some((key, session)) => told(&key, &session),
            None => Json(json!({ "login": needed, "signed_in": false })).into_response(),
        })
    };
    answer(Dialect::OpenAi, done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    key: String,
}

/// `POST /studio/api/login`: a key for a session.
pub(crate) async fn login(State(app): State<Shared>, request: Request) -> Response {
    let headers = request.headers().clone();
    answer(Dialect::OpenAi, begin(&app, &headers, request).await)
}

async fn begin(app: &App, headers: &HeaderMap, request: Request) -> Result<Response> {
    let login: Login = body::json(request, &app.limits).await?;
    if !app.keys.in_force()? {
        return Err(Error::invalid("this server has no API keys: nobody needs to sign in"));
    }
    let Some(key) = app.keys.key(login.key.trim())? else {
        let _turn = TURNS.try_acquire().map_err(|_| {
            Error::new(ErrorKind::Overloaded, "too many wrong keys are being tried").with_code("queue_full")
        })?;
        tokio::time::sleep(FAILED.another()).await;
        return Err(Error::new(ErrorKind::Unauthorized, "this is no live API key of this server")
            .with_code("invalid_api_key"));
    };
    let (name, session) = app.keys.sessions.begin(&key.id)?;
    let mut response = told(&key, &session);
    set_cookie(&mut response, headers, &name, LIFE)?;
    Ok(response)
}

/// `POST /studio/api/logout`.
pub(crate) async fn logout(State(app): State<Shared>, headers: HeaderMap) -> Response {
    app.keys.sessions.end(&headers);
    let mut response = StatusCode::NO_CONTENT.into_response();
    let done = set_cookie(&mut response, &headers, "", Duration::ZERO);
    answer(Dialect::OpenAi, done.map(|()| response))
}

fn told(key: &ApiKey, session: &Session) -> Response {
    Json(json!({
        "login": true, "signed_in": true, "csrf": session.csrf, "name": key.name, "scopes": key.scopes,
    }))
    .into_response()
}

fn set_cookie(response: &mut Response, headers: &HeaderMap, value: &str, life: Duration) -> Result<()> {
    let name = cookie_name(headers);
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}", life.as_secs());
    let value = HeaderValue::from_str(&text).map_err(|e| Error::internal(e.to_string()))?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(())
}

/// Wrong keys that wait for their answer at once; whoever has a right one never waits.
static TURNS: Semaphore = Semaphore::const_new(16);
static FAILED: Failures = Failures(Mutex::new(None));

/// Wrong keys of the last minute.
struct Failures(Mutex<Option<(u32, Instant)>>);

impl Failures {
    const QUIET: Duration = Duration::from_secs(60);

    /// Counts one; how long its answer waits: a quarter of a second, doubled with each further one, at most four.
    fn another(&self) -> Duration {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.filter(|(_, last)| last.elapsed() < Self::QUIET).map_or(0, |(n, _)| n);
        *state = Some((before.saturating_add(1), Instant::now()));
        Duration::from_millis(250 << before.min(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_keys_are_answered_slower_and_slower() {
        let failures = Failures(Mutex::new(None));
        let waits: Vec<u128> = (0..7).map(|_| failures.another().as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 4000, 4000]);
        *failures.0.lock().unwrap() = Instant::now().checked_sub(Duration::from_secs(61)).map(|t| (9, t));
        assert_eq!(failures.another().as_millis(), 250, "a quiet minute is forgiven");
    }
}
