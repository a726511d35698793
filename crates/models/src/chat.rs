//! Chat templates: Jinja as Hugging Face runs it (trimmed blocks, Python's string methods, `raise_exception`,
//! `strftime_now`, `tojson` without HTML escapes), with a limit on the work that a template may do.

mod clock;
mod json;

use lyceum_core::{Content, Error, Message, Part, RenderOptions, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};
use serde_json::json;
use std::sync::Arc;

/// Instructions that a template may run: long conversations take some hundred thousand.
const FUEL: u64 = 20_000_000;
const NAME: &str = "chat";

/// A compiled chat template.
#[derive(Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    bos: String,
    eos: String,
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChatTemplate")
    }
}

impl ChatTemplate {
    /// Compiles a template; `bos` and `eos` are the names of the tokens that it may use.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| Error::internal(e.to_string()))?);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", clock::strftime_now);
        environment.add_filter("tojson", json::tojson);
        environment
            .add_template_owned(NAME, without_generation_marks(source))
            .map_err(|e| Error::corrupt(format!("the chat template does not compile: {e:#}")))?;
        Ok(Self { environment: Arc::new(environment), bos: bos.to_string(), eos: eos.to_string() })
    }

    /// A conversation as text.
    pub fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String> {
        let messages: Vec<serde_json::Value> = messages.iter().map(as_template_sees).collect();
        let tools =
            if options.tools.is_empty() { Value::from(()) } else { Value::from(Serde(&options.tools)) };
        let template = self.environment.get_template(NAME).map_err(|e| Error::internal(e.to_string()))?;
        let rendered = template.render(context! {
            messages => Value::from(Serde(&messages)),
            tools => tools,
            documents => (),
            add_generation_prompt => options.add_generation_prompt,
            bos_token => self.bos.as_str(),
            eos_token => self.eos.as_str(),
        });
        rendered.map_err(|e| failed(&e))
    }
}

fn raise_exception(message: String) -> Result<String, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
}

fn failed(e: &minijinja::Error) -> Error {
    let message = match e.kind() {
        ErrorKind::OutOfFuel => "the chat template runs too long".to_string(),
        _ => format!("the chat template refuses these messages: {}", e.detail().unwrap_or("unknown reason")),
    };
    Error::invalid(message)
}

/// `{% generation %}` marks the assistant's part for trainers and renders to nothing.
fn without_generation_marks(source: &str) -> String {
    let mut out = source.to_string();
    for word in ["generation", "endgeneration"] {
        for open in ["{%", "{%-"] {
            for close in ["%}", "-%}"] {
                let tag = format!("{open} {word} {close}");
                let same = format!("{open} if true {close}{open} endif {close}");
                out = out.replace(&tag, &same);
            }
        }
    }
    out
}

fn as_template_sees(m: &Message) -> serde_json::Value {
    let content = match &m.content {
        Content::Text(text) => json!(text),
        Content::Parts(parts) => parts.iter().map(part).collect(),
    };
    let mut out = json!({ "role": m.role.as_str(), "content": content });
    let Some(map) = out.as_object_mut() else { return out };
    if let Some(name) = &m.name {
        map.insert("name".into(), json!(name));
    }
    if !m.tool_calls.is_empty() {
        let call = |c: &lyceum_core::ToolCall| json!({"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}});
        map.insert("tool_calls".into(), m.tool_calls.iter().map(call).collect());
    }
    if let Some(id) = &m.tool_call_id {
        map.insert("tool_call_id".into(), json!(id));
    }
    out
}

fn part(p: &Part) -> serde_json::Value {
    match p {
        Part::Text { text } => json!({"type": "text", "text": text}),
        Part::Image { url } => json!({"type": "image", "url": url}),
    }
}
