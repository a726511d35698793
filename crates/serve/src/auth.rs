//! Who may come in: API keys, once there are any, on every route that does something. A browser that has signed in to
//! the Studio with a key comes in with a session instead; what it changes needs the session's token too.

use crate::studio::session::{CSRF, Session, Sessions};
use axum::http::{HeaderMap, Method, header};
use lyceum_core::{Error, ErrorKind, Result};
use lyceum_store::db::{ApiKey, Db, Scope};
use std::sync::Arc;

/// The keys of a server, and who has signed in with them.
#[derive(Default)]
pub(crate) struct Keys {
    db: Option<Arc<Db>>,
    required: bool,
    pub(crate) sessions: Sessions,
}

/// Paths that tell nothing and are open to probes; the Studio's empty page and the way in.
const OPEN: [&str; 6] = ["/", "/health", "/ping", "/startup", "/studio", "/studio/api/session"];

impl Keys {
    /// `required`: the server listens beyond this machine, so that without a live key nobody comes in.
    pub(crate) fn new(db: Option<Arc<Db>>, required: bool) -> Self {
        Self { db, required, sessions: Sessions::default() }
    }

    /// Fails unless the request may use this path.
    pub(crate) fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<()> {
        if open(method, path) || !self.in_force()? {
            return Ok(());
        }
        let found = match bearer(headers) {
            Some(presented) => self.key(presented)?.ok_or_else(|| denied("the API key is not valid"))?,
            None => {
                let (key, session) = self
                    .signed_in(headers)?
                    .ok_or_else(|| denied("an API key is required, as `Authorization: Bearer KEY`"))?;
                if !method.is_safe() {
                    same_page(&session, headers)?;
                }
                key
            }
        };
        let needed = scope(path);
        if found.allows(needed) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Forbidden, "this key does not allow that")
            .hint(format!("it needs a key with the scope {}", needed.as_str())))
    }

    /// Whether anybody needs a key here.
    pub(crate) fn in_force(&self) -> Result<bool> {
        Ok(self.required || self.db.as_ref().is_some_and(|db| db.has_keys().unwrap_or(true)))
    }

    /// The live key that somebody presents.
    pub(crate) fn key(&self, presented: &str) -> Result<Option<ApiKey>> {
        self.db.as_ref().map_or(Ok(None), |db| db.find_key(presented))
    }

    /// The session that a browser's cookie names, and its key while that lives.
    pub(crate) fn signed_in(&self, headers: &HeaderMap) -> Result<Option<(ApiKey, Session)>> {
        let (Some(db), Some(session)) = (&self.db, self.sessions.of(headers)) else { return Ok(None) };
        Ok(db.live_key(&session.key)?.map(|key| (key, session)))
    }
}

fn open(method: &Method, path: &str) -> bool {
    if method == Method::GET {
        return OPEN.contains(&path) || path.starts_with("/studio/assets/");
    }
    method == Method::POST && path == "/studio/api/login"
}

/// Traces hold what everybody has asked and been told, a project's report its data: not for every key.
fn scope(path: &str) -> Scope {
    let private = ["/studio/api/runs", "/studio/api/project", "/studio/reports/"];
    if private.iter().any(|p| path.starts_with(p)) { Scope::Admin } else { Scope::Infer }
}

fn same_page(session: &Session, headers: &HeaderMap) -> Result<()> {
    let token = headers.get(CSRF).map(|v| v.as_bytes()).unwrap_or_default();
    if session.is_of_page(token) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Forbidden, format!("the header {CSRF} is missing or not this session's")))
}

fn denied(text: &str) -> Error {
    Error::new(ErrorKind::Unauthorized, text.to_string()).with_code("invalid_api_key")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|k| !k.is_empty())
}
