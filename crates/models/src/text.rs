//! The text side of a decoder: tokenizer, chat template and end tokens, as `core` wants them.

use crate::chat::ChatTemplate;
use crate::files;
use crate::tokenizer::{Specials, Tokenizer};
use lyceum_core::{Error, Message, RenderOptions, Result, TextCodec};
use lyceum_tensor::gguf::Gguf;
use serde_json::Value;
use std::path::Path;

/// Names of tokens that end a turn in the chat formats in use.
const TURN_ENDS: [&str; 6] =
    ["<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>", "<|end|>"];

/// Tokenizer, chat template and end tokens of one model.
#[derive(Debug, Clone)]
pub struct Text {
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    end_ids: Vec<u32>,
}

impl Text {
    /// From its parts.
    pub fn new(tokenizer: Tokenizer, template: Option<ChatTemplate>, end_ids: Vec<u32>) -> Self {
        Self { tokenizer, template, end_ids }
    }

    /// From a folder with `tokenizer.json`, `tokenizer_config.json`, and perhaps `chat_template.jinja` and
    /// `generation_config.json`.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        if !path.is_file() {
            return Err(Error::not_found("no tokenizer.json in the model's folder")
                .in_file(folder)
                .hint("copy tokenizer.json beside the weights; `tokenizer.model` alone is not read"));
        }
        let tokenizer = Tokenizer::from_file(&path)?;
        let config = files::json_if_any(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let source = folder_template(folder, &config)?;
        let name = |key: &str| token_name(config.get(key));
        let template =
            source.map(|s| ChatTemplate::new(&s, &name("bos_token"), &name("eos_token"))).transpose()?;
        let mut ends = Vec::new();
        for file in ["generation_config.json", "config.json"] {
            let json = files::json_if_any(&folder.join(file))?.unwrap_or_default();
            ends.extend(ids(json.get("eos_token_id")));
        }
        ends.extend(tokenizer.id(&name("eos_token")));
        Ok(Self::with_ends(tokenizer, template, ends))
    }

    /// From the metadata of a GGUF file.
    pub fn from_gguf(file: &Gguf) -> Result<Self> {
        let tokenizer = Tokenizer::from_gguf(file)?;
        let id = |key: &str| -> Result<Option<u32>> {
            Ok(file.u64(&format!("tokenizer.ggml.{key}_token_id"))?.and_then(|id| u32::try_from(id).ok()))
        };
        let name = |id: Option<u32>| id.and_then(|id| tokenizer.token(id)).unwrap_or_default();
        let (bos, eos) = (name(id("bos")?), name(id("eos")?));
        let source = file.str("tokenizer.chat_template")?;
        let template = source
            .map(|s| ChatTemplate::new(s, &bos, &eos))
            .transpose()
            .map_err(|e| e.in_file(file.path()))?;
        let ends = [id("eos")?, id("eot")?, id("eom")?].into_iter().flatten().collect();
        Ok(Self::with_ends(tokenizer, template, ends))
    }

    fn with_ends(tokenizer: Tokenizer, template: Option<ChatTemplate>, mut ends: Vec<u32>) -> Self {
        ends.extend(TURN_ENDS.iter().filter_map(|t| tokenizer.id(t)).filter(|id| tokenizer.is_special(*id)));
        ends.sort_unstable();
        ends.dedup();
        Self { tokenizer, template, end_ids: ends }
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Whether conversations can be rendered.
    pub fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// Ids of a rendered conversation: control tokens are in the text already, none are added.
    pub fn encode_rendered(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.encode(text, Specials::Parse)
    }

    /// Ids of a conversation.
    pub fn encode_chat(&self, messages: &[Message], options: &RenderOptions) -> Result<Vec<u32>> {
        self.encode_rendered(&self.render(messages, options)?)
    }
}

impl TextCodec for Text {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        self.tokenizer.encode(text, if special { Specials::Add } else { Specials::Literal })
    }

    fn token_bytes(&self, id: u32, special: bool) -> Result<Vec<u8>> {
        self.tokenizer.token_bytes(id, special).map(<[u8]>::to_vec)
    }

    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String> {
        let template = self.template.as_ref().ok_or_else(|| {
            Error::unsupported("the model has no chat template")
                .hint("send a plain prompt (the completions route)")
        })?;
        template.render(messages, options)
    }

    fn end_ids(&self) -> &[u32] {
        &self.end_ids
    }
}

/// `chat_template.jinja`, or `chat_template` of the config: one text, or a list of named ones of which `default` is
/// taken.
fn folder_template(folder: &Path, config: &Value) -> Result<Option<String>> {
    let file = folder.join("chat_template.jinja");
    if file.is_file() {
        return files::text(&file).map(Some);
    }
    Ok(match config.get("chat_template") {
        Some(Value::String(s)) => Some(s.clone()),
        Some(Value::Array(named)) => {
            let is_default = |t: &&Value| t.get("name").and_then(Value::as_str) == Some("default");
            let chosen = named.iter().find(is_default).or(named.first());
            chosen.and_then(|t| t.get("template")).and_then(Value::as_str).map(str::to_string)
        }
        _ => None,
    })
}

/// A token in a config: its name, or an object with `content`.
fn token_name(value: Option<&Value>) -> String {
    let content = value.and_then(|v| v.get("content")).or(value);
    content.and_then(Value::as_str).unwrap_or_default().to_string()
}

/// One id or a list of them.
fn ids(value: Option<&Value>) -> Vec<u32> {
    let one = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(one).collect(),
        Some(v) => one(v).into_iter().collect(),
        None => Vec::new(),
    }
}
