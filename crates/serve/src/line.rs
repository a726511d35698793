//! The line before a tabular model: a request that finds the model free is predicted at once; those that come meanwhile
//! wait, and are then predicted together, in one call of [`Runnable::batch`].

use futures_util::FutureExt;
use futures_util::future::{Either, join_all, select};
use lyceum_core::{Context, Error, Map, Result, Runnable, Value};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// Most rows that are put together; a request with more goes alone.
const TOGETHER: usize = 1024;

/// What one request wants predicted.
pub(crate) struct Ask {
    /// A row each.
    pub(crate) rows: Vec<Value>,
    /// Only requests of equal settings are predicted together.
    pub(crate) settings: Map,
    /// When its answer comes too late.
    pub(crate) deadline: Instant,
    /// Its run, cancellation and tracer; the settings and the deadline are set by the line.
    pub(crate) cx: Context,
}

struct Waiting {
    ask: Ask,
    answer: oneshot::Sender<Vec<Result<Value>>>,
}

#[derive(Default)]
struct State {
    running: usize,
    waiting: VecDeque<Waiting>,
}

/// A model and who waits for it.
pub(crate) struct Line {
    model: Arc<dyn Runnable>,
    state: Mutex<State>,
}

/// Cancels what was asked when nobody waits for it any more.
struct Gone(Context);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Line {
    pub(crate) fn new(model: Arc<dyn Runnable>) -> Self {
        Self { model, state: Mutex::default() }
    }

    /// The model itself.
    pub(crate) fn model(&self) -> &Arc<dyn Runnable> {
        &self.model
    }

    /// An answer or an error for each row, while at most `lanes` batches run at once.
    ///
    /// # Errors
    /// The deadline has passed, or the model broke.
    pub(crate) async fn predict(self: &Arc<Self>, mut ask: Ask, lanes: usize) -> Result<Vec<Result<Value>>> {
        ask.cx = ask.cx.child().with_deadline(ask.deadline).with_settings(ask.settings.clone());
        let cx = ask.cx.clone();
        let _gone = Gone(cx.clone());
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { ask, answer };
        if let Some(first) = self.wait_unless_free(waiting, lanes) {
            // Predicting computes: it must not hold up the streams of others.
            let line = self.clone();
            tokio::task::spawn_blocking(move || line.work(vec![first]));
        }
        cx.run(async { answered.await.map_err(|_| Error::internal("the model broke")) }).await
    }

    /// Gives the request back, with a lane taken for it, or puts it into the queue.
    fn wait_unless_free(&self, waiting: Waiting, lanes: usize) -> Option<Waiting> {
        let mut state = self.lock();
        if state.running < lanes.max(1) {
            state.running += 1;
            return Some(waiting);
        }
        state.waiting.push_back(waiting);
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Predicts a group, then whoever came meanwhile, until nobody waits.
    fn work(&self, mut group: Vec<Waiting>) {
        let runtime = tokio::runtime::Handle::current();
        loop {
            let call = AssertUnwindSafe(|| runtime.block_on(serve(&*self.model, group)));
            // What a broken model held is dropped, so that its askers are told.
            let _ = std::panic::catch_unwind(call);
            let mut state = self.lock();
            group = next(&mut state.waiting);
            if group.is_empty() {
                state.running -= 1;
                return;
            }
        }
    }
}

/// The first that still waits, and those behind it that go with it.
fn next(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let mut group: Vec<Waiting> = Vec::new();
    let mut rows = 0;
    let mut stay = VecDeque::new();
    while let Some(one) = waiting.pop_front() {
        if one.answer.is_closed() {
            continue;
        }
        let n = one.ask.rows.len();
        let fits = match group.first() {
            None => true,
            Some(first) => first.ask.settings == one.ask.settings && rows + n <= TOGETHER,
        };
        if fits {
            rows += n;
            group.push(one);
        } else {
            stay.push_back(one);
        }
    }
    *waiting = stay;
    group
}

async fn serve(model: &dyn Runnable, mut group: Vec<Waiting>) {
    let sizes: Vec<usize> = group.iter().map(|w| w.ask.rows.len()).collect();
    let rows: Vec<Value> = group.iter_mut().flat_map(|w| std::mem::take(&mut w.ask.rows)).collect();
    let all = rows.len();
    let Some(cx) = common(&group) else { return };
    let answers = {
        let everybody_gone = join_all(group.iter().map(|w| w.ask.cx.cancelled()));
        let work = model.batch(rows, &cx).boxed();
        match select(work, everybody_gone.boxed()).await {
            Either::Left((answers, _)) => answers,
            Either::Right((_, work)) => {
                cx.cancel();
                work.await
            }
        }
    };
    if answers.len() != all {
        return;
    }
    let mut answers = answers.into_iter();
    for (waiting, n) in group.into_iter().zip(sizes) {
        // Who has gone needs no answer.
        let _ = waiting.answer.send(answers.by_ref().take(n).collect());
    }
}

/// The context of a call for a group: one request's own, or one that lasts as long as the last of several. What a
/// shared call records belongs to no single request's run.
fn common(group: &[Waiting]) -> Option<Context> {
    let first = &group.first()?.ask;
    if group.len() == 1 {
        return Some(first.cx.clone());
    }
    let last = group.iter().map(|w| w.ask.deadline).max()?;
    let cx = Context::new().with_tracer(first.cx.tracer().clone());
    Some(cx.with_settings(first.settings.clone()).with_deadline(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use lyceum_core::{ErrorKind, Signature};
    use std::time::Duration;
    use tokio::sync::Semaphore;

    /// Gives each row back once it is let; notes the rows and the setting of every call; breaks at `"break"`.
    struct Echo {
        gate: Semaphore,
        calls: Mutex<Vec<(usize, Option<bool>)>>,
    }

    #[async_trait]
    impl Runnable for Echo {
        fn name(&self) -> &str {
            "echo"
        }
        fn signature(&self) -> Signature {
            Signature::any()
        }
        async fn invoke(&self, input: Value, _: &Context) -> Result<Value> {
            match input.as_str() {
                Some("bad") => Err(Error::invalid("a bad row")),
                Some("break") => panic!("on purpose"),
                _ => Ok(input),
            }
        }
        async fn batch(&self, inputs: Vec<Value>, cx: &Context) -> Vec<Result<Value>> {
            self.gate.acquire().await.unwrap().forget();
            let setting = cx.setting("contributions").and_then(Value::as_bool);
            self.calls.lock().unwrap().push((inputs.len(), setting));
            join_all(inputs.into_iter().map(|i| self.invoke(i, cx))).await
        }
    }

    fn ask(rows: &[&str], explained: bool, time: Duration) -> Ask {
        let mut settings = Map::new();
        if explained {
            settings.insert("contributions".into(), true.into());
        }
        let rows = rows.iter().map(|r| Value::from(*r)).collect();
        Ask { rows, settings, deadline: Instant::now() + time, cx: Context::new() }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[allow(clippy::async_yields_async, reason = "what is sent is waited for later")]
    #[tokio::test(flavor = "multi_thread")]
    async fn those_that_wait_go_together_and_each_gets_its_own() {
        let echo = Arc::new(Echo { gate: Semaphore::new(0), calls: Mutex::default() });
        let line = Arc::new(Line::new(echo.clone()));
        let mut waiting = 0;
        let mut send = |ask: Ask| {
            let own = line.clone();
            let task = tokio::spawn(async move { own.predict(ask, 1).await });
            let line = line.clone();
            let expected = waiting;
            waiting += 1;
            async move {
                // The first runs, each further one waits.
                while line.lock().running == 0 || line.lock().waiting.len() < expected {
                    tokio::task::yield_now().await;
                }
                task
            }
        };
        let first = send(ask(&["a"], false, LONG)).await;
        let two = send(ask(&["b", "bad", "c"], false, LONG)).await;
        let explained = send(ask(&["d"], true, LONG)).await;
        let left = send(ask(&["e"], false, LONG)).await;
        let three = send(ask(&["f"], false, LONG)).await;
        let late = send(ask(&["g"], false, Duration::from_millis(1))).await;
        assert_eq!(late.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
        left.abort();
        assert!(left.await.unwrap_err().is_cancelled());
        echo.gate.add_permits(9);
        assert_eq!(first.await.unwrap().unwrap()[0].as_ref().unwrap(), &"a".into());
        let two = two.await.unwrap().unwrap();
        assert_eq!(two[0].as_ref().unwrap(), &"b".into());
        assert_eq!(two[1].as_ref().unwrap_err().message(), "a bad row");
        assert_eq!(two[2].as_ref().unwrap(), &"c".into());
        assert_eq!(three.await.unwrap().unwrap()[0].as_ref().unwrap(), &"f".into());
        assert_eq!(explained.await.unwrap().unwrap()[0].as_ref().unwrap(), &"d".into());
        assert_eq!(*echo.calls.lock().unwrap(), [(1, None), (4, None), (1, Some(true))]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_model_that_breaks_serves_the_next() {
        let echo = Arc::new(Echo { gate: Semaphore::new(9), calls: Mutex::default() });
        let line = Arc::new(Line::new(echo));
        let broken = line.predict(ask(&["break"], false, LONG), 1).await;
        assert_eq!(broken.unwrap_err().kind(), ErrorKind::Internal);
        assert!(line.predict(ask(&["a"], false, LONG), 1).await.unwrap()[0].is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn groups_are_bounded_by_rows() {
        let mut waiting = VecDeque::new();
        let mut ends = Vec::new();
        for n in [900, 100, 200, 2000] {
            let (answer, end) = oneshot::channel();
            waiting.push_back(Waiting { ask: ask(&vec!["r"; n], false, LONG), answer });
            ends.push(end);
        }
        let mut sizes = || next(&mut waiting).iter().map(|w| w.ask.rows.len()).collect::<Vec<_>>();
        assert_eq!(sizes(), [900, 100]);
        assert_eq!(sizes(), [200]);
        assert_eq!(sizes(), [2000]);
        assert!(sizes().is_empty());
    }
}
