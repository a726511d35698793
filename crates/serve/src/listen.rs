//! From models and limits to a listening server that drains when it is told to stop.

use crate::agents::Runs;
use crate::app::{Mount, app, mounts};
use crate::auth::Keys;
use crate::guard::Door;
use crate::limits::{Admission, Limits};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::state::{App, Shared};
use crate::studio::Studio;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use lyceum_core::{Engine, Error, ErrorKind, NoTracer, Result, Runnable, Tracer};
use lyceum_store::clock;
use lyceum_store::db::{Db, TraceReader};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A server to be: models, limits, keys.
#[derive(Default)]
pub struct Server {
    live: Live,
    limits: Limits,
    keys: Option<Arc<Db>>,
    hosts: Vec<String>,
    studio: Studio,
    tracer: Option<Arc<dyn Tracer>>,
}

/// A server that has its port. What it serves may still come: a client that connects early waits.
pub struct Bound {
    server: Server,
    listener: TcpListener,
    address: SocketAddr,
    loopback: bool,
    only: Option<&'static Mount>,
}

impl Server {
    /// One without models.
    pub fn new(limits: Limits) -> Self {
        Self { limits, studio: Studio::new(), ..Self::default() }
    }

    /// With a language or embedding model.
    pub fn engine(self, engine: Arc<dyn Engine>) -> Self {
        self.live.engine(engine);
        self
    }

    /// With a tabular model at `/predict/NAME`. It takes a row as a map and gives a map of predictions.
    pub fn tabular(self, name: impl Into<String>, model: Arc<dyn Runnable>) -> Self {
        self.live.tabular(name, model);
        self
    }

    /// Through it more can be served, now and while the server serves.
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    /// With the store that has the API keys.
    pub fn keys(mut self, db: Arc<Db>) -> Self {
        self.keys = Some(db);
        self
    }

    /// With the runs that were recorded, for the Studio.
    pub fn traces(mut self, reader: Arc<TraceReader>) -> Self {
        self.studio.traces = Some(reader);
        self
    }

    /// With a place where its runs are recorded.
    pub fn tracer(mut self, tracer: Arc<dyn Tracer>) -> Self {
        self.tracer = Some(tracer);
        self
    }

    /// With a further host name by which it may be called on this machine.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Takes the port: `HOST:PORT`, port 0 for any. Beyond this machine it needs at least one live API key.
    /// Costs nothing, so do it before models are loaded: a port that cannot be had is told at once.
    pub async fn bind(self, listen: &str) -> Result<Bound> {
        self.bind_only(listen, None).await
    }

    /// As [`Server::bind`], with one protocol alone, at the root.
    pub async fn bind_only(self, listen: &str, only: Option<&str>) -> Result<Bound> {
        let only = only.map(mount).transpose()?;
        let addresses = resolve(listen).await?;
        let loopback = addresses.iter().all(|a| a.ip().is_loopback());
        if !loopback && !self.keys.as_ref().map_or(Ok(false), |db| db.has_keys())? {
            return Err(Error::new(
                ErrorKind::Unauthorized,
                format!("{listen} can be reached from other machines, and there is no API key"),
            )
            .hint("make one with `lyceum keys create NAME`, or listen on 127.0.0.1"));
        }
        let listener = TcpListener::bind(addresses.as_slice()).await.map_err(|e| cannot_listen(listen, e))?;
        let address = listener.local_addr().map_err(|e| cannot_listen(listen, e))?;
        Ok(Bound { server: self, listener, address, loopback, only })
    }
}

fn mount(name: &str) -> Result<&'static Mount> {
    mounts().iter().find(|m| m.name == name).ok_or_else(|| {
        let names: Vec<&str> = mounts().iter().map(|m| m.name).collect();
        Error::invalid(format!("no protocol \"{name}\", there are {}", names.join(", ")))
            .did_you_mean(name, names.iter().copied())
    })
}

async fn resolve(listen: &str) -> Result<Vec<SocketAddr>> {
    let wrong = || {
        Error::invalid(format!("\"{listen}\" is not an address to listen on"))
            .at_key("listen")
            .hint("write HOST:PORT, such as 127.0.0.1:8080")
    };
    let found: Vec<SocketAddr> = tokio::net::lookup_host(listen).await.map_err(|_| wrong())?.collect();
    if found.is_empty() { Err(wrong()) } else { Ok(found) }
}

fn cannot_listen(listen: &str, e: std::io::Error) -> Error {
    use std::io::ErrorKind as K;
    let (kind, text) = match e.kind() {
        K::AddrInUse => (ErrorKind::Conflict, format!("{listen} is in use by another program")),
        K::PermissionDenied => (ErrorKind::Forbidden, format!("not allowed to listen on {listen}")),
        K::AddrNotAvailable => (ErrorKind::Invalid, format!("{listen} is not an address of this machine")),
        _ => (ErrorKind::Io, format!("cannot listen on {listen}: {e}")),
    };
    Error::new(kind, text)
        .hint("choose another with --listen HOST:PORT; port 0 takes any free one")
        .caused_by(e)
}

impl Bound {
    /// The address that it has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As [`Server::live`].
    pub fn live(&self) -> Live {
        self.server.live.clone()
    }

    /// As [`Server::engine`].
    pub fn engine(mut self, engine: Arc<dyn Engine>) -> Self {
        self.server = self.server.engine(engine);
        self
    }

    /// As [`Server::tabular`].
    pub fn tabular(mut self, name: impl Into<String>, model: Arc<dyn Runnable>) -> Self {
        self.server = self.server.tabular(name, model);
        self
    }

    /// Serves until `stop` resolves, then lets running answers end within the drain limit.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<()> {
        let (listener, only) = (self.listener, self.only);
        let state = state(self.server, self.loopback, only);
        let router = app(state.clone(), only);
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(state.limits.connections));
        let mut stop = std::pin::pin!(stop);
        loop {
            let next = async {
                // No room, no accept: further clients wait in the system's own queue.
                let permit = room.clone().acquire_owned().await;
                (permit, listener.accept().await)
            };
            tokio::select! {
                () = &mut stop => break,
                (permit, accepted) = next => match accepted {
                    Ok((stream, _)) => {
                        let connection = connection(stream, router.clone(), &state.limits);
                        let watched = graceful.watch(connection);
                        tokio::spawn(async move {
                            let _permit = permit;
                            // A client that breaks off is no fault of the server.
                            let _ = watched.await;
                        });
                    }
                    // Out of file descriptors, or a client gone again: breathe, go on.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
            }
        }
        state.draining.store(true, Ordering::Relaxed);
        drop(listener);
        let limit = state.limits.drain_time;
        if tokio::time::timeout(limit, graceful.shutdown()).await.is_err() {
            eprintln!("answers still running after {} s were cut off", limit.as_secs());
        }
        Ok(())
    }
}

fn state(mut server: Server, loopback: bool, only: Option<&Mount>) -> Shared {
    server.studio.at_root = only.is_none_or(|m| m.name == "studio");
    Arc::new(App {
        admission: Admission::new(&server.limits),
        metrics: Metrics::default(),
        live: server.live,
        runs: Runs::default(),
        limits: server.limits,
        keys: Keys::new(server.keys, !loopback),
        tracer: server.tracer.unwrap_or_else(|| Arc::new(NoTracer)),
        door: Door { loopback, hosts: server.hosts },
        studio: server.studio,
        since: clock::now(),
        draining: AtomicBool::new(false),
    })
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router, limits: &Limits) -> Connection {
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.read_time)
        .max_headers(100)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}
