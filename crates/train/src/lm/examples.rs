//! Training examples, with the loss on what the model is to say: conversations (also as JSON Lines of
//! `{"prompt", "completion"}` or `{"messages"}`) rendered by the model's own chat template, and plain prompts with the
//! answer right after them.

use super::Batch;
use lyceum_core::{Error, Message, RenderOptions, Result, Role, TextCodec};
use lyceum_models::Text;
use lyceum_tensor::tape::Segments;
use serde::Deserialize;
use std::io::BufRead;
use std::path::Path;

/// Longest line that is read, in bytes.
const MAX_LINE: usize = 16 << 20;

/// One sequence: ids, and the weight of each id as something to be predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Token ids, at least two.
    pub ids: Vec<u32>,
    /// As many; the first never counts.
    pub weights: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    prompt: Option<String>,
    completion: Option<String>,
    messages: Option<Vec<Message>>,
    #[serde(default, rename = "id")]
    _id: serde_json::Value,
}

/// Reads a file of examples. `max_length` cuts longer sequences at their end (an example whose answer would be cut
/// away whole is an error); `train_on_prompt` counts every token.
pub fn read_examples(
    path: &Path,
    text: &Text,
    max_length: usize,
    train_on_prompt: bool,
) -> Result<Vec<Example>> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let mut examples = Vec::new();
    for (i, line) in std::io::BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|e| Error::io(path, "read", e).on_line(i + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let at = |e: Error| e.in_file(path).on_line(i + 1);
        if line.len() > MAX_LINE {
            return Err(at(Error::invalid(format!("the line has {} bytes, at most {MAX_LINE}", line.len()))));
        }
        let messages = conversation(&line).map_err(at)?;
        let example = Example::of_conversation(text, &messages, train_on_prompt).map_err(at)?;
        examples.push(example.cut(max_length).map_err(at)?);
    }
    if examples.is_empty() {
        return Err(Error::invalid("no examples in the file").in_file(path));
    }
    Ok(examples)
}

fn conversation(line: &str) -> Result<Vec<Message>> {
    let line: Line = serde_json::from_str(line).map_err(|e| {
        Error::invalid(format!("not an example: {e}")).hint(
            "expected {\"prompt\": …, \"completion\": …} or {\"messages\": [{\"role\": …, \"content\": …}]}",
        )
    })?;
    match line {
        Line { prompt: Some(p), completion: Some(c), messages: None, .. } => {
            Ok(vec![Message::user(p), Message::assistant(c)])
        }
        Line { prompt: None, completion: None, messages: Some(m), .. } => {
            if m.last().is_none_or(|m| m.role != Role::Assistant) {
                return Err(Error::invalid("the last message must be the assistant's: it is what is learnt"));
            }
            Ok(m)
        }
        _ => Err(Error::invalid("expected `prompt` and `completion`, or `messages`")),
    }
}

impl Example {
    /// Renders a conversation and finds the tokens of each assistant's turn: from the end of the prompt that asks for
    /// the turn to the end of the turn. `train_on_prompt` counts every token.
    pub fn of_conversation(text: &Text, messages: &[Message], train_on_prompt: bool) -> Result<Self> {
        let closed = || RenderOptions { add_generation_prompt: false, tools: Vec::new() };
        let ids = text.encode_chat(messages, &closed())?;
        let mut weights = vec![if train_on_prompt { 1.0 } else { 0.0 }; ids.len()];
        for (i, _) in messages.iter().enumerate().filter(|(_, m)| m.role == Role::Assistant) {
            let before = messages.get(..i).unwrap_or_default();
            let upto = messages.get(..=i).unwrap_or_default();
            let start = text.encode_chat(before, &RenderOptions::default())?;
            let end = text.encode_chat(upto, &closed())?;
            if !ids.starts_with(&start) || !ids.starts_with(&end) {
                return Err(Error::unsupported(
                    "the chat template changes earlier turns when later ones come; train on single answers",
                ));
            }
            // The turn ends with its end token; what the template puts after it (a line break) is not the model's to
            // say.
            let turn = ids.get(start.len()..end.len()).unwrap_or_default();
            let length =
                turn.iter().rposition(|id| text.end_ids().contains(id)).map_or(turn.len(), |p| p + 1);
            weights.iter_mut().skip(start.len()).take(length).for_each(|w| *w = 1.0);
        }
        if let Some(first) = weights.first_mut() {
            *first = 0.0;
        }
        Ok(Self { ids, weights })
    }

    /// A plain prompt, the answer right after it, and the token that ends an answer; answer and end count. Prompt and
    /// answer are cut into tokens apart, as they are when the prompt is to be continued.
    pub fn of_text(text: &Text, prompt: &str, answer: &str) -> Result<Self> {
        let mut ids = text.encode(prompt, true)?;
        let mut weights = vec![0.0; ids.len()];
        ids.extend(text.encode(answer, false)?);
        ids.extend(end_of_answer(text));
        weights.resize(ids.len(), 1.0);
        if let Some(first) = weights.first_mut() {
            *first = 0.0;
        }
        Ok(Self { ids, weights })
    }

    /// Cuts a longer sequence at its end; fails when nothing is left to learn.
    pub fn cut(mut self, max_length: usize) -> Result<Self> {
        let length = self.ids.len();
        self.ids.truncate(max_length);
        self.weights.truncate(max_length);
        if self.counted() == 0 {
            return Err(Error::invalid(format!(
                "nothing to learn: the answer lies beyond max_length ({max_length} of {length} tokens)"
            ))
            .at_key("max_length"));
        }
        Ok(self)
    }

    /// Number of tokens that count.
    pub fn counted(&self) -> usize {
        self.weights.iter().filter(|w| **w > 0.0).count()
    }
}

/// The token that ends an answer: the one that the chat template puts there, else the first that ends a turn.
fn end_of_answer(text: &Text) -> Option<u32> {
    let ends = text.end_ids();
    let turn = [Message::user("a"), Message::assistant("b")];
    let closed = RenderOptions { add_generation_prompt: false, tools: Vec::new() };
    let rendered = text.encode_chat(&turn, &closed).unwrap_or_default();
    rendered.iter().rev().find(|id| ends.contains(id)).or(ends.first()).copied()
}

impl Batch {
    /// Some examples as one ragged batch: no padding, no example sees another.
    pub fn of<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Self {
        let (mut ids, mut targets, mut weights, mut lengths) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for e in examples {
            // The last id predicts nothing, so it is not read.
            let n = e.ids.len().saturating_sub(1);
            ids.extend(e.ids.iter().take(n));
            targets.extend(e.ids.iter().skip(1));
            weights.extend(e.weights.iter().skip(1));
            lengths.push(n);
        }
        Self { ids, segments: Segments::from_lengths(lengths), targets, weights }
    }

    /// Number of tokens that are read.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_shifts_targets_and_keeps_borders() {
        let a = Example { ids: vec![1, 2, 3], weights: vec![0.0, 0.0, 1.0] };
        let b = Example { ids: vec![4, 5], weights: vec![0.0, 1.0] };
        let batch = Batch::of([&a, &b]);
        assert_eq!(batch.ids, [1, 2, 4]);
        assert_eq!(batch.targets, [2, 3, 5]);
        assert_eq!(batch.weights, [0.0, 1.0, 1.0]);
        assert_eq!(batch.segments.positions(), [0, 1, 0]);
    }

    #[test]
    fn wrong_lines_say_what_is_expected() {
        assert!(conversation("{\"prompt\": 1}").unwrap_err().to_string().contains("expected {\"prompt\""));
        assert!(conversation("{\"prompt\": \"a\"}").unwrap_err().to_string().contains("`completion`"));
        let user_last = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}";
        assert!(conversation(user_last).unwrap_err().to_string().contains("assistant's"));
    }

    #[test]
    fn an_answer_that_is_cut_away_is_an_error() {
        let e = Example { ids: vec![1, 2, 3], weights: vec![0.0, 0.0, 1.0] };
        assert!(e.clone().cut(2).is_err());
        assert_eq!(e.clone().cut(3).unwrap(), e);
    }
}
