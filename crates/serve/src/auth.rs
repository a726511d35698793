//! Who may come in: API keys, once there are any, on every route that does something.

use axum::http::{HeaderMap, header};
use lyceum_core::{Error, ErrorKind, Result};
use lyceum_store::db::{Db, Scope};
use std::sync::Arc;

/// The keys of a server.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    db: Option<Arc<Db>>,
    required: bool,
}

/// Paths that tell nothing and are open to probes.
const OPEN: [&str; 4] = ["/", "/health", "/ping", "/startup"];

impl Keys {
    /// `required`: the server listens beyond this machine, so that without a live key nobody comes in.
    pub(crate) fn new(db: Option<Arc<Db>>, required: bool) -> Self {
        Self { db, required }
    }

    /// Fails unless the request may use this path.
    pub(crate) fn check(&self, method: &axum::http::Method, path: &str, headers: &HeaderMap) -> Result<()> {
        let open = OPEN.contains(&path) && method == axum::http::Method::GET;
        if open || !self.in_force()? {
            return Ok(());
        }
        let denied =
            |text: &str| Error::new(ErrorKind::Unauthorized, text.to_string()).with_code("invalid_api_key");
        let Some(presented) = bearer(headers) else {
            return Err(denied("an API key is required, as `Authorization: Bearer KEY`"));
        };
        let found = match &self.db {
            Some(db) => db.find_key(presented)?,
            None => None,
        };
        match found {
            Some(key) if key.allows(Scope::Infer) => Ok(()),
            Some(_) => Err(Error::new(ErrorKind::Forbidden, "this key does not allow that")),
            None => Err(denied("the API key is not valid")),
        }
    }

    fn in_force(&self) -> Result<bool> {
        Ok(self.required || self.db.as_ref().is_some_and(|db| db.has_keys().unwrap_or(true)))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|k| !k.is_empty())
}
