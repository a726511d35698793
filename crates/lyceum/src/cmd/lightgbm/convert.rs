//! `task=convert_model`: a model as Rust source without dependencies, as JSON, or as ONNX.

use super::settings::Settings;
use super::train::model;
use super::writable;
use crate::ui::Ui;
use lyceum_core::{Error, Result, write_atomic};
use std::path::PathBuf;

pub(super) fn run(settings: &Settings, ui: &Ui) -> Result<()> {
    let output = PathBuf::from(settings.or("convert_model", "gbdt_prediction.rs"));
    writable(&output)?;
    let language = settings.or("convert_model_language", "rust");
    let model = model(settings)?;
    let bytes = match (language, output.extension().and_then(|e| e.to_str())) {
        (_, Some("json")) | ("json", _) => model.dump().to_string().into_bytes(),
        (_, Some("onnx")) | ("onnx", _) => model.to_onnx()?,
        ("rust", _) => model.to_rust().into_bytes(),
        (other, _) => {
            let e = Error::unsupported(format!("`{other}` is not written; rust, json and onnx are"));
            return Err(e.at_key("convert_model_language"));
        }
    };
    write_atomic(&output, &bytes)?;
    let report = serde_json::json!({ "task": "convert_model", "file": output, "bytes": bytes.len() });
    ui.result(&report, |_| format!("written: {}\n", output.display()))
}
