//! Brings adapters into memory: reading, checking and packing, never on the engine's thread.

use super::entry::{Failure, State, Tier};
use super::{AdapterConfig, Prepared};
use crate::decoder::Precision;
use lyceum_core::{AdapterInfo, AdapterSource, Error, ErrorKind, Result};
use lyceum_models::peft::{self, Adapter};
use lyceum_models::{DecoderSpec, Loaded};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// One adapter to bring.
pub(super) struct Job {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) source: AdapterSource,
    pub(super) goal: Goal,
}

/// What for.
pub(super) enum Goal {
    /// Requests wait for the name as it is known.
    Serve,
    /// The name is to mean this from now on, if its generation is as expected.
    Put { expected: Option<String>, reply: oneshot::Sender<Result<AdapterInfo>> },
}

fn taken(job: &Mutex<Option<Job>>) -> Option<Job> {
    job.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// What loading needs to know, and what it changes.
pub(super) struct Shared {
    pub(super) spec: DecoderSpec,
    pub(super) precision: Precision,
    /// Where the base lies and which it is, for adapters that need its weights.
    pub(super) base: (PathBuf, String),
    pub(super) config: AdapterConfig,
    pub(super) state: Mutex<State>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does jobs until nobody can send any more.
    pub(super) fn work(self: &Arc<Self>, jobs: &Receiver<Job>) {
        for job in jobs {
            let AdapterSource::Remote(id) = &job.source else {
                self.finish(job);
                continue;
            };
            // What is fetched may take minutes; others do not wait for it.
            let (shared, id) = (Arc::clone(self), id.clone());
            let job = Arc::new(Mutex::new(Some(job)));
            let own = Arc::clone(&job);
            let fetch = move || {
                let Some(job) = taken(&own) else { return };
                let folder = match &shared.config.fetch {
                    Some(fetch) => fetch.fetch(&id),
                    None => Err(Error::unsupported(format!("`{id}` cannot be fetched by this server"))),
                };
                let result = folder.and_then(|f| shared.prepare(&job.name, &AdapterSource::Folder(f)));
                shared.settle(job, result);
            };
            let started = std::thread::Builder::new().name("adapter-fetch".into()).spawn(fetch);
            if let Err(e) = started
                && let Some(job) = taken(&job)
            {
                self.settle(job, Err(Error::internal(format!("cannot start a thread that fetches: {e}"))));
            }
        }
    }

    fn finish(&self, job: Job) {
        let result = self.prepare(&job.name, &job.source);
        self.settle(job, result);
    }

    fn prepare(&self, name: &str, source: &AdapterSource) -> Result<Arc<Prepared>> {
        self.pack(name, &self.read(source)?)
    }

    /// An adapter in the layout of the kernels, if it fits the budget.
    pub(super) fn pack(&self, name: &str, adapter: &Adapter) -> Result<Arc<Prepared>> {
        let (path, fingerprint) = &self.base;
        let base = adapter.needs_base().then(|| Loaded::weights_again(path, fingerprint)).transpose()?;
        let prepared = Prepared::new(name, adapter, &self.spec, base.as_ref(), self.precision)?;
        let (bytes, budget) = (prepared.bytes(), self.config.bytes);
        if bytes > budget {
            let m = format!("the adapter takes {bytes} bytes of memory, all adapters may take {budget}");
            return Err(Error::new(ErrorKind::Exhausted, m));
        }
        Ok(Arc::new(prepared))
    }

    fn read(&self, source: &AdapterSource) -> Result<Adapter> {
        match source {
            AdapterSource::Folder(folder) => peft::read_any(folder, &self.spec),
            AdapterSource::Remote(id) => Err(Error::unsupported(format!(
                "`{id}` is elsewhere: load it under a name before merging it"
            ))),
            AdapterSource::Merge(m) => {
                let part = |(name, weight): &(String, f32)| {
                    let source = self.state().entries.get(name).map(|e| e.source.clone());
                    let source = source.ok_or_else(|| Error::not_found(format!("no adapter `{name}`")))?;
                    match source {
                        AdapterSource::Merge(_) => {
                            Err(Error::invalid(format!("`{name}` is a merge itself; name its parts")))
                        }
                        source => match self.read(&source)? {
                            Adapter::Lora(lora) => Ok((*lora, *weight)),
                            _ => {
                                Err(Error::unsupported(format!("`{name}` is no LoRA, and only these merge")))
                            }
                        },
                    }
                };
                let parts = m.parts.iter().map(part).collect::<Result<Vec<_>>>()?;
                peft::merge(&parts, m).map(Adapter::from)
            }
        }
    }

    /// Puts what came under its name, and tells those who wait.
    fn settle(&self, job: Job, result: Result<Arc<Prepared>>) {
        let mut state = self.state();
        let waiting = state.waiting.remove(&job.number).unwrap_or_default();
        let outcome = result.and_then(|p| self.store(&mut state, &job, &p).map(|()| p));
        let outcome = outcome.map_err(|e| (Failure::new(&job.name, &e), e));
        if let (Err((failure, _)), Some(entry)) = (&outcome, state.entries.get_mut(&job.name))
            && matches!(entry.tier, Tier::Loading(n) if n == job.number)
        {
            entry.tier = Tier::Known;
            entry.failed = Some((std::time::Instant::now(), failure.clone()));
        }
        drop(state);
        for waiter in waiting {
            waiter(outcome.as_ref().map(Arc::clone).map_err(|(f, _)| f.error()));
        }
        if let Goal::Put { reply, .. } = job.goal {
            // Who asked may be gone; the adapter is loaded all the same.
            let _ = reply.send(outcome.map(|p| p.info.clone()).map_err(|(_, e)| e));
        }
    }

    fn store(&self, state: &mut State, job: &Job, prepared: &Arc<Prepared>) -> Result<()> {
        let now = state.tick();
        let present = state.entries.get(&job.name).map(|e| e.info.generation.clone());
        let new = &prepared.info.generation;
        match &job.goal {
            Goal::Serve => {
                let Some(entry) = state.entries.get_mut(&job.name) else { return Ok(()) };
                // Replaced or forgotten meanwhile: those who waited get what they asked for, the name stays as it is.
                if !matches!(entry.tier, Tier::Loading(n) if n == job.number) {
                    return Ok(());
                }
                let old = &entry.info.generation;
                if !old.is_empty() && old != new && !matches!(entry.source, AdapterSource::Merge(_)) {
                    let m = "its files have changed since it was loaded first";
                    return Err(Error::new(ErrorKind::Conflict, m).hint("load it again to mean the new ones"));
                }
                entry.tier = Tier::Resident(Arc::clone(prepared));
                entry.info = prepared.info.clone();
            }
            Goal::Put { expected, .. } => {
                let is = present.unwrap_or_default();
                if let Some(expected) = expected.as_ref().filter(|e| **e != is) {
                    let m = format!(
                        "generation {expected} was expected, it is {}",
                        if is.is_empty() { "none" } else { &is }
                    );
                    return Err(Error::new(ErrorKind::Conflict, m).with_code("generation_conflict"));
                }
                let entry = state
                    .entries
                    .entry(job.name.clone())
                    .or_insert_with(|| super::entry::Entry::new(&job.name, job.source.clone()));
                entry.source = job.source.clone();
                entry.tier = Tier::Resident(Arc::clone(prepared));
                entry.info = prepared.info.clone();
                (entry.failed, entry.passing, entry.last_used) = (None, false, now);
                state.forget_merges_of(&job.name);
            }
        }
        state.shrink(self.config.bytes, &job.name);
        Ok(())
    }
}
