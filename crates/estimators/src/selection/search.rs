//! A search: trial after trial, each a line of a journal that a later run goes on from.

use super::{Halving, Space, Trial, draw, suggest};
use lyceum_core::{Error, ErrorKind, FitContext, Params, Result, Value};
use lyceum_data::Random;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// How the next trial is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Where good trials lie more densely than others.
    Tpe,
    /// Anywhere in the space; grids are walked through.
    Random,
    /// Anywhere in the space with a little, the best of those with more.
    Halving(Halving),
}

/// Metric to value and standard error (0 where it was measured once).
pub type Scored = BTreeMap<String, (f64, f64)>;

/// A trial that ended, a line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Where in the space: a number of [0, 1] a dimension.
    pub point: Vec<f64>,
    /// The chosen parameters.
    pub params: serde_json::Value,
    /// With how much, where that is not always the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<u64>,
    /// What was measured, without what is no number; empty for a trial that failed.
    pub measures: Scored,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What is searched, how, and where it is kept.
pub struct Search<'a> {
    /// What may be chosen.
    pub space: &'a Space,
    /// How.
    pub method: Method,
    /// How many trials; for [`Method::Halving`] how many candidates.
    pub trials: usize,
    /// The metric that decides.
    pub metric: &'a str,
    /// Whether more of it is better.
    pub rises: bool,
    /// The file of ended trials.
    pub journal: &'a Path,
    /// What all trials share: a journal with others belongs to another search.
    pub settings: &'a serde_json::Value,
    /// No trial begins later, save the first.
    pub until: Option<Instant>,
}

impl Search<'_> {
    /// Tries until there are enough trials; those of the journal count. `judge` takes the chosen parameters and, with
    /// [`Method::Halving`], the resource.
    ///
    /// # Errors
    /// A journal of something else, one that cannot be written, the failure of the first trial of all (it is seldom the
    /// parameters'), cancellation. Ended trials stay in the journal.
    pub fn run(
        &self,
        fit: &FitContext,
        judge: &mut dyn FnMut(&Params, Option<u64>) -> Result<Scored>,
    ) -> Result<Vec<Ended>> {
        let (mut journal, mut ended) = open(self.journal, self.settings)?;
        fit.progress.begin("trials", Some(self.total() as u64));
        fit.progress.at(ended.len() as u64);
        while let Some((point, resource)) = self.next(&ended, fit.seed) {
            fit.cx.check()?;
            if !ended.is_empty() && self.until.is_some_and(|t| Instant::now() >= t) {
                break;
            }
            let params = self.space.params(&point);
            let (measures, error) = match judge(&params, resource) {
                Ok(all) => {
                    (all.into_iter().filter(|(_, (m, e))| m.is_finite() && e.is_finite()).collect(), None)
                }
                Err(e) if e.kind() == ErrorKind::Cancelled || ended.is_empty() => return Err(e),
                Err(e) => (Scored::new(), Some(e.to_string())),
            };
            let params = Value::Map(Arc::new(params)).to_json();
            let one = Ended { point, params, resource, measures, error };
            let line = serde_json::to_string(&one).map_err(|e| Error::internal(e.to_string()))?;
            writeln!(journal, "{line}").map_err(|e| Error::io(self.journal, "write", e))?;
            ended.push(one);
            fit.progress.at(ended.len() as u64);
        }
        fit.progress.end();
        Ok(ended)
    }

    /// Trials of a whole search.
    pub fn total(&self) -> usize {
        match self.method {
            Method::Halving(h) => h.rounds(self.trials).iter().map(|r| r.0).sum(),
            Method::Tpe | Method::Random => self.trials,
        }
    }

    /// The trials that have the metric, the best first: with more of the resource before those with less.
    pub fn ranked(&self, mut ended: Vec<Ended>) -> Vec<Ended> {
        ended.retain(|e| e.measures.contains_key(self.metric));
        ended.sort_by(|a, b| b.resource.cmp(&a.resource).then_with(|| self.loss(a).total_cmp(&self.loss(b))));
        ended
    }

    /// Less is better; without a value, worst.
    fn loss(&self, ended: &Ended) -> f64 {
        ended.measures.get(self.metric).map_or(f64::INFINITY, |m| if self.rises { -m.0 } else { m.0 })
    }

    /// The point that is tried next, and with how much.
    fn next(&self, ended: &[Ended], seed: u64) -> Option<(Vec<f64>, Option<u64>)> {
        let n = ended.len();
        let drawn = || {
            let point = draw(self.space, &mut Random::new(seed, 0x7e57 ^ (n as u64) << 16));
            self.space.on_grid(n, point)
        };
        match self.method {
            Method::Halving(halving) => {
                let losses: Vec<f64> = ended.iter().map(|e| self.loss(e)).collect();
                let (of, resource) = halving.next(self.trials, &losses)?;
                let point = of.and_then(|i| ended.get(i)).map_or_else(drawn, |e| e.point.clone());
                Some((point, Some(resource)))
            }
            _ if n >= self.trials => None,
            Method::Random => Some((drawn(), None)),
            Method::Tpe => {
                let trials: Vec<Trial> = ended.iter().map(|e| (e.point.clone(), self.loss(e))).collect();
                Some((suggest(self.space, &trials, seed), None))
            }
        }
    }
}

/// The journal, begun or gone on with: a line of settings, then one a trial. A last line that was cut off is dropped.
fn open(path: &Path, settings: &serde_json::Value) -> Result<(std::fs::File, Vec<Ended>)> {
    let io = |e| Error::io(path, "open", e);
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(io(e)),
    };
    let whole = text.rfind('\n').map_or("", |end| text.get(..=end).unwrap_or_default());
    let mut lines = whole.lines();
    let mut ended = Vec::new();
    let head = lines.next();
    // A first line that was cut off is the beginning of ours, or the file is somebody else's.
    let same = match head {
        Some(head) => serde_json::from_str::<serde_json::Value>(head).is_ok_and(|h| h == *settings),
        None => settings.to_string().starts_with(&text),
    };
    if !same {
        let e = Error::invalid("holds the trials of another search, or something else").in_file(path);
        return Err(e.hint("name another with --journal, or remove it"));
    }
    if head.is_some() {
        for (i, line) in lines.enumerate() {
            let fault = |e: serde_json::Error| Error::corrupt(e.to_string()).in_file(path).on_line(i + 2);
            ended.push(serde_json::from_str(line).map_err(fault)?);
        }
    }
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).map_err(io)?;
    file.set_len(whole.len() as u64).map_err(io)?;
    if head.is_none() {
        writeln!(file, "{settings}").map_err(|e| Error::io(path, "write", e))?;
    }
    Ok((file, ended))
}

/// Whether a journal is there and of this search.
pub fn is_journal_of(path: &Path, settings: &serde_json::Value) -> bool {
    let head = std::fs::File::open(path).and_then(|f| {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(f), &mut line).map(|_| line)
    });
    head.is_ok_and(|h| serde_json::from_str::<serde_json::Value>(&h).is_ok_and(|h| h == *settings))
}
