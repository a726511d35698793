//! The page: one HTML file that loads the embedded scripts. Browsers get it at `/`, other clients get JSON there.

use super::assets;
use crate::state::{App, Shared};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

/// Nothing from elsewhere, no script in the page, nobody's frame.
pub(crate) const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// `GET /studio`, and `/` for browsers.
pub(crate) async fn route(State(app): State<Shared>, headers: HeaderMap) -> Response {
    page(&app, &headers)
}

/// The page.
pub(crate) fn page(app: &App, headers: &HeaderMap) -> Response {
    let mut response = assets::respond(app.studio.files.as_deref(), "index.html", headers);
    let to = response.headers_mut();
    to.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    to.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    to.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    to.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    to.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// Whether a client would rather have HTML than JSON: it names HTML, and not JSON with a greater weight.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (mut html, mut json) = (0.0, 0.0);
    for part in accept.split(',') {
        let (kind, rest) = part.split_once(';').unwrap_or((part, ""));
        let weight = rest.split(';').find_map(|p| p.trim().strip_prefix("q=")?.parse::<f32>().ok());
        let place: &mut f32 = match kind.trim().to_ascii_lowercase().as_str() {
            "text/html" | "application/xhtml+xml" => &mut html,
            "application/json" => &mut json,
            _ => continue,
        };
        *place = place.max(weight.unwrap_or(1.0));
    }
    html > json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_browsers_get_the_page() {
        let judge = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            wants_html(&headers)
        };
        assert!(judge("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(judge("text/HTML; q=0.9, application/json;q=0.5"));
        for other in ["*/*", "", "application/json", "application/json, text/html;q=0.5", "text/html;q=0"] {
            assert!(!judge(other), "{other}");
        }
        assert!(!wants_html(&HeaderMap::new()));
    }
}
