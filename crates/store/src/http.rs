//! The one HTTP client of pulls: TLS by rustls with the system's certificates (`SSL_CERT_FILE` is respected),
//! proxies from the environment, limits on time and redirects. Nothing else in the house opens outgoing
//! connections through it.

use lyceum_core::{Error, ErrorKind, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use std::time::Duration;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
const REDIRECTS: usize = 10;

/// Whether redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redirects {
    Follow,
    Stop,
}

/// Chooses ring for TLS in this process, unless somebody has chosen already. HTTP clients of other crates need it
/// before they are built.
pub fn ensure_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

pub(crate) fn client(redirects: Redirects) -> Result<Client> {
    ensure_tls_provider();
    let policy = match redirects {
        Redirects::Stop => Policy::none(),
        Redirects::Follow => Policy::custom(|attempt| {
            if attempt.previous().len() > REDIRECTS {
                attempt.error(format!("more than {REDIRECTS} redirects"))
            } else if check_url(attempt.url()).is_err() {
                let to = attempt.url().scheme().to_string();
                attempt.error(format!("a redirect leads to unsafe {to}"))
            } else {
                attempt.follow()
            }
        }),
    };
    Client::builder()
        .user_agent(concat!("lyceum/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(SILENCE_LIMIT)
        .redirect(policy)
        .build()
        .map_err(|e| Error::internal(format!("cannot set up HTTP: {}", chain(&e))))
}

/// An address that may be fetched: https, or http to this machine alone; no credentials within.
pub(crate) fn parse_url(text: &str) -> Result<Url> {
    let url =
        Url::parse(text).map_err(|e| Error::invalid(format!("\"{}\" is not a URL: {e}", bare(text))))?;
    check_url(&url)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::invalid("a URL must not carry a password").hint("for the hub set HF_TOKEN"));
    }
    Ok(url)
}

fn check_url(url: &Url) -> Result<()> {
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        other => Err(Error::invalid(format!("`{other}://` is not fetched, only `https://`"))),
    }
}

/// `Authorization: Bearer …`, never shown in logs.
pub(crate) fn bearer(token: &str) -> Result<HeaderMap> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| Error::invalid("HF_TOKEN holds characters that no token has"))?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// A failed request in words, without the query of its address (it may hold a signature).
pub(crate) fn failed(url: &Url, e: &reqwest::Error) -> Error {
    let kind = if e.is_timeout() {
        ErrorKind::Timeout
    } else if e.is_redirect() {
        ErrorKind::Invalid
    } else {
        ErrorKind::Unavailable
    };
    if !e.is_connect() {
        return Error::new(kind, format!("cannot read from {}: {}", host(url), chain(e)));
    }
    Error::new(kind, format!("cannot connect to {}: {}", host(url), chain(e)))
        .hint("is this machine online? A proxy is named by HTTPS_PROXY, a mirror of the hub by HF_ENDPOINT")
        .hint("a model that is on this machine already: `lyceum pull PATH --name NAME`")
}

/// A status that is not success, in words.
pub(crate) fn refused(url: &Url, status: StatusCode) -> Error {
    let kind = match status.as_u16() {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden,
        404 | 410 => ErrorKind::NotFound,
        429 => ErrorKind::Overloaded,
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, format!("{} answered {status}", bare(url.as_str())))
}

/// An address without query and fragment.
pub(crate) fn bare(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

fn host(url: &Url) -> String {
    let port = url.port().map_or(String::new(), |p| format!(":{p}"));
    format!("{}{port}", url.host_str().unwrap_or("?"))
}

/// The innermost reason, which names the actual fault (`connection refused`, `certificate expired`).
fn chain(e: &dyn std::error::Error) -> String {
    let mut innermost = e;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_addresses_are_fetched() {
        assert!(parse_url("https://example.org/x.gguf").is_ok());
        assert!(parse_url("http://127.0.0.1:9/x.gguf").is_ok());
        for bad in ["http://example.org/x", "file:///etc/passwd", "https://u:p@example.org/x", "nonsense"] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_with_a_line_break_is_refused_without_showing_it() {
        let e = bearer("se\ncret").unwrap_err().to_string();
        assert!(!e.contains("cret"), "{e}");
    }
}
