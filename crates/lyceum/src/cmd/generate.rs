//! `lyceum generate`: one prompt, one answer.

use super::model_args::ModelArgs;
use super::sampling_args::SamplingArgs;
use crate::ui::Ui;
use clap::Args;
use futures_util::TryStreamExt;
use lyceum_core::{
    Context, Engine, Error, GenerateEvent, GenerateRequest, Message, Prompt, RenderOptions, Result,
};
use serde::Serialize;
use std::io::Write;
use std::time::Instant;

/// Continue a prompt, or answer it with --chat
#[derive(Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    model: ModelArgs,
    /// The prompt
    #[arg(long, short)]
    prompt: String,
    /// Put the prompt through the model's chat template, as a user's message
    #[arg(long)]
    chat: bool,
    /// A system message (with --chat)
    #[arg(long, requires = "chat", value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

#[derive(Serialize, Default)]
struct Generated {
    text: String,
    ids: Vec<u32>,
    logprobs: Vec<f32>,
    prompt_tokens: usize,
    tokens_per_second: f64,
    first_token_ms: f64,
}

impl Generate {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        ui.block_on(|cx| self.work(ui, cx))
    }

    async fn work(self, ui: &Ui, cx: Context) -> Result<()> {
        let mut request = GenerateRequest::new(self.to_prompt());
        self.sampling.apply(&mut request)?;
        let (engine, adapter) = self.model.open().await?;
        request.adapter = adapter;
        request.logprobs = Some(0);
        let out = generate(&engine, request, &cx, |text| stream(ui, text)).await?;
        if ui.json() { ui.result(&out, |_| String::new()) } else { ui.print("\n") }
    }

    fn to_prompt(&self) -> Prompt {
        if !self.chat {
            return Prompt::Text(self.prompt.clone());
        }
        let system = self.system.iter().map(Message::system);
        let messages = system.chain([Message::user(self.prompt.as_str())]).collect();
        Prompt::Chat(messages, RenderOptions::default())
    }
}

/// Text as it comes, unless a script reads the output.
fn stream(ui: &Ui, text: &str) {
    if !ui.json() {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

async fn generate(
    engine: &dyn Engine,
    request: GenerateRequest,
    cx: &Context,
    mut heard: impl FnMut(&str),
) -> Result<Generated> {
    let begin = Instant::now();
    let mut first = None;
    let mut out = Generated::default();
    let mut events = engine.generate(request)?;
    while let Some(event) = events.try_next().await? {
        cx.check()?;
        let text = match event {
            GenerateEvent::Started { .. } => continue,
            GenerateEvent::Token(t) => {
                first.get_or_insert_with(Instant::now);
                out.ids.push(t.id);
                out.logprobs.extend(t.logprob);
                t.text
            }
            GenerateEvent::Done { text, usage, .. } => {
                out.prompt_tokens = usage.prompt_tokens;
                text
            }
        };
        heard(&text);
        out.text.push_str(&text);
    }
    if out.prompt_tokens == 0 {
        return Err(Error::internal("the generation ended without an end"));
    }
    if let Some(first) = first {
        out.first_token_ms = (first - begin).as_secs_f64() * 1e3;
        let rest = out.ids.len().saturating_sub(1) as f64;
        out.tokens_per_second = rest / first.elapsed().as_secs_f64().max(1e-9);
    }
    Ok(out)
}
