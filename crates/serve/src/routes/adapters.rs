//! `POST /v1/load_lora_adapter` and `/v1/unload_lora_adapter`, with vLLM's keys: adapters loaded, replaced and forgotten
//! while the server runs. Only places below the server's own adapter folders can be named, and nothing where it has none.

use super::answer;
use crate::body;
use crate::error::Dialect;
use crate::state::{App, Shared};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use lyceum_core::{Adapters, Engine, Error, ErrorKind, Result};
use serde::Deserialize;
use std::sync::Arc;

/// Which adapter to load, from where.
#[derive(Deserialize)]
struct Load {
    lora_name: String,
    /// A folder below one of the server's, or what the server fetches.
    lora_path: String,
    /// Replace one that has the name.
    #[serde(default)]
    load_inplace: bool,
    /// Replace it only if it is of this generation.
    expected_generation: Option<String>,
}

#[derive(Deserialize)]
struct Unload {
    lora_name: String,
}

pub(crate) async fn load(State(app): State<Shared>, request: Request) -> Response {
    let done = async {
        let r: Load = body::json(request, &app.limits).await?;
        let base = base(&app)?;
        let adapters = open(&base)?;
        let source = adapters.resolve(&r.lora_path).map_err(|e| e.at_key("lora_path"))?;
        let name = r.lora_name.as_str();
        if base.model().name == name {
            let e = Error::new(ErrorKind::Conflict, format!("`{name}` is the base model"));
            return Err(e.at_key("lora_name"));
        }
        let info = match &r.expected_generation {
            Some(expected) => adapters.replace(name, source, expected).await?,
            None if adapters.info(name).is_some() && !r.load_inplace => {
                let e = Error::new(ErrorKind::Conflict, format!("there is an adapter `{name}` already"));
                return Err(e.at_key("lora_name").hint("set load_inplace to replace it"));
            }
            None => adapters.load(name, source).await?,
        };
        Ok(Json(info).into_response())
    };
    answer(Dialect::OpenAi, done.await)
}

pub(crate) async fn unload(State(app): State<Shared>, request: Request) -> Response {
    let done = async {
        let r: Unload = body::json(request, &app.limits).await?;
        let base = base(&app)?;
        open(&base)?.unload(&r.lora_name).await?;
        Ok(Json(serde_json::json!({ "unloaded": r.lora_name })).into_response())
    };
    answer(Dialect::OpenAi, done.await)
}

fn base(app: &App) -> Result<Arc<dyn Engine>> {
    app.models().base().cloned()
}

/// The adapters, where requests may change them.
fn open(base: &Arc<dyn Engine>) -> Result<&dyn Adapters> {
    let adapters = base.adapters().filter(|a| a.takes_changes());
    adapters.ok_or_else(|| {
        Error::new(ErrorKind::Forbidden, "adapters are not loaded or unloaded by requests here")
            .hint("start the server with --adapters DIR")
    })
}
