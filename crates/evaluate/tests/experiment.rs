//! Experiments end to end: scoring, stopping and going on, failures.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use async_trait::async_trait;
use lyceum_core::{Context, Error, ErrorKind, Result, Runnable, Signature, Value};
use lyceum_evaluate::{Dataset, Example, Metric, Options, run};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Says the input; fails on `bad`; cancels after a number of calls.
#[derive(Default)]
struct Echo {
    calls: AtomicUsize,
    stop_at: Option<usize>,
}

#[async_trait]
impl Runnable for Echo {
    fn name(&self) -> &str {
        "echo"
    }
    fn signature(&self) -> Signature {
        Signature::any()
    }
    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        if Some(self.calls.fetch_add(1, Ordering::SeqCst)) == self.stop_at {
            cx.cancel();
        }
        cx.check()?;
        if input.as_str() == Some("bad") { Err(Error::invalid("cannot")) } else { Ok(input) }
    }
}

fn data() -> Dataset {
    let pairs = [("a", "a"), ("b", "B!"), ("c", "x"), ("bad", "bad"), ("{\"k\":1}", "{ \"k\": 1.0 }")];
    Dataset::new(pairs.map(|(i, r)| Example::new(i.into(), r.into())).to_vec())
}

#[tokio::test]
async fn a_failure_counts_as_wrong() {
    let s = run(&Echo::default(), &data(), Metric::ExactMatch, &Options::default(), &Context::new())
        .await
        .unwrap();
    assert_eq!((s.n, s.failed, s.value), (5, 1, 0.6));
    let i = s.interval.unwrap();
    assert!(i.low > 0.2 && i.low < 0.6 && i.high > 0.6 && i.high < 0.95);
    let e =
        run(&Echo::default(), &data(), Metric::Auc, &Options::default(), &Context::new()).await.unwrap_err();
    assert!(
        e.to_string().contains("neither true nor false") && e.to_string().contains("on the input"),
        "{e}"
    );
}

#[tokio::test]
async fn stopped_it_goes_on_and_asks_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let options = Options { folder: Some(folder.clone()), batch: 2, ..Options::default() };
    let first = Echo { stop_at: Some(3), ..Echo::default() };
    let e = run(&first, &data(), Metric::ExactMatch, &options, &Context::new()).await.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Cancelled);
    let journal = folder.join("experiment.jsonl");
    assert_eq!(std::fs::read_to_string(&journal).unwrap().lines().count(), 3, "what was answered stays");

    // A crash in the middle of a line loses that line only.
    let mut text = std::fs::read_to_string(&journal).unwrap();
    text.truncate(text.len() - 5);
    std::fs::write(&journal, text).unwrap();
    let second = Echo::default();
    let s = run(&second, &data(), Metric::ExactMatch, &options, &Context::new()).await.unwrap();
    assert_eq!((s.value, second.calls.load(Ordering::SeqCst)), (0.6, 3));

    // Another metric scores the stored outputs; another target asks anew.
    let third = Echo::default();
    let s = run(&third, &data(), Metric::TokenF1, &options, &Context::new()).await.unwrap();
    assert_eq!((s.n, third.calls.load(Ordering::SeqCst)), (5, 0));
    let other = Options { target_id: Some("other".into()), ..options };
    run(&third, &data(), Metric::TokenF1, &other, &Context::new()).await.unwrap();
    assert_eq!(third.calls.load(Ordering::SeqCst), 5);
    let summary = std::fs::read_to_string(dir.path().join("run/summary.json")).unwrap();
    assert!(summary.contains("\"metric\": \"token_f1\"") && summary.contains("\"n\": 5"), "{summary}");
}
