//! `lyceum chat`: a conversation on the terminal.

use super::model_args::ModelArgs;
use super::sampling_args::SamplingArgs;
use crate::ui::Ui;
use clap::Args;
use futures_util::TryStreamExt;
use lyceum_core::{
    Context, Engine, Error, GenerateEvent, GenerateRequest, Message, Prompt, RenderOptions, Result,
};
use serde::Serialize;
use std::io::{BufRead, IsTerminal, Write};

/// Talk to a model (/exit ends, /clear forgets)
#[derive(Args)]
pub(crate) struct Chat {
    #[command(flatten)]
    model: ModelArgs,
    /// Ask this and end, instead of reading the terminal
    #[arg(long, short)]
    prompt: Option<String>,
    /// A system message
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

#[derive(Serialize)]
struct Answer {
    text: String,
}

impl Chat {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        ui.block_on(|cx| self.work(ui, cx))
    }

    async fn work(self, ui: &Ui, cx: Context) -> Result<()> {
        let mut request = GenerateRequest::new(Prompt::Chat(Vec::new(), RenderOptions::default()));
        self.sampling.apply(&mut request)?;
        let (engine, adapter) = self.model.open().await?;
        request.adapter = adapter;
        let mut messages: Vec<Message> = self.system.iter().map(Message::system).collect();
        if let Some(prompt) = &self.prompt {
            messages.push(Message::user(prompt.as_str()));
            let text = answer(&engine, &request, &messages, &cx, !ui.json()).await?;
            return if ui.json() { ui.result(&Answer { text }, |_| String::new()) } else { ui.print("\n") };
        }
        if ui.json() {
            return Err(Error::invalid("--json needs --prompt: a conversation is not one object"));
        }
        let first = messages.len();
        while let Some(line) = ask(&cx).await? {
            match line.trim() {
                "" => continue,
                "/exit" | "/quit" => break,
                "/clear" => messages.truncate(first),
                text => {
                    messages.push(Message::user(text));
                    let said = answer(&engine, &request, &messages, &cx, true).await?;
                    messages.push(Message::assistant(said));
                    ui.print("\n\n")?;
                }
            }
        }
        Ok(())
    }
}

/// A line from the terminal; nothing at its end.
async fn ask(cx: &Context) -> Result<Option<String>> {
    let read = tokio::task::spawn_blocking(|| {
        if std::io::stdin().is_terminal() {
            let mut out = std::io::stderr().lock();
            let _ = out.write_all(b"> ").and_then(|()| out.flush());
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|n| (n > 0).then_some(line))
    });
    tokio::select! {
        line = read => {
            let line = line.map_err(|e| Error::internal(format!("the terminal's reader ended: {e}")))?;
            line.map_err(|e| Error::io("standard input", "read", e))
        }
        () = cx.cancelled() => Err(Error::cancelled()),
    }
}

/// The model's answer, shown as it comes.
async fn answer(
    engine: &dyn Engine,
    like: &GenerateRequest,
    messages: &[Message],
    cx: &Context,
    show: bool,
) -> Result<String> {
    let mut request = like.clone();
    request.prompt = Prompt::Chat(messages.to_vec(), RenderOptions::default());
    let mut events = engine.generate(request)?;
    let mut said = String::new();
    while let Some(event) = events.try_next().await? {
        cx.check()?;
        let text = match event {
            GenerateEvent::Started { .. } => continue,
            GenerateEvent::Token(t) => t.text,
            GenerateEvent::Done { text, .. } => text,
        };
        if show {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
        said.push_str(&text);
    }
    Ok(said)
}
