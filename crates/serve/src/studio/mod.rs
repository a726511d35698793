//! The Studio: the server's own web page, and what it reads that no other protocol tells. Plain files, embedded in the
//! program; nothing is loaded from elsewhere.

mod assets;
mod login;
mod overview;
pub(crate) mod page;
mod project;
mod runs;
pub(crate) mod session;

use crate::state::Shared;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use lyceum_store::db::TraceReader;
use std::path::PathBuf;
use std::sync::Arc;

/// What the Studio has beside the server's models.
#[derive(Default)]
pub(crate) struct Studio {
    /// A folder whose files stand in for the embedded ones, for whoever edits them.
    pub(crate) files: Option<PathBuf>,
    /// What was recorded.
    pub(crate) traces: Option<Arc<TraceReader>>,
    /// Whether `/` is its page for browsers.
    pub(crate) at_root: bool,
}

impl Studio {
    /// One with the embedded files, or those of the folder in `LYCEUM_STUDIO_DIR`.
    pub(crate) fn new() -> Self {
        let files = std::env::var_os("LYCEUM_STUDIO_DIR").filter(|d| !d.is_empty()).map(PathBuf::from);
        Self { files, ..Self::default() }
    }
}

/// Its routes. The page itself is at `/`, too.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/studio", get(page::route))
        .route("/studio/assets/{*name}", get(assets::route))
        .route("/studio/api/session", get(login::session))
        .route("/studio/api/login", post(login::login))
        .route("/studio/api/logout", post(login::logout))
        .route("/studio/api/overview", get(overview::route))
        .route("/studio/api/project", get(project::state))
        .route("/studio/api/runs", get(runs::list))
        .route("/studio/api/runs/{id}", get(runs::tree))
        .route("/studio/api/runs/{id}/content", get(runs::content))
        .route("/studio/api/runs/{id}/events", get(runs::events))
        .route("/studio/reports/{name}/{*file}", get(project::report))
        .layer(map_response(private))
}

/// Nothing that tells of somebody's work is kept by a browser; files say for themselves.
async fn private(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
