//! A value held to a JSON schema: passes through, or says where it does not fit.

use super::place::Place;
use async_trait::async_trait;
use lyceum_core::{Context, Error, Result, Runnable, Schema, Signature, Value};
use lyceum_data::yaml::Node;

/// Passes what fits.
pub(super) struct Checked {
    schema: serde_json::Value,
    validator: jsonschema::Validator,
}

impl Checked {
    /// Of a schema in a file.
    ///
    /// # Errors
    /// What is no JSON schema.
    pub(super) fn read(node: &Node, key: &str) -> Result<Self> {
        let schema = node.to_json();
        let validator = jsonschema::validator_for(&schema)
            .map_err(|e| Place::of(node, key).wrong(format!("not a JSON schema: {e}")))?;
        Ok(Self { schema, validator })
    }
}

#[async_trait]
impl Runnable for Checked {
    fn name(&self) -> &str {
        "schema"
    }

    fn signature(&self) -> Signature {
        Signature::new(Schema::any(), Schema(self.schema.clone()))
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        cx.check()?;
        let fault = self.validator.iter_errors(&input.to_json()).next().map(|e| {
            let at = e.instance_path().to_string();
            let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
            Error::invalid(format!("the answer does not fit its schema{at}: {e}"))
                .with_code("OUTPUT_PARSING_FAILURE")
        });
        fault.map_or(Ok(input), Err)
    }
}
