//! Rows of a table as prompts and wanted answers.
//!
//! A table is rendered as Ludwig does it: the prompt's template filled with the row's cells, as plain text, and the
//! answer right after it. JSON Lines of conversations (`messages`, or `prompt` and `completion`) go through the model's
//! chat template instead, unless the configuration has a prompt of its own.

use super::{Fill, Sample, Template};
use crate::config::LlmConfig;
use lyceum_core::{Error, Message, Prompt, RenderOptions, Result, Role};
use lyceum_data::Raw;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// How prompts are put to the model; a model is asked as it was taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rendering {
    /// Plain text.
    Plain,
    /// A conversation in the model's chat template.
    Chat,
}

/// What stands for a missing prompt, as Ludwig fills it.
const MISSING: &str = "<UNK>";
const MESSAGES: &str = "messages";
const CONVERSATION: [&str; 4] = ["prompt", "completion", "id", "split"];

impl Rendering {
    /// How a table is rendered.
    pub fn of(config: &LlmConfig, raw: &Raw) -> Self {
        let extension = raw.source().and_then(|p| p.extension()).and_then(|e| e.to_str());
        let lines = matches!(extension.map(str::to_lowercase).as_deref(), Some("jsonl" | "ndjson"));
        let pairs = CONVERSATION.iter().take(2).all(|c| raw.get(c).is_some())
            && raw.names().iter().all(|n| CONVERSATION.contains(&&**n));
        let own = config.prompt.template.is_some();
        if lines && !own && (pairs || raw.get(MESSAGES).is_some()) { Self::Chat } else { Self::Plain }
    }
}

/// A table whose rows can be asked.
pub struct Rows<'a> {
    raw: &'a Raw,
    template: Option<&'a Template>,
    task: &'a str,
    rendering: Rendering,
    /// Column of the prompt where there is no template; `None` where conversations are given.
    asked: Option<&'a str>,
    /// Column of the answer, where the table has it.
    wanted: Option<&'a str>,
    /// Column of `{__sample__}`.
    input: &'a str,
}

impl<'a> Rows<'a> {
    /// Checks that the table has what the prompt needs.
    ///
    /// # Errors
    /// A column that the table lacks, with the nearest name; for a template also its place in the configuration.
    pub fn new(config: &'a LlmConfig, raw: &'a Raw, rendering: Rendering) -> Result<Self> {
        let template = config.prompt.template.as_ref();
        let (input, output) = (config.input.column.as_str(), config.output.column.as_str());
        let chat = rendering == Rendering::Chat;
        let with = |own: &'a str, usual: &'static str| -> &'a str {
            if chat && raw.get(own).is_none() && raw.get(usual).is_some() { usual } else { own }
        };
        let conversations = chat && template.is_none() && raw.get(MESSAGES).is_some();
        let asked = (!conversations).then(|| with(input, "prompt"));
        match (template, asked) {
            (Some(template), _) => {
                if template.has_sample() {
                    raw.column(input)?;
                }
                for column in template.columns() {
                    raw.column(column).map_err(|e| at_template(e, config))?;
                }
            }
            (None, Some(asked)) => drop(raw.column(asked)?),
            (None, None) => {}
        }
        let answer = with(output, "completion");
        let wanted = (conversations || raw.get(answer).is_some()).then_some(answer);
        let task = config.prompt.task.as_deref().unwrap_or_default();
        Ok(Self { raw, template, task, rendering, asked, wanted, input })
    }

    /// Fails when the table lacks the column of the answer.
    pub fn need_answers(&self, config: &LlmConfig) -> Result<()> {
        if self.wanted.is_none() {
            self.raw.column(&config.output.column)?;
        }
        Ok(())
    }

    /// Whether there may be answers.
    pub fn has_answers(&self) -> bool {
        self.wanted.is_some()
    }

    /// Rows that have an answer.
    pub fn answered(&self) -> Result<Vec<usize>> {
        let mut out = Vec::new();
        for row in 0..self.raw.rows() {
            if self.answer(row)?.is_some() {
                out.push(row);
            }
        }
        Ok(out)
    }

    /// What a row asks.
    pub fn prompt(&self, row: usize) -> Result<Prompt> {
        let text = match (self.template, self.asked) {
            (Some(template), _) => {
                let filled = template.render(&Row { rows: self, row }, self.task);
                filled.map_err(|e| self.place(e, row))?
            }
            (None, Some(column)) => self.text(column, row).unwrap_or(MISSING).to_string(),
            (None, None) => {
                let messages = self.messages(row)?;
                let asked = messages.len() - usize::from(is_answered(&messages));
                return Ok(chat(messages.into_iter().take(asked).collect()));
            }
        };
        if text.trim().is_empty() {
            return Err(self.place(Error::invalid("the prompt of this row is empty"), row));
        }
        Ok(match self.rendering {
            Rendering::Plain => Prompt::Text(text),
            Rendering::Chat => chat(vec![Message::user(text)]),
        })
    }

    /// What a row's answer should be, if the table says.
    pub fn answer(&self, row: usize) -> Result<Option<String>> {
        if self.asked.is_none() {
            let messages = self.messages(row)?;
            return Ok(messages.last().filter(|_| is_answered(&messages)).map(Message::text));
        }
        let cell = self.wanted.and_then(|w| self.raw.get(w)?.get(row));
        Ok(cell.map(str::to_string))
    }

    /// Some rows with their answers; rows without one are left out.
    pub fn samples(&self, rows: &[usize]) -> Result<Vec<Sample>> {
        let mut out = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(answer) = self.answer(*row)? {
                out.push(Sample { prompt: self.prompt(*row)?, answer });
            }
        }
        Ok(out)
    }

    /// Names a row's file and line in an error.
    pub fn place(&self, e: Error, row: usize) -> Error {
        let column = self.asked.or(self.template.and_then(|t| t.columns().next())).unwrap_or(MESSAGES);
        self.raw.place_cell(e, row, column)
    }

    fn text(&self, column: &str, row: usize) -> Option<&str> {
        self.raw.get(column).and_then(|c| c.get(row))
    }

    fn cell(&self, column: &str, row: usize) -> &str {
        self.text(column, row).unwrap_or_default()
    }

    fn messages(&self, row: usize) -> Result<Vec<Message>> {
        let messages: Vec<Message> = serde_json::from_str(self.cell(MESSAGES, row)).map_err(|e| {
            let e = Error::invalid(format!("not a conversation: {e}"))
                .hint("expected [{\"role\": …, \"content\": …}]");
            self.raw.place_cell(e, row, MESSAGES)
        })?;
        if messages.iter().all(|m| m.role == Role::Assistant) {
            let e = Error::invalid("nobody asks anything in this conversation");
            return Err(self.raw.place_cell(e, row, MESSAGES));
        }
        Ok(messages)
    }
}

fn is_answered(messages: &[Message]) -> bool {
    messages.last().is_some_and(|m| m.role == Role::Assistant)
}

fn chat(messages: Vec<Message>) -> Prompt {
    Prompt::Chat(messages, RenderOptions::default())
}

/// Names the template's place in the configuration.
fn at_template(e: Error, config: &LlmConfig) -> Error {
    let (line, column) = config.prompt.at;
    let mut named = Error::invalid(e.message()).at_key("prompt.template");
    if line > 0 {
        named = named.on_line_column(line, column);
    }
    e.hints().iter().fold(named, |named, hint| named.hint(hint))
}

/// A row as a template sees it.
struct Row<'a> {
    rows: &'a Rows<'a>,
    row: usize,
}

impl Fill for Row<'_> {
    fn column(&self, name: &str) -> Result<String> {
        Ok(self.rows.cell(name, self.row).to_string())
    }

    /// The input as JSON text without the quotes around it, as Ludwig writes it.
    fn sample(&self) -> Result<String> {
        let text = Json::from(self.rows.text(self.rows.input, self.row).unwrap_or(MISSING)).to_string();
        Ok(text.trim_matches('"').to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ModelConfig};

    fn llm(prompt: &str) -> LlmConfig {
        let yaml = format!(
            "model_type: llm\nbase_model: m\ninput_features: [{{name: ticket, type: text}}]\noutput_features: [{{name: kind, type: text}}]\n{prompt}"
        );
        match Config::parse(&yaml, None).unwrap().model {
            ModelConfig::Llm(llm) => *llm,
            _ => unreachable!(),
        }
    }

    fn table(name: &str, text: &str) -> Raw {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        lyceum_data::read(path).unwrap()
    }

    const CSV: &str = "ticket,seats,kind,split\nno sound,3,audio,0\nno light,,video,1\n,1,,2\n";

    fn prompts(config: &LlmConfig, raw: &Raw) -> Vec<Prompt> {
        let rendering = Rendering::of(config, raw);
        let rows = Rows::new(config, raw, rendering).unwrap();
        rows.samples(&(0..raw.rows()).collect::<Vec<_>>()).unwrap().into_iter().map(|s| s.prompt).collect()
    }

    #[test]
    fn a_table_becomes_plain_text() {
        let raw = table("d.csv", CSV);
        assert_eq!(prompts(&llm(""), &raw)[0], Prompt::Text("no sound".into()));
        let config = llm("prompt: {template: 'Sort ({seats}): {ticket}'}");
        let got = prompts(&config, &raw);
        assert_eq!(
            got,
            [Prompt::Text("Sort (3): no sound".into()), Prompt::Text("Sort (): no light".into())]
        );
        let Prompt::Text(text) = &prompts(&llm("prompt: {task: sort it}"), &raw)[0] else { panic!() };
        assert!(text.starts_with("SAMPLE INPUT: no sound\n") && text.contains("task: sort it"), "{text}");
    }

    #[test]
    fn conversations_go_through_the_chat_template() {
        let lines = "{\"prompt\": \"hi\", \"completion\": \"yes\"}\n";
        let asked = |text: &str| Prompt::Chat(vec![Message::user(text)], RenderOptions::default());
        assert_eq!(prompts(&llm(""), &table("d.jsonl", lines)), [asked("hi")]);
        let lines = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n";
        assert_eq!(prompts(&llm(""), &table("d.jsonl", lines)), [asked("a")]);
        let raw = table("d.jsonl", "{\"ticket\": \"t\", \"kind\": \"k\"}\n");
        assert_eq!(prompts(&llm(""), &raw), [Prompt::Text("t".into())], "rows of a table stay plain");
    }

    #[test]
    fn a_missing_column_is_named_with_the_nearest() {
        let raw = table("d.csv", CSV);
        let config = llm("prompt: {template: 'Sort: {tiket}'}");
        let e = Rows::new(&config, &raw, Rendering::Plain).err().unwrap();
        assert_eq!(
            e.to_string(),
            "line 5:20: prompt.template: no column \"tiket\"; the table has ticket, seats, kind, split\n  hint: did you mean `ticket`?"
        );
        let config = llm("");
        let raw = table("d.csv", "tickets,kind\na,b\n");
        let e = Rows::new(&config, &raw, Rendering::Plain).err().unwrap();
        assert!(e.to_string().contains("no column \"ticket\"; the table has tickets, kind"), "{e}");
    }
}
