//! A trained model as a `Runnable`: an object of columns in, an object of prediction columns out; lists and tables
//! likewise, row by row.

use crate::model::TabularModel;
use crate::prepared::FittedInput;
use async_trait::async_trait;
use lyceum_core::{Context, Error, Result, Runnable, Schema, Signature, Value};
use lyceum_data::Raw;
use std::path::Path;
use std::sync::Arc;

/// A loaded model that predicts.
#[derive(Clone)]
pub struct Predictor {
    name: Arc<str>,
    model: Arc<TabularModel>,
}

/// Loads a model's folder; its name is that of the folder, or of the one above a folder called `model`.
pub fn load(folder: impl AsRef<Path>) -> Result<Predictor> {
    let folder = folder.as_ref();
    let name_of = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
    let own = name_of(folder);
    let above = folder.parent().and_then(name_of);
    let name = if own.as_deref() == Some("model") { above.or(own) } else { own };
    let model = Arc::new(TabularModel::load(folder)?);
    Ok(Predictor { name: name.unwrap_or_else(|| "model".into()).into(), model })
}

impl Predictor {
    /// A model under a name.
    pub fn new(name: &str, model: TabularModel) -> Self {
        Self { name: name.into(), model: Arc::new(model) }
    }

    /// The model.
    pub fn model(&self) -> &TabularModel {
        &self.model
    }

    /// Names of the input columns that an input lacks.
    pub fn missing_inputs(&self, input: &Value) -> Result<Vec<String>> {
        Ok(self.model.prepared.missing_inputs(&Raw::from_value(input)?))
    }

    /// Predicts every row of a table of text cells: one object a row.
    pub fn predict(&self, raw: &Raw) -> Result<Vec<Value>> {
        let missing = self.model.prepared.missing_inputs(raw);
        if !missing.is_empty() {
            let list = missing.iter().map(|m| format!("\"{m}\"")).collect::<Vec<_>>().join(", ");
            let e =
                raw.place(Error::invalid(format!("the input lacks columns that the model needs: {list}")));
            return Err(e.with_code("missing_input_features"));
        }
        let scores = self.model.scores(raw)?;
        Ok(self.model.prepared.prediction_rows(&scores, raw.rows()))
    }

    /// As [`Predictor::predict`], with `OUTPUT_contributions` beside each output's predictions: the shares of the
    /// features in its raw score (see [`crate::explain::Shares::objects`]).
    ///
    /// # Errors
    /// As [`TabularModel::contributions`].
    pub fn explain(&self, raw: &Raw) -> Result<Vec<Value>> {
        let mut rows = self.predict(raw)?;
        for shares in self.model.contributions(raw)? {
            let key: Arc<str> = shares.key().into();
            for (row, object) in rows.iter_mut().zip(shares.objects()?) {
                if let Value::Map(row) = row {
                    Arc::make_mut(row).insert(key.clone(), object);
                }
            }
        }
        Ok(rows)
    }

    /// Predicts as the context wants it: its setting `contributions` may be true.
    fn answer(&self, raw: &Raw, cx: &Context) -> Result<Vec<Value>> {
        match cx.setting("contributions") {
            None | Some(Value::Null | Value::Bool(false)) => self.predict(raw),
            Some(Value::Bool(true)) => self.explain(raw),
            Some(other) => {
                let message = format!("expected true or false, got {}", other.to_json());
                Err(Error::invalid(message).at_key("contributions"))
            }
        }
    }
}

#[async_trait]
impl Runnable for Predictor {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        let prepared = &self.model.prepared;
        let kind = |f: &FittedInput| match f {
            FittedInput::Number(_) => Schema(serde_json::json!({ "type": ["number", "string", "null"] })),
            FittedInput::Binary(_) => {
                Schema(serde_json::json!({ "type": ["boolean", "string", "number", "null"] }))
            }
            FittedInput::Category(_) => {
                Schema(serde_json::json!({ "type": ["string", "number", "boolean", "null"] }))
            }
            FittedInput::Text(_) => Schema(serde_json::json!({ "type": ["string", "null"] })),
        };
        let input = Schema::object(prepared.inputs.iter().map(|f| (f.column.as_str(), kind(&f.fitted))));
        let outputs: Vec<(String, Schema)> =
            prepared.outputs.iter().map(|o| (format!("{}_predictions", o.name), Schema::any())).collect();
        Signature::new(input, Schema::object(outputs.iter().map(|(n, s)| (n.as_str(), s.clone()))))
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        let rows = self.answer(&Raw::from_value(&input)?, cx)?;
        match input {
            Value::Map(_) => {
                rows.into_iter().next().ok_or_else(|| Error::internal("a row without a prediction"))
            }
            _ => Ok(rows.into_iter().collect()),
        }
    }

    /// Objects are predicted together; if that fails, one by one, so that a bad row fails alone.
    async fn batch(&self, inputs: Vec<Value>, cx: &Context) -> Vec<Result<Value>> {
        if inputs.iter().all(|i| i.as_map().is_some()) && cx.check().is_ok() {
            let together: Value = inputs.iter().cloned().collect();
            if let Ok(rows) = Raw::from_value(&together).and_then(|raw| self.answer(&raw, cx)) {
                return rows.into_iter().map(Ok).collect();
            }
        }
        let mut out = Vec::with_capacity(inputs.len());
        for input in inputs {
            out.push(self.invoke(input, cx).await);
        }
        out
    }
}
