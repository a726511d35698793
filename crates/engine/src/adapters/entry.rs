//! What a registry knows of a name, and which adapters leave when room is needed.

use super::Prepared;
use lyceum_core::{AdapterInfo, AdapterSource, AdapterState, Error, ErrorKind, Result};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For so long a failed load is not tried again.
const GRUDGE: Duration = Duration::from_secs(10);

/// Takes the adapter when it is there.
pub(super) type Waiter = Box<dyn FnOnce(Result<Arc<Prepared>>) + Send>;

/// Where an adapter is.
#[derive(Debug)]
pub(super) enum Tier {
    /// On disk, or further away.
    Known,
    /// A job of this number brings it.
    Loading(u64),
    /// In memory.
    Resident(Arc<Prepared>),
}

/// One name.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) source: AdapterSource,
    pub(super) tier: Tier,
    /// What is known of it since it was loaded first.
    pub(super) info: AdapterInfo,
    pub(super) pinned: bool,
    pub(super) uses: u64,
    pub(super) last_used: u64,
    /// Whether a request named it by its place: such names are forgotten when there are many.
    pub(super) passing: bool,
    pub(super) failed: Option<(Instant, Failure)>,
}

/// An error that can be told to many.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: ErrorKind,
    message: String,
    hints: Vec<String>,
}

impl Failure {
    pub(super) fn new(name: &str, e: &Error) -> Self {
        // The file's own name: clients are not told where the server keeps things.
        let file =
            e.at().file.as_ref().and_then(|f| f.file_name()).map(|f| format!("{}: ", f.to_string_lossy()));
        let key = e.at().key.as_ref().map(|k| format!("{k}: "));
        let at = file.unwrap_or_default() + &key.unwrap_or_default();
        let message = format!("adapter `{name}` cannot be loaded: {at}{}", e.message());
        Self { kind: e.kind(), message, hints: e.hints().to_vec() }
    }

    pub(super) fn error(&self) -> Error {
        let e = Error::new(self.kind, &self.message).with_code("adapter_not_loaded");
        self.hints.iter().fold(e, |e, hint| e.hint(hint))
    }
}

impl Entry {
    pub(super) fn new(name: &str, source: AdapterSource) -> Self {
        Self {
            source,
            tier: Tier::Known,
            info: AdapterInfo { name: name.into(), ..AdapterInfo::default() },
            pinned: false,
            uses: 0,
            last_used: 0,
            passing: false,
            failed: None,
        }
    }

    pub(super) fn resident(&self) -> Option<&Arc<Prepared>> {
        match &self.tier {
            Tier::Resident(p) => Some(p),
            _ => None,
        }
    }

    /// Why it cannot be had, as long as that is fresh.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failed.as_ref().filter(|(at, _)| at.elapsed() < GRUDGE).map(|(_, f)| f)
    }

    pub(super) fn describe(&self) -> AdapterInfo {
        let state = match &self.tier {
            Tier::Known => AdapterState::Known,
            Tier::Loading(_) => AdapterState::Loading,
            Tier::Resident(_) => AdapterState::Resident,
        };
        let bytes = self.resident().map_or(0, |p| p.bytes());
        AdapterInfo { state, bytes, pinned: self.pinned, uses: self.uses, ..self.info.clone() }
    }
}

/// All names, and who waits for what.
#[derive(Default)]
pub(super) struct State {
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) waiting: HashMap<u64, Vec<Waiter>>,
    jobs: u64,
    clock: u64,
}

impl State {
    pub(super) fn next_job(&mut self) -> u64 {
        self.jobs += 1;
        self.jobs
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(super) fn bytes(&self) -> u64 {
        self.entries.values().filter_map(Entry::resident).map(|p| p.bytes()).sum()
    }

    /// Lets adapters go until what is left fits: those that nobody uses first, of these the longest unused; never a
    /// pinned one, nor `keep`.
    pub(super) fn shrink(&mut self, budget: u64, keep: &str) {
        let mut bytes = self.bytes();
        if bytes <= budget {
            return;
        }
        let mut leaving: Vec<(bool, u64, String)> = self
            .entries
            .iter()
            .filter(|(name, e)| !e.pinned && *name != keep)
            .filter_map(|(name, e)| {
                let in_use = Arc::strong_count(e.resident()?) > 1;
                Some((in_use, e.last_used, name.clone()))
            })
            .collect();
        leaving.sort();
        for (_, _, name) in leaving {
            if bytes <= budget {
                return;
            }
            if let Some(entry) = self.entries.get_mut(&name) {
                bytes -= entry.resident().map_or(0, |p| p.bytes());
                entry.tier = Tier::Known;
            }
        }
    }

    /// Forgets merges that a name is part of: it no longer means what they were made of.
    pub(super) fn forget_merges_of(&mut self, name: &str) {
        self.entries.retain(|_, e| match &e.source {
            AdapterSource::Merge(m) => m.parts.iter().all(|(part, _)| part != name),
            _ => true,
        });
    }

    /// Forgets names that requests brought, beyond `most`, the longest unused first.
    pub(super) fn forget_passing(&mut self, most: usize) {
        let passing = self.entries.iter().filter(|(_, e)| e.passing && matches!(e.tier, Tier::Known));
        let mut passing: Vec<(u64, String)> = passing.map(|(n, e)| (e.last_used, n.clone())).collect();
        let over = passing.len().saturating_sub(most);
        passing.sort();
        for (_, name) in passing.into_iter().take(over) {
            self.entries.remove(&name);
        }
    }
}
