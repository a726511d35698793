//! JSON Schemas of what goes in and out of a runnable.

use serde_json::{Value as Json, json};

/// A JSON Schema document (draft 2020-12).
#[derive(Debug, Clone, PartialEq)]
pub struct Schema(pub Json);

impl Schema {
    /// Accepts anything.
    pub fn any() -> Self {
        Self(Json::Bool(true))
    }

    /// A type by its JSON name: `string`, `number`, `object`, …
    pub fn of(json_type: &str) -> Self {
        Self(json!({ "type": json_type }))
    }

    /// An object that must have these properties.
    pub fn object<'a>(properties: impl IntoIterator<Item = (&'a str, Schema)>) -> Self {
        let properties: serde_json::Map<String, Json> =
            properties.into_iter().map(|(k, v)| (k.to_string(), v.0)).collect();
        let required: Vec<&String> = properties.keys().collect();
        Self(json!({ "type": "object", "required": required, "properties": properties }))
    }

    /// A list of something.
    pub fn list(items: Schema) -> Self {
        Self(json!({ "type": "array", "items": items.0 }))
    }
}

/// What a runnable takes, gives, and lets a caller set per call.
#[derive(Debug, Clone, PartialEq)]
pub struct Signature {
    /// Schema of the input.
    pub input: Schema,
    /// Schema of the output.
    pub output: Schema,
    /// Schema of the configurable settings.
    pub settings: Schema,
}

impl Signature {
    /// With no settings.
    pub fn new(input: Schema, output: Schema) -> Self {
        Self { input, output, settings: Schema::object([]) }
    }

    /// Anything to anything.
    pub fn any() -> Self {
        Self::new(Schema::any(), Schema::any())
    }
}
