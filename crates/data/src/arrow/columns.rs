//! Which columns of a schema are read, and a clear refusal of the others.

use super::broken;
use crate::MAX_COLUMNS;
use arrow_schema::{DataType, Schema};
use lyceum_core::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// Places and names of the columns that are read.
///
/// # Errors
/// No columns, too many, a name twice, a type that no table of text could show.
pub(super) fn columns(schema: &Schema) -> Result<Vec<(usize, Arc<str>)>> {
    let fields = schema.fields();
    if fields.len() > MAX_COLUMNS {
        let message = format!("the schema has {} columns, at most {MAX_COLUMNS} are read", fields.len());
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let mut seen = HashSet::new();
    let mut out = Vec::with_capacity(fields.len());
    for (at, field) in fields.iter().enumerate() {
        let name = field.name();
        if is_row_label(name) {
            continue;
        }
        if !seen.insert(name.as_str()) {
            return Err(Error::invalid(format!("the schema names column \"{name}\" twice")));
        }
        if let Some(what) = refused(field.data_type()) {
            let message = format!(
                "column \"{name}\" holds {what}, expected numbers, truth values, text, dates or times"
            );
            return Err(Error::unsupported(message).hint("leave it out or flatten it before"));
        }
        let name: Arc<str> =
            if name.is_empty() { format!("Unnamed: {at}").into() } else { name.as_str().into() };
        out.push((at, name));
    }
    if out.is_empty() {
        return Err(broken("a table", &"the schema has no columns"));
    }
    Ok(out)
}

/// pandas' labels of rows, where they were no plain count.
fn is_row_label(name: &str) -> bool {
    let digits = name.strip_prefix("__index_level_").and_then(|n| n.strip_suffix("__"));
    digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
}

/// What a column holds that is not read.
fn refused(kind: &DataType) -> Option<String> {
    use DataType as D;
    match kind {
        D::Null | D::Boolean | D::Utf8 | D::LargeUtf8 | D::Utf8View => None,
        D::Binary | D::LargeBinary | D::BinaryView => None,
        D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => None,
        D::Float16 | D::Float32 | D::Float64 => None,
        D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) => None,
        D::Date32 | D::Date64 | D::Time32(_) | D::Time64(_) | D::Timestamp(..) => None,
        D::Dictionary(_, values) if !matches!(**values, D::Dictionary(..)) => refused(values),
        D::List(_) | D::LargeList(_) | D::FixedSizeList(..) | D::ListView(_) | D::LargeListView(_) => {
            Some("lists".into())
        }
        D::Struct(_) => Some("structures".into()),
        D::Map(..) => Some("maps".into()),
        D::Union(..) => Some("unions".into()),
        D::Duration(_) | D::Interval(_) => Some("spans of time".into()),
        _ => Some("values of a type that is not read".into()),
    }
}
