//! The one thread that writes: what comes in is written in order, as much as waits in one transaction.

use super::{Db, prepare, sql};
use lyceum_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, Transaction};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Records that may wait.
const QUEUE: usize = 4096;
/// Records of one transaction.
const GROUP: usize = 1024;

/// Writes one record.
pub(super) type Record = Box<dyn FnOnce(&Transaction<'_>) -> Result<()> + Send>;

enum Order {
    Write(Record),
    Flush(oneshot::Sender<()>),
}

/// Takes records and writes them a little later, in their order. Dropped, it writes what waits first.
pub(super) struct Writer {
    orders: Option<mpsc::Sender<Order>>,
    /// The first failure: nothing is taken after it.
    failed: Arc<Mutex<Option<(ErrorKind, String)>>>,
    thread: Option<std::thread::JoinHandle<()>>,
    path: PathBuf,
}

impl Writer {
    /// Over a database that is up to date.
    pub(super) fn open(path: &Path) -> Result<Self> {
        drop(Db::open(path)?);
        let mut connection = Connection::open(path).map_err(|e| sql(path, e))?;
        prepare(&mut connection).map_err(|e| sql(path, e))?;
        let (orders, taken) = mpsc::channel(QUEUE);
        let failed = Arc::new(Mutex::new(None));
        let (told, file) = (failed.clone(), path.to_path_buf());
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || write(connection, taken, &told, &file))
            .map_err(|e| Error::io(path, "start the writer of", e))?;
        Ok(Self { orders: Some(orders), failed, thread: Some(thread), path: path.to_path_buf() })
    }

    /// Takes a record; waits while too many wait.
    pub(super) async fn take(&self, record: Record) -> Result<()> {
        self.order(Order::Write(record)).await
    }

    /// Returns when all that was taken is written.
    pub(super) async fn flush(&self) -> Result<()> {
        let (done, written) = oneshot::channel();
        self.order(Order::Flush(done)).await?;
        let _ = written.await;
        self.check()
    }

    async fn order(&self, order: Order) -> Result<()> {
        self.check()?;
        let gone = || Error::internal("the store's writer has ended").in_file(&self.path);
        self.orders.as_ref().ok_or_else(gone)?.send(order).await.map_err(|_| gone())
    }

    fn check(&self) -> Result<()> {
        match &*self.failed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((kind, message)) => Err(Error::new(*kind, message.clone())),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(
    mut db: Connection,
    mut taken: mpsc::Receiver<Order>,
    failed: &Mutex<Option<(ErrorKind, String)>>,
    path: &Path,
) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = taken.blocking_recv() {
        group.push(first);
        while group.len() < GROUP
            && let Ok(more) = taken.try_recv()
        {
            group.push(more);
        }
        let (mut records, mut waiting) = (Vec::new(), Vec::new());
        for order in group.drain(..) {
            match order {
                Order::Write(record) => records.push(record),
                Order::Flush(done) => waiting.push(done),
            }
        }
        // After a failure nothing more is written, so that there is no gap in what is kept. The lock is not held while
        // the disk works: whoever gives an order looks at it.
        let failure = || failed.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = failure().is_none();
        if whole && let Err(e) = commit(&mut db, records, path) {
            *failure() = Some((e.kind(), e.to_string()));
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}

fn commit(db: &mut Connection, records: Vec<Record>, path: &Path) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let tx = db.transaction().map_err(|e| sql(path, e))?;
    for record in records {
        record(&tx)?;
    }
    tx.commit().map_err(|e| sql(path, e))
}
