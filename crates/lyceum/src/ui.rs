//! What the person at the terminal sees: results on standard output, progress and errors on standard error.

use crate::cli::Global;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lyceum_core::{Context, Error, Progress, Result};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The terminal, or the script that reads us.
#[derive(Clone)]
pub(crate) struct Ui {
    json: bool,
    quiet: bool,
}

impl Ui {
    pub(crate) fn new(global: &Global) -> Self {
        Self { json: global.json, quiet: global.quiet }
    }

    /// Whether a script reads the output.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether a person watches what comes bit by bit on standard error.
    pub(crate) fn streams(&self) -> bool {
        !self.quiet && !self.json && std::io::stderr().is_terminal()
    }

    /// Prints the result: one JSON object on one line, or what `human` makes of it.
    pub(crate) fn result<T: Serialize>(&self, value: &T, human: impl FnOnce(&T) -> String) -> Result<()> {
        let text = if self.json {
            serde_json::to_string(value).map_err(|e| Error::internal(format!("result is not JSON: {e}")))?
        } else {
            human(value)
        };
        self.print(&text)
    }

    /// A line on standard output. A closed pipe ends the program quietly.
    pub(crate) fn print(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let done = if text.ends_with('\n') || text.is_empty() {
            out.write_all(text.as_bytes())
        } else {
            writeln!(out, "{text}")
        };
        match done.and_then(|()| out.flush()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            done => done.map_err(|e| Error::io("standard output", "write", e)),
        }
    }

    /// A line on standard error, unless told to be quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            tell(text);
        }
    }

    /// An error: a line for a person; with `--json` also one object on standard output.
    pub(crate) fn error(&self, e: &Error) {
        tell(&format!("error: {e}"));
        if self.json {
            let object = serde_json::json!({ "error": { "code": e.code(), "message": e.to_string() } });
            // Where the result cannot be written either, the exit code has to do.
            let _ = writeln!(std::io::stdout(), "{object}");
        }
    }

    /// Progress on standard error: a bar on a terminal, lines now and then elsewhere.
    pub(crate) fn progress(&self) -> Arc<dyn Progress> {
        if self.quiet { Arc::new(lyceum_core::NoProgress) } else { Arc::new(Bars::default()) }
    }

    /// Runs a future on a small runtime. Ctrl-C cancels the context once; a second one ends the program.
    pub(crate) fn block_on<T, F>(&self, work: impl FnOnce(Context) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let runtime = runtime()?;
        let cx = Context::new();
        cancel_on_signal(&runtime, cx.clone());
        let done = runtime.block_on(work(cx));
        runtime.shutdown_timeout(Duration::from_secs(2));
        done
    }

    /// Runs work that computes on this thread and looks at the context now and then; Ctrl-C as in `block_on`.
    pub(crate) fn cancellable<T>(&self, work: impl FnOnce(&Context) -> Result<T>) -> Result<T> {
        let runtime = runtime()?;
        let cx = Context::new();
        cancel_on_signal(&runtime, cx.clone());
        let done = work(&cx);
        runtime.shutdown_background();
        done
    }
}

/// A line on standard error; one that cannot be written is no reason to break off.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| Error::internal(format!("cannot start the runtime: {e}")))
}

/// From here on (not from whenever a task comes to run) Ctrl-C cancels the context, and a second one ends the program.
fn cancel_on_signal(runtime: &tokio::runtime::Runtime, cx: Context) {
    let _inside = runtime.enter();
    #[cfg(unix)]
    let listener = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    #[cfg(windows)]
    let listener = tokio::signal::windows::ctrl_c();
    let Ok(mut listener) = listener else { return };
    runtime.spawn(async move {
        listener.recv().await;
        cx.cancel();
        listener.recv().await;
        std::process::exit(130);
    });
}

#[derive(Default)]
struct Bars {
    now: Mutex<Vec<ProgressBar>>,
}

impl Bars {
    fn with_last(&self, f: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.now.lock().unwrap_or_else(PoisonError::into_inner).last() {
            f(bar);
        }
    }
}

impl Progress for Bars {
    fn begin(&self, what: &str, total: Option<u64>) {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let (bar, template) = match total {
            Some(n) => (ProgressBar::new(n), "{msg:24!} [{bar:32}] {human_pos}/{human_len} {eta}"),
            None => (ProgressBar::new_spinner(), "{msg:24!} {spinner} {human_pos}"),
        };
        bar.set_draw_target(target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_string());
        if !std::io::stderr().is_terminal() {
            tell(what);
        }
        self.now.lock().unwrap_or_else(PoisonError::into_inner).push(bar);
    }

    fn at(&self, done: u64) {
        self.with_last(|bar| bar.set_position(done));
    }

    fn note(&self, line: &str) {
        if std::io::stderr().is_terminal() {
            self.with_last(|bar| bar.println(line));
        } else {
            tell(line);
        }
    }

    fn end(&self) {
        if let Some(bar) = self.now.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            bar.finish_and_clear();
        }
    }
}
