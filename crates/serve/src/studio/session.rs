//! Sessions of browsers that signed in: a random name in a cookie that scripts cannot read, kept here as its hash, and
//! a second random token that the page sends with whatever changes something. They end after half a day, with their
//! key, or with the server.

use axum::http::{HeaderMap, header};
use lyceum_core::{Error, Result};
use lyceum_store::hash;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The header with the page's token.
pub(crate) const CSRF: &str = "x-lyceum-csrf";
/// How long a session lives.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Most sessions at once; one more ends the oldest.
const MOST: usize = 1000;

/// Who has signed in.
#[derive(Default)]
pub(crate) struct Sessions {
    live: Mutex<HashMap<String, Session>>,
}

/// One of them.
#[derive(Clone)]
pub(crate) struct Session {
    /// Id of its key.
    pub(crate) key: String,
    /// What the page sends along.
    pub(crate) csrf: String,
    ends: Instant,
}

impl Session {
    /// Whether a token is this session's; takes as long wherever they differ.
    pub(crate) fn is_of_page(&self, token: &[u8]) -> bool {
        let own = self.csrf.as_bytes();
        own.len() == token.len() && own.iter().zip(token).fold(0, |d, (a, b)| d | (a ^ b)) == 0
    }
}

impl Sessions {
    /// Begins one for a key: its secret name, for the cookie, and itself.
    pub(crate) fn begin(&self, key: &str) -> Result<(String, Session)> {
        let name = random()?;
        let session = Session { key: key.into(), csrf: random()?, ends: Instant::now() + LIFE };
        let mut live = self.lock();
        live.retain(|_, s| s.ends > Instant::now());
        if live.len() >= MOST
            && let Some(oldest) = live.iter().min_by_key(|(_, s)| s.ends).map(|(n, _)| n.clone())
        {
            live.remove(&oldest);
        }
        live.insert(kept(&name), session.clone());
        Ok((name, session))
    }

    /// The session that a request's cookie names.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Session> {
        let name = kept(cookie(headers)?);
        self.lock().get(&name).filter(|s| s.ends > Instant::now()).cloned()
    }

    /// Ends the session that a request's cookie names.
    pub(crate) fn end(&self, headers: &HeaderMap) {
        if let Some(name) = cookie(headers) {
            self.lock().remove(&kept(name));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cookie's name. Browsers keep one jar for all ports of a host, so the port is in it.
pub(crate) fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, p)| p).filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
    format!("lyceum_{}", port.unwrap_or("80"))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let wanted = cookie_name(headers);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == wanted).then_some(value)
    })
}

fn kept(name: &str) -> String {
    hash::of_bytes(name.as_bytes())
}

fn random() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| Error::internal(format!("no randomness: {e}")))?;
    Ok(hash::hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        let mut h = HeaderMap::new();
        h.insert(header::HOST, "localhost:8080".parse().unwrap());
        h.insert(header::COOKIE, cookie.parse().unwrap());
        h
    }

    #[test]
    fn a_session_is_found_by_its_cookie_until_it_ends() {
        let all = Sessions::default();
        let (name, session) = all.begin("key_1").unwrap();
        assert!(all.lock().keys().all(|kept| *kept != name), "the name itself is not kept");
        let mine = headers(&format!("other=1; lyceum_8080={name}"));
        assert_eq!(all.of(&mine).unwrap().csrf, session.csrf);
        assert!(session.is_of_page(session.csrf.as_bytes()));
        assert!(!session.is_of_page(b"") && !session.is_of_page(&[b'0'; 64]));
        assert!(all.of(&headers(&format!("lyceum_9090={name}"))).is_none(), "another server's");
        assert!(all.of(&headers(&format!("lyceum_8080={}", session.csrf))).is_none());
        all.end(&mine);
        assert!(all.of(&mine).is_none());
    }

    #[test]
    fn there_are_never_too_many() {
        let all = Sessions::default();
        let (first, _) = all.begin("k").unwrap();
        for _ in 0..MOST {
            all.begin("k").unwrap();
        }
        assert_eq!(all.lock().len(), MOST);
        assert!(all.of(&headers(&format!("lyceum_8080={first}"))).is_none(), "the oldest went");
    }
}
