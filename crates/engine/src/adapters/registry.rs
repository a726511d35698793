//! The adapters of one model, by name. Names may be many and cost next to nothing; an adapter is loaded when the first
//! request chooses it, which waits for it while others run, and leaves memory when room is needed. A name means one
//! generation until it is loaded anew, and requests keep the generation that they began with.

use super::AdapterConfig;
use super::entry::{Entry, State, Tier, Waiter};
use super::loader::{Goal, Job, Shared};
use crate::decoder::Precision;
use async_trait::async_trait;
use lyceum_core::{AdapterInfo, AdapterSource, Adapters, Error, ErrorKind, Result};
use lyceum_models::DecoderSpec;
use lyceum_models::peft::Adapter;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use tokio::sync::oneshot;

/// Most names.
const NAMES: usize = 1 << 20;
/// Most names that requests brought themselves.
const PASSING: usize = 4096;
/// Names that a message lists.
const LISTED: usize = 10;

/// The adapters of one model.
pub(crate) struct Registry {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
}

impl Registry {
    /// Fails only when no thread can be started.
    pub(crate) fn new(
        spec: DecoderSpec,
        base: (PathBuf, String),
        precision: Precision,
        config: AdapterConfig,
    ) -> Result<Self> {
        let shared = Shared { spec, precision, base, config, state: Mutex::default() };
        let shared = Arc::new(shared);
        let (jobs, todo) = mpsc::channel();
        let worker = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("adapters".into())
            .spawn(move || worker.work(&todo))
            .map_err(|e| Error::internal(format!("cannot start the thread that loads adapters: {e}")))?;
        Ok(Self { shared, jobs })
    }

    /// Hands `then` the present generation of a name: at once when it is in memory, else from the loader's thread when
    /// it has come or failed. A name that nobody knows, or whose last try failed just now, is an error here.
    pub(crate) fn get(&self, name: &str, then: Waiter) -> Result<()> {
        let mut state = self.shared.state();
        if !state.entries.contains_key(name) {
            let source = self.place(name)?.ok_or_else(|| unknown(&state, name))?;
            state.forget_passing(PASSING);
            let entry = Entry { passing: true, ..Entry::new(name, source) };
            state.entries.insert(name.into(), entry);
        }
        let now = state.tick();
        let Some(entry) = state.entries.get_mut(name) else { return Err(unknown(&state, name)) };
        if let Some(failure) = entry.failure() {
            return Err(failure.error());
        }
        (entry.uses, entry.last_used) = (entry.uses + 1, now);
        if let Some(prepared) = entry.resident() {
            let prepared = Arc::clone(prepared);
            drop(state);
            then(Ok(prepared));
            return Ok(());
        }
        let number = self.begin(&mut state, name)?;
        state.waiting.entry(number).or_default().push(then);
        Ok(())
    }

    /// Puts an adapter that was made in memory under a name; it stays until it is unloaded, as it lies nowhere else.
    pub(crate) fn insert(&self, name: &str, adapter: &Adapter) -> Result<AdapterInfo> {
        check_name(name)?;
        let prepared = self.shared.pack(name, adapter)?;
        let info = prepared.info.clone();
        let mut state = self.shared.state();
        state.forget_merges_of(name);
        let source = AdapterSource::Folder(PathBuf::new());
        let entry = Entry {
            tier: Tier::Resident(prepared),
            info: info.clone(),
            pinned: true,
            ..Entry::new(name, source)
        };
        state.entries.insert(name.into(), entry);
        Ok(info)
    }

    /// Begins to load a name that is not in memory, unless that was begun; the number of the job.
    fn begin(&self, state: &mut State, name: &str) -> Result<u64> {
        let number = state.next_job();
        let Some(entry) = state.entries.get_mut(name) else { return Err(unknown(state, name)) };
        if let Tier::Loading(number) = entry.tier {
            return Ok(number);
        }
        entry.tier = Tier::Loading(number);
        self.send(Job { number, name: name.into(), source: entry.source.clone(), goal: Goal::Serve })?;
        Ok(number)
    }

    fn send(&self, job: Job) -> Result<()> {
        self.jobs.send(job).map_err(|_| Error::internal("the thread that loads adapters has ended"))
    }

    /// The source of a name that is a place: something to fetch, or a folder below one of the roots. Plain words are
    /// names.
    fn place(&self, name: &str) -> Result<Option<AdapterSource>> {
        let fetched = self.shared.config.fetch.as_ref().is_some_and(|f| f.is_mine(name));
        if !fetched && !name.contains('/') && !name.contains('\\') { Ok(None) } else { self.locate(name) }
    }

    fn locate(&self, name: &str) -> Result<Option<AdapterSource>> {
        let config = &self.shared.config;
        if config.fetch.as_ref().is_some_and(|f| f.is_mine(name)) {
            return Ok(Some(AdapterSource::Remote(name.into())));
        }
        let path = Path::new(name);
        // Told by the words alone, so that nobody learns here what lies elsewhere.
        let mut outside = path.is_absolute() || path.components().any(|c| c == Component::ParentDir);
        for root in &config.roots {
            let Ok(whole) = root.canonicalize() else { continue };
            let named = path.starts_with(&whole) || path.starts_with(root);
            if outside && !named {
                continue;
            }
            // An absolute name replaces the root here, and is then held to it: a link may lead out.
            let Ok(folder) = whole.join(path).canonicalize() else { continue };
            if folder.starts_with(&whole) && folder.is_dir() {
                return Ok(Some(AdapterSource::Folder(folder)));
            }
            outside = true;
        }
        if outside && !config.roots.is_empty() {
            let m = format!("the folder `{name}` is not below one that adapters may be loaded from");
            return Err(Error::new(ErrorKind::Forbidden, m));
        }
        Ok(None)
    }

    async fn put(&self, name: &str, source: AdapterSource, expected: Option<String>) -> Result<AdapterInfo> {
        check_name(name)?;
        let (reply, answer) = oneshot::channel();
        let number = self.shared.state().next_job();
        self.send(Job { number, name: name.into(), source, goal: Goal::Put { expected, reply } })?;
        answer.await.map_err(|_| Error::internal("the thread that loads adapters has ended"))?
    }
}

/// An adapter's name, as requests give it: not empty, short, printable.
fn check_name(name: &str) -> Result<()> {
    let fine = !name.is_empty() && name.len() <= 512 && !name.chars().any(char::is_control);
    let e = || Error::invalid("an adapter's name has 1 to 512 bytes, none of them a control character");
    if fine { Ok(()) } else { Err(e().at_key("name")) }
}

fn unknown(state: &State, name: &str) -> Error {
    let known: Vec<&str> =
        state.entries.iter().filter(|(_, e)| !e.passing).map(|(n, _)| n.as_str()).collect();
    let shown = known.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    let list = match known.len() {
        0 => "none is loaded".to_string(),
        n if n > LISTED => format!("loaded: {shown} and {} more", n - LISTED),
        _ => format!("loaded: {shown}"),
    };
    let e = Error::not_found(format!("no adapter `{name}`")).with_code("adapter_not_found");
    e.did_you_mean(name, known).hint(list)
}

#[async_trait]
impl Adapters for Registry {
    async fn load(&self, name: &str, source: AdapterSource) -> Result<AdapterInfo> {
        self.put(name, source, None).await
    }

    async fn replace(&self, name: &str, source: AdapterSource, expected: &str) -> Result<AdapterInfo> {
        self.put(name, source, Some(expected.into())).await
    }

    async fn unload(&self, name: &str) -> Result<()> {
        let mut state = self.shared.state();
        state.forget_merges_of(name);
        state.entries.remove(name).map(drop).ok_or_else(|| unknown(&state, name))
    }

    fn list(&self) -> Vec<AdapterInfo> {
        self.shared.state().entries.values().map(Entry::describe).collect()
    }

    fn know(&self, name: &str, source: AdapterSource) -> Result<()> {
        check_name(name)?;
        let mut state = self.shared.state();
        match state.entries.get(name) {
            Some(entry) if entry.source == source => return Ok(()),
            Some(_) => {
                let m = format!("adapter `{name}` is known from another place");
                return Err(Error::new(ErrorKind::Conflict, m).hint("load it to replace it"));
            }
            None if state.entries.len() >= NAMES => {
                return Err(Error::new(ErrorKind::Exhausted, format!("{NAMES} adapters are known already")));
            }
            None => {}
        }
        let passing = matches!(source, AdapterSource::Merge(_));
        state.forget_passing(PASSING);
        state.entries.insert(name.into(), Entry { passing, ..Entry::new(name, source) });
        Ok(())
    }

    fn knows(&self, name: &str) -> bool {
        let known = self.shared.state().entries.contains_key(name);
        // What may not be loaded is known too: the request is then told why.
        known || self.place(name).map_or(true, |p| p.is_some())
    }

    fn info(&self, name: &str) -> Option<AdapterInfo> {
        self.shared.state().entries.get(name).map(Entry::describe)
    }

    fn resolve(&self, place: &str) -> Result<AdapterSource> {
        let found = self.locate(place)?;
        let roots = &self.shared.config.roots;
        found.ok_or_else(|| {
            if roots.is_empty() {
                let m = format!("adapters cannot be loaded from `{place}` by requests here");
                return Error::new(ErrorKind::Forbidden, m).hint("start the server with --adapters DIR");
            }
            Error::not_found(format!("no folder `{place}` below those that adapters may be loaded from"))
        })
    }

    fn takes_changes(&self) -> bool {
        !self.shared.config.roots.is_empty()
    }

    fn prefetch(&self, name: &str) {
        let mut state = self.shared.state();
        let wanted = |e: &Entry| matches!(e.tier, Tier::Known) && e.failure().is_none();
        if state.entries.get(name).is_some_and(wanted) {
            // Without the loader's thread the request itself will say so.
            let _ = self.begin(&mut state, name);
        }
    }

    fn pin(&self, name: &str, pinned: bool) -> Result<()> {
        let mut state = self.shared.state();
        let found = state.entries.get_mut(name).map(|e| e.pinned = pinned);
        found.ok_or_else(|| unknown(&state, name))
    }
}
