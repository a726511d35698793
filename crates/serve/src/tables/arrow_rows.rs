//! Arrow bodies: a stream or a file of batches, both ways.

use super::flatten;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use lyceum_core::{Result, Value};
use lyceum_data::arrow::{Limits, file_bytes, rows, stream_bytes};

/// The media type of a stream, and of a file.
pub(super) const STREAM: &str = "application/vnd.apache.arrow.stream";
pub(super) const FILE: &str = "application/vnd.apache.arrow.file";

/// Most bytes that the decoded rows of one body may take.
const MOST_BYTES: u64 = 1 << 30;

/// Reads at most `most` rows, each as a map. Whether it is a stream or a file is told by its first bytes.
///
/// # Errors
/// A body that is neither, is cut off, or has columns that are not read; too many rows or columns.
pub(crate) fn read(body: &[u8], most: usize) -> Result<Vec<Value>> {
    rows(body, Limits { rows: most, bytes: MOST_BYTES })
}

/// Answers as a stream: a row each, objects in them spread over columns.
///
/// # Errors
/// Two columns of one name.
pub(crate) fn stream_answer(answers: &[Value]) -> Result<Response> {
    Ok(([(header::CONTENT_TYPE, STREAM)], stream_bytes(&flatten::table(answers)?)?).into_response())
}

/// The same as a file.
///
/// # Errors
/// As [`stream_answer`].
pub(crate) fn file_answer(answers: &[Value]) -> Result<Response> {
    Ok(([(header::CONTENT_TYPE, FILE)], file_bytes(&flatten::table(answers)?)?).into_response())
}
