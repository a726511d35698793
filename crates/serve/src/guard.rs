//! What every request passes first: its name must be ours (DNS rebinding), no foreign page may have sent it, its key
//! must be good; it gets an id and is counted.

use crate::error::{Dialect, respond};
use crate::state::{Shared, fresh_id};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use lyceum_core::{Error, ErrorKind, Result};
use std::net::IpAddr;
use std::time::Instant;

/// By which names the server may be called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Door {
    /// Listens on this machine alone.
    pub(crate) loopback: bool,
    /// Further host names that are fine.
    pub(crate) hosts: Vec<String>,
}

impl Door {
    /// Fails when the request was meant for another host, or was sent by another site's page.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<()> {
        let refuse = |text: String| Err(Error::new(ErrorKind::Forbidden, text));
        let host = text(headers, header::HOST).unwrap_or_default();
        if self.loopback && !self.ours(host) {
            return refuse(format!(
                "the host \"{host}\" is not served here; use localhost, or start with --allow-host"
            ));
        }
        // Browsers name the page that sends; other clients do not.
        match text(headers, header::ORIGIN) {
            Some(origin) if !self.same_site(origin, host) => {
                refuse(format!("pages of \"{origin}\" may not use this server"))
            }
            Some(_) => Ok(()),
            None if foreign(headers) => refuse("pages of other sites may not use this server".into()),
            None => Ok(()),
        }
    }

    fn ours(&self, host: &str) -> bool {
        let name = name_of(host);
        let local =
            name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        local || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name))
    }

    fn same_site(&self, origin: &str, host: &str) -> bool {
        let Some((_, site)) = origin.split_once("://") else { return false };
        site.eq_ignore_ascii_case(host) || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name_of(site)))
    }
}

/// Whether a browser says that another site's page loads this, other than by leading its reader here.
fn foreign(headers: &HeaderMap) -> bool {
    let says = |name: &'static str, word: &str| headers.get(name).is_some_and(|v| v == word);
    let other = says("sec-fetch-site", "cross-site") || says("sec-fetch-site", "same-site");
    let led = says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document");
    other && !led
}

/// The name without port and brackets.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    host.split(':').next().unwrap_or(host)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).map(|v| v.to_str().unwrap_or("?"))
}

/// The middleware around all routes.
pub(crate) async fn pass(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let path = request.uri().path().to_string();
    let id = request_id(request.headers());
    let route =
        request.extensions().get::<MatchedPath>().map_or("other".to_string(), |p| p.as_str().to_string());
    let allowed = app
        .door
        .check(request.headers())
        .and_then(|()| app.keys.check(request.method(), &path, request.headers()));
    let mut response = match allowed {
        Ok(()) => next.run(request).await,
        Err(e) => respond(Dialect::of(&path), &e),
    };
    app.metrics.answered(&route, response.status().as_u16());
    let headers = response.headers_mut();
    headers.insert("x-request-id", id);
    headers.insert("openai-processing-ms", HeaderValue::from(start.elapsed().as_millis() as u64));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The client's id, when it is a short plain word; a new one otherwise.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get("x-request-id").filter(|v| {
        v.len() <= 128
            && v.as_bytes()
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
    });
    let given = given.filter(|v| !v.is_empty()).cloned();
    given.unwrap_or_else(|| {
        HeaderValue::from_str(&fresh_id("req_")).unwrap_or(HeaderValue::from_static("req_0"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(door: &Door, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        door.check(&headers).is_ok()
    }

    #[test]
    fn other_sites_may_lead_here_and_no_more() {
        let door = Door { loopback: true, hosts: vec![] };
        let judge = |fetch: [&str; 3]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost:8080".parse().unwrap());
            for (name, value) in ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"].into_iter().zip(fetch)
            {
                headers.insert(name, value.parse().unwrap());
            }
            door.check(&headers).is_ok()
        };
        assert!(judge(["same-origin", "cors", "empty"]) && judge(["none", "navigate", "document"]));
        assert!(judge(["cross-site", "navigate", "document"]), "a link");
        assert!(!judge(["cross-site", "navigate", "iframe"]) && !judge(["cross-site", "no-cors", "image"]));
        assert!(!judge(["same-site", "no-cors", "script"]), "another port of this machine");
    }

    #[test]
    fn only_our_own_names_and_pages() {
        let door = Door { loopback: true, hosts: vec!["box.lan".into()] };
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST", "box.lan:8080"] {
            assert!(judge(&door, host, None), "{host}");
        }
        for host in ["evil.example:8080", "localhost.evil.example", "", "192.168.0.1", "127.0.0.1.evil"] {
            assert!(!judge(&door, host, None), "{host}");
        }
        assert!(judge(&door, "localhost:8080", Some("http://localhost:8080")));
        assert!(!judge(&door, "localhost:8080", Some("https://evil.example")));
        assert!(!judge(&door, "localhost:8080", Some("null")));
        let public = Door { loopback: false, hosts: vec![] };
        assert!(
            judge(&public, "models.example", None) && !judge(&public, "models.example", Some("http://e"))
        );
    }
}
