//! Arrow's interprocess format: a stream of messages, or the same between the marks of a file.
//!
//! All messages are looked over before the first is decoded: how many rows they announce and how large compressed
//! parts say they become, so that a small body cannot grow without bound.

use super::{Batches, Limits, broken, guarded};
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::{MessageHeader, RecordBatch as Batch, root_as_message};
use arrow_schema::SchemaRef;
use lyceum_core::{Error, Result};

const WHAT: &str = "an Arrow stream or file";
const MAGIC: &[u8] = b"ARROW1";
/// The mark before a message's length, since version 0.15.
const CONTINUES: [u8; 4] = [0xff; 4];

/// Batches of a body.
pub(super) struct Reader<'a> {
    batches: Batches<StreamReader<&'a [u8]>>,
    /// Rows that the messages announce.
    pub(super) rows: usize,
}

impl<'a> Reader<'a> {
    /// Looks the body over and reads its schema.
    pub(super) fn new(body: &'a [u8], left: &mut Limits) -> Result<Self> {
        if body.starts_with(b"FEA1") {
            return Err(
                Error::unsupported("Feather's first version is not read").hint("write it as version 2")
            );
        }
        if body.is_empty() {
            return Err(broken(WHAT, &"it is empty"));
        }
        let stream = if body.starts_with(MAGIC) { within_file(body) } else { body };
        let rows = look_over(stream, left)?;
        let inner = guarded(WHAT, || StreamReader::try_new(stream, None))?.map_err(|e| broken(WHAT, &e))?;
        Ok(Self { batches: Batches { inner, what: WHAT, over: false }, rows })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.batches.inner.schema()
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

/// The stream of a file, which is a mark, zeros up to the writer's alignment (8 or 64 bytes), the stream, and an index
/// that only readers at random need.
fn within_file(file: &[u8]) -> &[u8] {
    let mut rest = file.get(8..).unwrap_or_default();
    while let Some(([0, 0, 0, 0, 0, 0, 0, 0], after)) = rest.split_first_chunk::<8>() {
        rest = after;
    }
    rest
}

/// A batch that lacks a column of its schema.
pub(super) fn short() -> Error {
    broken("a table", &"a batch has fewer columns than the schema")
}

/// Rows and grown sizes that the messages announce, held to the limits. Gives the rows of the table.
fn look_over(mut rest: &[u8], left: &mut Limits) -> Result<usize> {
    let cut = || broken(WHAT, &"it ends in the middle of a message");
    let most = left.rows;
    let (mut rows, mut of_table) = (0usize, 0usize);
    while let Some((mut length, mut after)) = rest.split_first_chunk::<4>() {
        if *length == CONTINUES {
            (length, after) = after.split_first_chunk::<4>().ok_or_else(cut)?;
        }
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 {
            break;
        }
        let (head, body) = after.split_at_checked(length).ok_or_else(cut)?;
        let message = root_as_message(head).map_err(|e| broken(WHAT, &e))?;
        let long = usize::try_from(message.bodyLength()).map_err(|_| cut())?;
        let (body, next) = body.split_at_checked(long).ok_or_else(cut)?;
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch(),
            MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|d| d.data()),
            _ => None,
        };
        if let Some(batch) = batch {
            let own = usize::try_from(batch.length()).map_err(|_| cut())?;
            rows = rows.saturating_add(own);
            if message.header_type() == MessageHeader::RecordBatch {
                of_table = of_table.saturating_add(own);
            }
            if rows > most.saturating_mul(2) {
                left.take_rows(rows, most)?;
            }
            if !lies_within(&batch, body.len()) {
                return Err(broken(WHAT, &"a part of a batch lies outside its message"));
            }
            // Taken for good: what is decoded lies in memory beside the cells made of it.
            left.take_bytes(grown(&batch, body))?;
        }
        rest = next;
    }
    Ok(of_table)
}

/// Whether all parts of a batch are in the bytes behind its message's head.
fn lies_within(batch: &Batch<'_>, length: usize) -> bool {
    let fits = |buffer: &arrow_ipc::Buffer| {
        let (at, long) = (usize::try_from(buffer.offset()).ok(), usize::try_from(buffer.length()).ok());
        at.zip(long).and_then(|(at, long)| at.checked_add(long)).is_some_and(|end| end <= length)
    };
    batch.buffers().is_none_or(|all| all.iter().all(fits))
}

/// Bytes that the compressed parts of a batch say they become.
fn grown(batch: &Batch<'_>, body: &[u8]) -> u64 {
    let (Some(_), Some(buffers)) = (batch.compression(), batch.buffers()) else { return 0 };
    let size = |buffer: &arrow_ipc::Buffer| {
        let at = usize::try_from(buffer.offset()).ok()?;
        let head = body.get(at..)?.first_chunk::<8>()?;
        u64::try_from(i64::from_le_bytes(*head)).ok()
    };
    buffers.iter().filter_map(size).fold(0, u64::saturating_add)
}
