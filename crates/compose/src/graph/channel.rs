//! Channels: what a graph remembers between supersteps, one a state key and one a trigger. A channel takes all writes
//! of a superstep at once and says whether it changed. It knows nothing of nodes and never runs anything.

use super::messages::add_messages;
use lyceum_core::{Error, Map, Result, Value};
use std::fmt;
use std::sync::Arc;

/// Joins what a key holds with one more write.
pub type Fold = dyn Fn(&Value, &Value) -> Result<Value> + Send + Sync;

/// How a key that takes many writes a superstep joins them.
#[derive(Clone)]
pub enum Reducer {
    /// Lists are appended, numbers and text added, maps merged key by key (the later wins).
    Add,
    /// Chat messages by id: one that is there already is replaced, a removal removes, others are appended.
    Messages,
    /// Any other rule, with the value that an empty key holds.
    Fold(Value, Arc<Fold>),
}

impl fmt::Debug for Reducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "Add",
            Self::Messages => "Messages",
            Self::Fold(..) => "Fold",
        })
    }
}

/// What a channel does with writes.
#[derive(Debug, Clone)]
pub enum Kind {
    /// The last value; two writes in one superstep are an error.
    Last,
    /// Like `Last`, and holds this before it is written.
    LastFrom(Value),
    /// Writes folded one after another onto a start value.
    Reduce(Reducer, Value),
    /// All writes of the superstep, lists flattened; kept on when it accumulates, else for one superstep.
    Topic {
        /// Whether what came before stays.
        accumulate: bool,
    },
    /// Holds its value for one superstep.
    Ephemeral,
    /// Like `Last`, never part of a checkpoint.
    Untracked,
    /// Holds once every one of so many writers has written since it was last used.
    Barrier(usize),
    /// Holds once written and once nothing else can run: the trigger of a deferred node.
    AfterFinish,
}

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Through the channel's rule.
    Put(Value),
    /// In place of what it holds, whatever the rule; other writes of the superstep are dropped.
    Overwrite(Value),
    /// Of a barrier: this writer has arrived.
    Arrive(usize),
}

/// A channel and what it holds.
#[derive(Debug, Clone)]
pub struct Channel {
    kind: Kind,
    value: Option<Value>,
    /// Which writers a barrier has seen.
    arrived: Vec<bool>,
    finished: bool,
}

impl Channel {
    /// An empty channel.
    pub fn new(kind: Kind) -> Self {
        let writers = if let Kind::Barrier(n) = kind { n } else { 0 };
        let value = match &kind {
            Kind::Reduce(Reducer::Fold(zero, _), _) => Some(zero.clone()),
            Kind::Reduce(_, zero) | Kind::LastFrom(zero) => Some(zero.clone()),
            Kind::Topic { .. } => Some(Value::from(Vec::new())),
            _ => None,
        };
        Self { kind, value, arrived: vec![false; writers], finished: false }
    }

    /// What a node reads; nothing where there is nothing to read (a trigger with nothing has not fired).
    pub fn get(&self) -> Option<Value> {
        match self.kind {
            Kind::Barrier(_) => self.arrived.iter().all(|a| *a).then_some(Value::Null),
            Kind::AfterFinish => self.value.clone().filter(|_| self.finished),
            _ => self.value.clone(),
        }
    }

    /// Whether it belongs into a checkpoint.
    pub fn is_tracked(&self) -> bool {
        !matches!(self.kind, Kind::Untracked)
    }

    /// Takes all writes of a superstep, in order (none is an update too: it ends what lives for one superstep).
    /// Says whether the channel changed.
    ///
    /// # Errors
    /// Two writes to a key that takes one, two overwrites, a write that does not fit the rule; they name the key.
    pub fn update(&mut self, key: &str, writes: Vec<Write>) -> Result<bool> {
        match &self.kind {
            Kind::Barrier(_) => Ok(self.arrive(&writes)),
            Kind::Topic { accumulate } => {
                let kept = if *accumulate { self.value.take() } else { None };
                Ok(self.collect(kept, writes))
            }
            Kind::Ephemeral | Kind::AfterFinish | Kind::Last | Kind::LastFrom(_) | Kind::Untracked => {
                self.last(key, writes)
            }
            Kind::Reduce(reducer, _) => {
                let reducer = reducer.clone();
                self.reduce(key, &reducer, writes)
            }
        }
    }

    fn arrive(&mut self, writes: &[Write]) -> bool {
        let before = self.arrived.clone();
        for write in writes {
            if let Write::Arrive(who) = write
                && let Some(seen) = self.arrived.get_mut(*who)
            {
                *seen = true;
            }
        }
        self.arrived != before
    }

    fn collect(&mut self, kept: Option<Value>, writes: Vec<Write>) -> bool {
        let had = self.value.as_ref().and_then(Value::as_list).is_some_and(|l| !l.is_empty());
        let mut items = kept.as_ref().and_then(Value::as_list).map(<[Value]>::to_vec).unwrap_or_default();
        let changed = had || !writes.is_empty();
        for write in writes {
            match write {
                Write::Put(Value::List(list)) | Write::Overwrite(Value::List(list)) => {
                    items.extend(list.iter().cloned())
                }
                Write::Put(v) | Write::Overwrite(v) => items.push(v),
                Write::Arrive(_) => {}
            }
        }
        self.value = Some(items.into());
        changed
    }

    fn last(&mut self, key: &str, writes: Vec<Write>) -> Result<bool> {
        let trigger = matches!(self.kind, Kind::Ephemeral | Kind::AfterFinish);
        if writes.len() > 1 && !trigger {
            return Err(conflict(
                key,
                "Can receive only one value per step. Use an Annotated key to handle multiple values.",
            )
            .hint("give the key a reducer, or let one node write it"));
        }
        match writes.into_iter().next_back() {
            Some(Write::Put(v) | Write::Overwrite(v)) => {
                self.value = Some(v);
                self.finished = false;
                Ok(true)
            }
            Some(Write::Arrive(_)) => Ok(false),
            None if matches!(self.kind, Kind::Ephemeral) => Ok(self.value.take().is_some()),
            None => Ok(false),
        }
    }

    fn reduce(&mut self, key: &str, reducer: &Reducer, writes: Vec<Write>) -> Result<bool> {
        if writes.is_empty() {
            return Ok(false);
        }
        let mut overwrites = writes.iter().filter(|w| matches!(w, Write::Overwrite(_)));
        if let Some(Write::Overwrite(v)) = overwrites.next() {
            if overwrites.next().is_some() {
                return Err(conflict(key, "Can receive only one Overwrite value per super-step."));
            }
            self.value = Some(v.clone());
            return Ok(true);
        }
        for write in writes {
            let Write::Put(new) = write else { continue };
            let joined = match (self.value.take(), reducer) {
                (None | Some(Value::Null), _) => Ok(new),
                (Some(old), Reducer::Add) => sum(old, new),
                (Some(old), Reducer::Messages) => add_messages(old, &new),
                (Some(old), Reducer::Fold(_, f)) => f(&old, &new),
            };
            self.value = Some(joined.map_err(|e| e.at_key(key))?);
        }
        Ok(true)
    }

    /// Ends what a superstep has used: a barrier waits for all its writers again. Says whether the channel changed.
    pub fn consume(&mut self) -> bool {
        match self.kind {
            Kind::Barrier(_) if self.arrived.iter().all(|a| *a) => {
                self.arrived.fill(false);
                true
            }
            Kind::AfterFinish if self.finished => {
                (self.value, self.finished) = (None, false);
                true
            }
            _ => false,
        }
    }

    /// Nothing else can run: deferred triggers fire. Says whether the channel changed.
    pub fn finish(&mut self) -> bool {
        let fires = matches!(self.kind, Kind::AfterFinish) && self.value.is_some() && !self.finished;
        self.finished |= fires;
        fires
    }

    /// What a checkpoint holds of it; [`Channel::restore`] takes it back.
    pub fn save(&self) -> Option<Value> {
        match self.kind {
            Kind::Barrier(_) => {
                self.arrived.contains(&true).then(|| self.arrived.iter().map(|a| Value::Bool(*a)).collect())
            }
            Kind::AfterFinish => self.value.clone().map(|v| Value::from(vec![v, Value::Bool(self.finished)])),
            _ => self.value.clone(),
        }
    }

    /// Takes back what [`Channel::save`] gave; what does not fit leaves the channel empty.
    pub fn restore(&mut self, saved: Value) {
        match self.kind {
            Kind::Barrier(_) => {
                for (a, s) in self.arrived.iter_mut().zip(saved.as_list().unwrap_or_default()) {
                    *a = s.as_bool() == Some(true);
                }
            }
            Kind::AfterFinish => {
                if let Some([value, finished]) = saved.as_list() {
                    (self.value, self.finished) = (Some(value.clone()), finished.as_bool() == Some(true));
                }
            }
            _ => self.value = Some(saved),
        }
    }
}

fn conflict(key: &str, what: &str) -> Error {
    Error::new(lyceum_core::ErrorKind::Conflict, format!("At key '{key}': {what}"))
        .with_code("INVALID_CONCURRENT_GRAPH_UPDATE")
}

/// What `+` (and `|` of maps) makes of two values.
fn sum(old: Value, new: Value) -> Result<Value> {
    Ok(match (old, new) {
        (Value::List(mut a), Value::List(b)) => {
            Arc::make_mut(&mut a).extend(b.iter().cloned());
            Value::List(a)
        }
        (Value::Int(a), Value::Int(b)) => match a.checked_add(b) {
            Some(s) => Value::Int(s),
            None => Value::Float(a as f64 + b as f64),
        },
        (Value::Str(a), Value::Str(b)) => format!("{a}{b}").into(),
        (Value::Map(mut a), Value::Map(b)) => {
            let into: &mut Map = Arc::make_mut(&mut a);
            into.extend(b.iter().map(|(k, v)| (k.clone(), v.clone())));
            Value::Map(a)
        }
        (a, b) => match (a.as_f64(), b.as_f64()) {
            (Some(x), Some(y)) => Value::Float(x + y),
            _ => {
                let (a, b) = (a.type_name(), b.type_name());
                return Err(Error::invalid(format!("a write of type {b} cannot be added to {a}")));
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn puts(values: impl IntoIterator<Item = i64>) -> Vec<Write> {
        values.into_iter().map(|i| Write::Put(Value::Int(i))).collect()
    }

    #[test]
    fn a_plain_key_takes_one_write() {
        let mut c = Channel::new(Kind::Last);
        assert_eq!(c.get(), None);
        assert!(c.update("x", puts([1])).unwrap() && !c.update("x", vec![]).unwrap());
        assert_eq!(c.get(), Some(Value::Int(1)));
        let e = c.update("x", puts([1, 2])).unwrap_err();
        assert_eq!(
            e.message(),
            "At key 'x': Can receive only one value per step. Use an Annotated key to handle multiple values."
        );
    }

    #[test]
    fn reducers_fold_in_order_and_overwrites_win_once() {
        let mut c = Channel::new(Kind::Reduce(Reducer::Add, Value::from(vec![])));
        let list = |s: &str| Write::Put(Value::from(vec![s.into()]));
        c.update("log", vec![list("a"), list("b")]).unwrap();
        assert_eq!(c.get(), Some(Value::from(vec!["a".into(), "b".into()])));
        let over = Write::Overwrite(Value::from(vec!["r".into()]));
        c.update("log", vec![list("z"), over.clone(), list("y")]).unwrap();
        assert_eq!(c.get(), Some(Value::from(vec!["r".into()])));
        let e = c.update("log", vec![over.clone(), over]).unwrap_err();
        assert_eq!(e.message(), "At key 'log': Can receive only one Overwrite value per super-step.");
        assert!(
            c.update("log", puts([1])).unwrap_err().message().contains("integer cannot be added to array")
        );
    }

    #[test]
    fn triggers_live_for_a_step_and_barriers_until_used() {
        let mut c = Channel::new(Kind::Ephemeral);
        c.update("t", vec![Write::Put(Value::Null), Write::Put(Value::Null)]).unwrap();
        assert!(c.get().is_some() && c.update("t", vec![]).unwrap() && c.get().is_none());
        let mut b = Channel::new(Kind::Barrier(2));
        assert!(b.update("j", vec![Write::Arrive(1)]).unwrap() && b.get().is_none());
        let mut again = Channel::new(Kind::Barrier(2));
        again.restore(b.save().unwrap());
        assert!(again.update("j", vec![Write::Arrive(0)]).unwrap() && again.get().is_some());
        assert!(again.consume() && again.get().is_none() && !again.consume());
        let mut d = Channel::new(Kind::AfterFinish);
        d.update("d", puts([1])).unwrap();
        assert!(d.get().is_none() && d.finish() && d.get().is_some() && d.consume() && !d.finish());
    }

    #[test]
    fn topics_flatten_and_forget() {
        let mut c = Channel::new(Kind::Topic { accumulate: false });
        c.update(
            "t",
            vec![Write::Put(Value::from(vec![Value::Int(1), Value::Int(2)])), Write::Put(Value::Int(3))],
        )
        .unwrap();
        assert_eq!(c.get().unwrap().as_list().unwrap().len(), 3);
        assert!(c.update("t", vec![]).unwrap() && c.get().unwrap().as_list().unwrap().is_empty());
    }
}
