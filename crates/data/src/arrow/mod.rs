//! Columnar files and bodies: Parquet, Arrow's streams and files (Feather's second version is the latter). All are read
//! a batch of rows at a time and turned into what the rest of the program knows: text cells, values, or numbers.
//!
//! Numbers, truth values, text, dates, times and timestamps are read, dictionaries of them too; a nested column is one
//! error that names it. A time with a zone is shown in UTC, as `2024-05-01 08:00:00+00:00`. Single-precision numbers are
//! shown in as few digits as tell them apart. Columns named `__index_level_N__` are pandas' own row labels and are left
//! out. Nothing of what a file says of its size is believed: [`Limits`] hold for what comes out of it.

mod cells;
mod columns;
mod ipc;
mod limits;
mod numbers;
mod parquet_file;
mod values;
mod write;

pub(crate) use cells::{read_ipc, read_parquet};
pub use limits::Limits;
pub(crate) use numbers::{NumberBatches, is_columnar};
pub use values::rows;
pub use write::{file_bytes, stream_bytes};

use arrow_array::RecordBatch;
use lyceum_core::Error;

/// What the libraries say of a broken file.
fn broken(what: &str, e: &dyn std::fmt::Display) -> Error {
    let text = e.to_string();
    let text = text.lines().next().unwrap_or_default();
    Error::corrupt(format!("not {what} that can be read: {text}"))
}

/// Runs a library's reader of bytes that nobody vouches for. Where it panics on them, as fuzzing found it to, the file is
/// broken; the reader is not used again.
fn guarded<T>(what: &str, read: impl FnOnce() -> T) -> lyceum_core::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .map_err(|_| broken(what, &"its parts contradict each other"))
}

/// A library's batches, read guarded. After an error nothing more is asked for.
struct Batches<I> {
    inner: I,
    what: &'static str,
    over: bool,
}

impl<I, E> Iterator for Batches<I>
where
    I: Iterator<Item = std::result::Result<RecordBatch, E>>,
    E: std::fmt::Display,
{
    type Item = lyceum_core::Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = guarded(self.what, || self.inner.next()).transpose()?;
        let next = next.and_then(|batch| batch.map_err(|e| broken(self.what, &e)));
        self.over = next.is_err();
        Some(next)
    }
}

/// Parquet or Arrow from memory to text cells, for whoever holds the bytes already.
///
/// # Errors
/// As for files, without the name.
pub fn read_bytes(bytes: &[u8], limits: Limits) -> lyceum_core::Result<crate::Raw> {
    cells::of_bytes(bytes, limits)
}
