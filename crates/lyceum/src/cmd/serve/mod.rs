//! `lyceum serve`: models behind HTTP until told to stop.

mod hub;
mod project;

pub(crate) use project::Served;

use super::home::HomeArgs;
use crate::compose;
use crate::project::{Engines, FILE as PROJECT_FILE, Project, open_traces, trace_database, trace_settings};
use crate::ui::Ui;
use clap::Args;
use hub::HubAdapters;
use lyceum_core::{AdapterSource, Adapters, Engine, Error, FetchAdapter, Result};
use lyceum_engine::{AdapterConfig, Encoder, EngineConfig, LanguageModel, Precision};
use lyceum_learn::fitted::is_fitted;
use lyceum_models::bert::Bert;
use lyceum_serve::{Bound, Limits, Server};
use lyceum_store::Home;
use lyceum_store::db::{Db, TraceReader, TraceSettings, Traces};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Serve models over HTTP: OpenAI's, LoRAX's and Ludwig's protocols
#[derive(Args)]
pub(crate) struct Serve {
    /// A pulled model's name, a GGUF file or a safetensors folder
    #[arg(value_name = "MODEL")]
    positional: Option<String>,
    /// The same, as a flag; may be repeated (a chat model and an embedding model, say)
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// A LoRA adapter: the name by which requests choose it, and its PEFT folder
    #[arg(long = "adapter", value_name = "NAME=DIR")]
    adapters: Vec<String>,
    /// A folder whose subfolders are adapters, each under its folder's name, loaded when a request first chooses it
    #[arg(long = "adapters", alias = "adapters-dir", value_name = "DIR")]
    adapter_root: Option<PathBuf>,
    /// Memory for adapters, in MiB; those not used for longest leave it first
    #[arg(long = "adapter-memory", value_name = "MIB", default_value_t = 4096)]
    adapter_memory: u64,
    /// Requests may name adapters of the Hugging Face hub: hub:owner/name
    #[arg(long = "adapter-hub")]
    adapter_hub: bool,
    /// Compute each answer as if it were alone, whatever else runs (slower where many run at once)
    #[arg(long)]
    deterministic: bool,
    /// A project: what its last `lyceum up` made
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// A trained tabular model's folder, as Ludwig's flag has it
    #[arg(long = "model_path", alias = "model-path", short = 'm', value_name = "DIR")]
    model_path: Vec<PathBuf>,
    /// Where to listen; beyond this machine an API key is needed first
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080", conflicts_with_all = ["host", "port"])]
    listen: String,
    /// The address alone, as Ludwig's flag has it
    #[arg(long, short = 'H', value_name = "ADDRESS")]
    host: Option<String>,
    /// The port alone, as Ludwig's flag has it
    #[arg(long, short = 'p')]
    port: Option<u16>,
    /// A further host name by which this machine may be called
    #[arg(long = "allow-host", value_name = "NAME")]
    allow_hosts: Vec<String>,
    /// The database with the API keys; by default the one of the user's model folder
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Requests that run at once
    #[arg(long, default_value_t = 64, value_name = "N")]
    max_running: usize,
    /// Requests that wait; more are refused with 429
    #[arg(long, default_value_t = 256, value_name = "N")]
    max_waiting: usize,
    /// Seconds that running answers may go on after the server was told to stop
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    drain: u64,
    /// Threads that compute [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    #[command(flatten)]
    home: HomeArgs,
}

/// What is told when the server is ready.
#[derive(Serialize)]
struct Ready {
    url: String,
    models: Vec<String>,
    adapters: Vec<String>,
    tabular: Vec<String>,
}

impl Serve {
    pub(crate) fn run(self, ui: &Ui) -> Result<()> {
        if let Some(n) = self.threads {
            lyceum_tensor::Pool::init_global(usize::from(n));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .map_err(|e| Error::internal(format!("cannot start the runtime: {e}")))?;
        let done = runtime.block_on(self.work(ui));
        runtime.shutdown_timeout(Duration::from_secs(1));
        done
    }

    async fn work(self, ui: &Ui) -> Result<()> {
        let home = self.home.open()?;
        let served = self.served()?;
        if served.models.is_empty() && served.tabular.is_empty() {
            return Err(Error::invalid("nothing to serve")
                .hint("name a model (`lyceum serve smollm2-135m-instruct`), a project (--project DIR) or --model_path DIR"));
        }
        let models: Vec<(String, PathBuf)> =
            served.models.iter().map(|m| Ok((served_name(m), home.resolve(m)?))).collect::<Result<_>>()?;
        // The port comes before the models: whoever cannot have it need not wait until they are loaded.
        let traces = self.traces(&home, ui)?;
        let server = match &traces {
            Some((traces, reader)) => self.server(&home)?.tracer(traces.clone()).traces(reader.clone()),
            None => self.server(&home)?,
        };
        let bound = server.bind(&self.address()).await?;
        let mut engines = Engines::new(&home);
        let precision = if self.deterministic { Precision::Steady } else { Precision::Fast };
        let adapters = AdapterConfig {
            bytes: self.adapter_memory << 20,
            roots: self.adapter_root.iter().cloned().collect(),
            fetch: self.adapter_hub.then(|| Arc::new(HubAdapters::new(&home)) as Arc<dyn FetchAdapter>),
        };
        let config = EngineConfig { adapters, precision, ..EngineConfig::default() };
        let (bound, ready) = load(bound, &models, served, &config, &mut engines, ui).await?;
        if let Some(folder) = self.project.as_deref().filter(|f| f.join(PROJECT_FILE).is_file()) {
            let project = Arc::new(Project::read(folder)?);
            compose::serve(&bound.live(), &project, home, Arc::new(Mutex::new(engines)))?;
        }
        ui.result(&ready, show)?;
        let done = serve_until_told(bound, ui).await;
        traces.inspect(|(traces, _)| {
            traces.flush();
        });
        done
    }

    /// Where runs are recorded: the project's database, else the user's.
    fn traces(&self, home: &Home, ui: &Ui) -> Result<Option<(Arc<Traces>, Arc<TraceReader>)>> {
        Ok(match &self.project {
            Some(folder) => open_traces(&trace_database(folder), trace_settings(folder)?, ui),
            None => open_traces(&home.database(), TraceSettings::default(), ui),
        })
    }

    /// Limits, keys and names, before anything is served.
    fn server(&self, home: &Home) -> Result<Server> {
        let mut server = Server::new(Limits {
            running: self.max_running,
            waiting: self.max_waiting,
            drain_time: Duration::from_secs(self.drain),
            ..Limits::default()
        });
        for host in &self.allow_hosts {
            server = server.allow_host(host);
        }
        let store = self.store.clone().unwrap_or_else(|| home.database());
        Ok(if store.exists() { server.keys(Arc::new(Db::open(store)?)) } else { server })
    }

    fn address(&self) -> String {
        match (&self.host, self.port) {
            (None, None) => self.listen.clone(),
            (host, port) => {
                let host = host.as_deref().unwrap_or("127.0.0.1");
                let host = if host.contains(':') && !host.starts_with('[') {
                    format!("[{host}]")
                } else {
                    host.into()
                };
                format!("{host}:{}", port.unwrap_or(8080))
            }
        }
    }

    /// Everything that the flags and the project name.
    fn served(&self) -> Result<Served> {
        let mut served = match &self.project {
            Some(folder) => Served::of_project(folder)?,
            None => Served::default(),
        };
        served.models.extend(self.positional.iter().chain(&self.models).cloned());
        served.models.dedup();
        for pair in &self.adapters {
            let (name, folder) =
                pair.split_once('=').filter(|(n, d)| !n.is_empty() && !d.is_empty()).ok_or_else(|| {
                    Error::invalid(format!("\"{pair}\" is not an adapter"))
                        .at_key("adapter")
                        .hint("write --adapter NAME=DIR")
                })?;
            served.adapters.insert(name.into(), folder.into());
        }
        for folder in &self.model_path {
            served.tabular.insert(model_name(folder), folder.clone());
        }
        Ok(served)
    }
}

/// Opens everything that is to be served. `models`: the names that requests use, and where they are.
async fn load(
    mut bound: Bound,
    models: &[(String, PathBuf)],
    served: Served,
    config: &EngineConfig,
    opened: &mut Engines,
    ui: &Ui,
) -> Result<(Bound, Ready)> {
    let mut ready = Ready { url: bound.url(), models: vec![], adapters: vec![], tabular: vec![] };
    let mut engines = Vec::new();
    for ((name, path), asked) in models.iter().zip(&served.models) {
        ui.note(&format!("loading {name}"));
        let engine = open_with(path, name, config)?;
        opened.insert(asked, engine.clone());
        engines.push(engine);
        ready.models.push(name.clone());
    }
    for (name, folder) in &served.adapters {
        load_adapter(&engines, name, folder).await?;
        ready.adapters.push(name.clone());
    }
    for root in &config.adapters.roots {
        for (name, folder) in adapters_below(root)? {
            let source = AdapterSource::Folder(folder);
            takes_adapters(&engines, &name)?.know(&name, source)?;
            ready.adapters.push(name);
        }
    }
    for engine in engines {
        bound = bound.engine(engine);
    }
    for (name, folder) in served.tabular {
        bound = bound.tabular(name.clone(), Arc::new(lyceum_learn::load(&folder)?));
        if let Some(results) = report_folder(&folder) {
            bound.live().report(name.clone(), results);
        }
        ready.tabular.push(name);
    }
    Ok((bound, ready))
}

/// A language model, or a sentence encoder, under the name that requests use.
pub(crate) fn open(path: &Path, name: &str) -> Result<Arc<dyn Engine>> {
    open_with(path, name, &EngineConfig::default())
}

fn open_with(path: &Path, name: &str, config: &EngineConfig) -> Result<Arc<dyn Engine>> {
    if is_encoder(path) {
        let mut encoder = Bert::open(path)?;
        encoder.info.name = name.to_string();
        return Ok(Arc::new(Encoder::new(encoder)?));
    }
    let mut loaded = lyceum_models::load(path)?;
    loaded.info.name = name.to_string();
    Ok(Arc::new(LanguageModel::new(loaded, config.clone())?))
}

/// Whether a folder's config says that it is of the BERT family.
fn is_encoder(path: &Path) -> bool {
    let config = std::fs::read(path.join("config.json")).ok();
    let config = config.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    config.is_some_and(|c| c.get("model_type").and_then(|t| t.as_str()) == Some("bert"))
}

async fn load_adapter(engines: &[Arc<dyn Engine>], name: &str, folder: &Path) -> Result<()> {
    let adapters = takes_adapters(engines, name)?;
    adapters.load(name, AdapterSource::Folder(folder.to_path_buf())).await.map(drop)
}

fn takes_adapters<'a>(engines: &'a [Arc<dyn Engine>], name: &str) -> Result<&'a dyn Adapters> {
    let adapters = engines.iter().filter(|e| e.model().generates).find_map(|e| e.adapters());
    adapters.ok_or_else(|| Error::invalid(format!("adapter {name} has no base model to go with")))
}

/// The results folder that a tabular model lies in, where that has the training's report. A model of `lyceum fit` has its
/// report in its own folder.
pub(crate) fn report_folder(model: &Path) -> Option<PathBuf> {
    let whole = model.canonicalize().ok()?;
    let above = whole.parent().filter(|_| !is_fitted(&whole));
    let mut places = std::iter::once(whole.as_path()).chain(above);
    places.find(|f| f.join("report.html").is_file()).map(Path::to_path_buf)
}

/// Subfolders that are adapters, by name.
fn adapters_below(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = std::fs::read_dir(root).map_err(|e| Error::io(root, "list", e))?;
    let mut found: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter(|e| e.path().join("adapter_config.json").is_file())
        .map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(Error::not_found("no folder in it has an adapter_config.json").in_file(root));
    }
    Ok(found)
}

/// What requests call a model: the pulled name, or the stem of its file or folder.
fn served_name(model: &str) -> String {
    let path = Path::new(model);
    let plain = model.rsplit(['/', ':']).next().unwrap_or(model);
    if !path.exists() {
        return plain.strip_suffix(".gguf").unwrap_or(plain).to_string();
    }
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let last = whole.file_name().map_or(plain.to_string(), |n| n.to_string_lossy().into_owned());
    last.strip_suffix(".gguf").unwrap_or(&last).to_string()
}

/// A tabular model's name: its folder's, or the one above a folder called `model`.
fn model_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let name = |p: &Path| p.file_name().map(|n| n.to_string_lossy().into_owned());
    let own = name(&whole);
    let above = whole.parent().and_then(name);
    let chosen = if own.as_deref() == Some("model") { above.or(own) } else { own };
    chosen.unwrap_or_else(|| "model".into())
}

/// Serves until Ctrl-C or SIGTERM; a second Ctrl-C ends the program at once.
pub(crate) async fn serve_until_told(bound: Bound, ui: &Ui) -> Result<()> {
    let ui = ui.clone();
    bound
        .serve(async move {
            told_to_stop().await;
            ui.note("stopping: running answers end, nothing new is taken (Ctrl-C again ends at once)");
            tokio::spawn(async {
                told_to_stop().await;
                std::process::exit(130);
            });
        })
        .await
}

async fn told_to_stop() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

fn show(r: &Ready) -> String {
    let mut out = format!("listening on {}\n", r.url);
    for (what, names) in [("models", &r.models), ("adapters", &r.adapters), ("tabular", &r.tabular)] {
        if !names.is_empty() {
            out += &format!("  {what}: {}\n", names.join(", "));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_as_people_name_them() {
        assert_eq!(served_name("smollm2-135m-instruct"), "smollm2-135m-instruct");
        assert_eq!(served_name("hf:owner/repo:q/Model.Q4.gguf"), "Model.Q4");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("Some.gguf");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(served_name(file.to_str().unwrap()), "Some");
        std::fs::create_dir_all(dir.path().join("run/model")).unwrap();
        assert_eq!(model_name(&dir.path().join("run/model")), "run");
        assert_eq!(model_name(&dir.path().join("run")), "run");
    }
}
