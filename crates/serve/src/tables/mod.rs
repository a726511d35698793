//! Tables as requests bring them and answers take them: JSON, CSV or Arrow, told by `Content-Type` and `Accept`.

mod accept;
mod arrow_rows;
mod csv_rows;
mod flatten;

pub(crate) use accept::{Format, read_as, write_as};
pub(crate) use arrow_rows::{file_answer, read as read_arrow, stream_answer};
pub(crate) use csv_rows::read as read_csv;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use lyceum_core::{Result, Value};

/// Answers as a CSV table: a row each, objects in them spread over columns.
///
/// # Errors
/// Two columns of one name.
pub(crate) fn csv_answer(answers: &[Value]) -> Result<Response> {
    let text = lyceum_data::csv_text(&flatten::table(answers)?)?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response())
}
