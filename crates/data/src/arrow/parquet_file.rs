//! Parquet: the footer is checked against the file and the limits before a page is read.

use super::{Batches, Limits, broken, guarded};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use lyceum_core::{Error, ErrorKind, Result};
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::reader::ChunkReader;

const WHAT: &str = "a Parquet file";
/// Rows that are decoded at once.
const BATCH: usize = 8192;

/// Batches of a file.
pub(super) struct Reader {
    batches: Batches<ParquetRecordBatchReader>,
    schema: SchemaRef,
    rows: usize,
}

/// Opens a file: reads its footer, checks it, decodes nothing yet.
pub(super) fn open(file: impl ChunkReader + 'static, left: &mut Limits) -> Result<Reader> {
    // The writer's own Arrow schema is passed over: plain types say all that is shown here.
    let options = ArrowReaderOptions::new()
        .with_skip_arrow_metadata(true)
        .with_page_index_policy(PageIndexPolicy::Skip);
    let length = file.len();
    let builder = guarded(WHAT, || ParquetRecordBatchReaderBuilder::try_new_with_options(file, options))?
        .map_err(|e| broken(WHAT, &e))?;
    let rows = check(builder.metadata(), length, left)?;
    let schema = builder.schema().clone();
    // Nested columns are refused by name before a reader of them is made.
    super::columns::columns(&schema)?;
    let inner = guarded(WHAT, || builder.with_batch_size(BATCH).build())?.map_err(|e| broken(WHAT, &e))?;
    Ok(Reader { batches: Batches { inner, what: WHAT, over: false }, schema, rows })
}

impl Reader {
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Rows that the footer announces.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }
}

impl Iterator for Reader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

/// Sizes of the footer that must fit the file and the limits; gives the number of rows.
fn check(meta: &ParquetMetaData, length: u64, left: &Limits) -> Result<usize> {
    let wrong = |what: &str| broken(WHAT, &format!("its footer says {what}"));
    let mut rows = 0u64;
    let mut bytes = 0u64;
    for group in meta.row_groups() {
        let own = u64::try_from(group.num_rows()).map_err(|_| wrong("a group has less than no rows"))?;
        rows = rows.saturating_add(own);
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let place = u64::try_from(start.min(column.data_page_offset()))
                .ok()
                .zip(u64::try_from(column.compressed_size()).ok())
                .filter(|(start, size)| start.checked_add(*size).is_some_and(|end| end <= length));
            if place.is_none() {
                return Err(wrong("that a column lies outside the file"));
            }
            let grown = u64::try_from(column.uncompressed_size())
                .map_err(|_| wrong("that a column has less than no bytes"))?;
            bytes = bytes.saturating_add(grown);
        }
    }
    if rows > left.rows as u64 || bytes > left.bytes {
        let message = format!(
            "the footer announces {rows} rows and {bytes} bytes, at most {} and {} are read",
            left.rows, left.bytes
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(rows as usize)
}
