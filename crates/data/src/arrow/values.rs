//! Cells of an array as values: what a request's rows are made of.

use super::ipc::{self, Reader};
use super::{Limits, columns};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrowPrimitiveType, temporal_conversions as temporal, types as t};
use arrow_schema::{DataType, TimeUnit};
use lyceum_core::{Error, Map, Result, Value};
use std::sync::Arc;

/// The rows of an Arrow body, each as a map; absent cells are null.
///
/// # Errors
/// A body that is not Arrow or is cut off; columns that are not read; more rows or bytes than the limits allow.
pub fn rows(body: &[u8], limits: Limits) -> Result<Vec<Value>> {
    let most = limits.rows;
    let mut left = limits;
    let reader = Reader::new(body, &mut left)?;
    let names = columns::columns(&reader.schema())?;
    let mut out: Vec<Value> = Vec::new();
    for batch in reader {
        let batch = batch?;
        left.take_rows(batch.num_rows(), most)?;
        left.take_bytes((batch.num_rows() as u64).saturating_mul(ROW + CELL * names.len() as u64))?;
        let mut maps = vec![Map::with_capacity(names.len()); batch.num_rows()];
        for (at, name) in &names {
            let column = batch.columns().get(*at).ok_or_else(ipc::short)?;
            each(&**column, |row, value| {
                if let Value::Str(text) = &value {
                    left.take_bytes(text.len() as u64)?;
                }
                maps.get_mut(row).map(|m| m.insert(name.clone(), value));
                Ok(())
            })
            .map_err(|e| e.hint(format!("it is column \"{name}\"")))?;
        }
        out.extend(maps.into_iter().map(Value::from));
    }
    Ok(out)
}

/// What a row and a cell of it cost in memory, about.
const ROW: u64 = 96;
const CELL: u64 = 64;

/// Hands over every cell of a column, top to bottom.
pub(super) fn each(array: &dyn Array, mut put: impl FnMut(usize, Value) -> Result<()>) -> Result<()> {
    visit(array, &mut put)
}

type Put<'a> = dyn FnMut(usize, Value) -> Result<()> + 'a;

fn visit(array: &dyn Array, put: &mut Put<'_>) -> Result<()> {
    use DataType as D;
    match array.data_type() {
        D::Null => (0..array.len()).try_for_each(|row| put(row, Value::Null)),
        D::Boolean => cells(array.as_boolean().iter().map(|x| x.map(Value::Bool)), put),
        D::Utf8 => cells(array.as_string::<i32>().iter().map(|x| x.map(text)), put),
        D::LargeUtf8 => cells(array.as_string::<i64>().iter().map(|x| x.map(text)), put),
        D::Utf8View => cells(array.as_string_view().iter().map(|x| x.map(text)), put),
        D::Binary => bytes(array.as_binary::<i32>().iter(), put),
        D::LargeBinary => bytes(array.as_binary::<i64>().iter(), put),
        D::BinaryView => bytes(array.as_binary_view().iter(), put),
        D::Int8 => numbers::<t::Int8Type>(array, |x| Value::Int(x.into()), put),
        D::Int16 => numbers::<t::Int16Type>(array, |x| Value::Int(x.into()), put),
        D::Int32 => numbers::<t::Int32Type>(array, |x| Value::Int(x.into()), put),
        D::Int64 => numbers::<t::Int64Type>(array, Value::Int, put),
        D::UInt8 => numbers::<t::UInt8Type>(array, |x| Value::Int(x.into()), put),
        D::UInt16 => numbers::<t::UInt16Type>(array, |x| Value::Int(x.into()), put),
        D::UInt32 => numbers::<t::UInt32Type>(array, |x| Value::Int(x.into()), put),
        D::UInt64 => numbers::<t::UInt64Type>(array, large, put),
        D::Float16 => numbers::<t::Float16Type>(array, |x| single(x.to_f32()), put),
        D::Float32 => numbers::<t::Float32Type>(array, single, put),
        D::Float64 => numbers::<t::Float64Type>(array, double, put),
        D::Decimal32(..) => decimals::<t::Decimal32Type>(array, put),
        D::Decimal64(..) => decimals::<t::Decimal64Type>(array, put),
        D::Decimal128(..) => decimals::<t::Decimal128Type>(array, put),
        D::Date32 => moments::<t::Date32Type>(
            array,
            |x| Some(temporal::date32_to_datetime(x)?.date().to_string()),
            put,
        ),
        D::Date64 => {
            moments::<t::Date64Type>(array, |x| Some(temporal::date64_to_datetime(x)?.to_string()), put)
        }
        D::Time32(TimeUnit::Second) => {
            moments::<t::Time32SecondType>(array, |x| Some(temporal::time32s_to_time(x)?.to_string()), put)
        }
        D::Time32(_) => moments::<t::Time32MillisecondType>(
            array,
            |x| Some(temporal::time32ms_to_time(x)?.to_string()),
            put,
        ),
        D::Time64(TimeUnit::Microsecond) => moments::<t::Time64MicrosecondType>(
            array,
            |x| Some(temporal::time64us_to_time(x)?.to_string()),
            put,
        ),
        D::Time64(_) => moments::<t::Time64NanosecondType>(
            array,
            |x| Some(temporal::time64ns_to_time(x)?.to_string()),
            put,
        ),
        D::Timestamp(unit, zone) => timestamps(array, *unit, zone.is_some(), put),
        D::Dictionary(..) => dictionary(array, put),
        other => Err(Error::unsupported(format!("the type {other} is not read"))),
    }
}

fn cells(all: impl Iterator<Item = Option<Value>>, put: &mut Put<'_>) -> Result<()> {
    all.enumerate().try_for_each(|(row, x)| put(row, x.unwrap_or_default()))
}

fn text(text: &str) -> Value {
    Value::Str(Arc::from(text))
}

/// Bytes of old writers that did not say that they are text.
fn bytes<'a>(all: impl Iterator<Item = Option<&'a [u8]>>, put: &mut Put<'_>) -> Result<()> {
    for (row, bytes) in all.enumerate() {
        let value = match bytes.map(std::str::from_utf8) {
            None => Value::Null,
            Some(Ok(words)) => text(words),
            Some(Err(_)) => return Err(Error::invalid("holds bytes that are no text")),
        };
        put(row, value)?;
    }
    Ok(())
}

fn numbers<T: ArrowPrimitiveType>(
    array: &dyn Array,
    value: impl Fn(T::Native) -> Value,
    put: &mut Put<'_>,
) -> Result<()> {
    cells(array.as_primitive::<T>().iter().map(|x| x.map(&value)), put)
}

/// Whole numbers beyond 2^63 - 1 keep their digits as text.
fn large(x: u64) -> Value {
    i64::try_from(x).map_or_else(|_| text(&x.to_string()), Value::Int)
}

fn double(x: f64) -> Value {
    if x.is_nan() { Value::Null } else { Value::Float(x) }
}

/// The double that reads as the single does.
fn single(x: f32) -> Value {
    if x.is_finite() { double(x.to_string().parse().unwrap_or(f64::from(x))) } else { double(f64::from(x)) }
}

fn decimals<T: t::DecimalType>(array: &dyn Array, put: &mut Put<'_>) -> Result<()> {
    let array = array.as_primitive::<T>();
    let shown = |row: usize| (!array.is_null(row)).then(|| text(&array.value_as_string(row)));
    cells((0..array.len()).map(shown), put)
}

fn moments<T: ArrowPrimitiveType>(
    array: &dyn Array,
    shown: impl Fn(T::Native) -> Option<String>,
    put: &mut Put<'_>,
) -> Result<()> {
    for (row, x) in array.as_primitive::<T>().iter().enumerate() {
        let value = match x.map(&shown) {
            None => Value::Null,
            Some(Some(words)) => text(&words),
            Some(None) => return Err(Error::invalid("holds a time that no calendar has")),
        };
        put(row, value)?;
    }
    Ok(())
}

fn shown(zoned: bool, at: Option<impl std::fmt::Display>) -> Option<String> {
    at.map(|at| if zoned { format!("{at}+00:00") } else { at.to_string() })
}

fn timestamps(array: &dyn Array, unit: TimeUnit, zoned: bool, put: &mut Put<'_>) -> Result<()> {
    match unit {
        TimeUnit::Second => moments::<t::TimestampSecondType>(
            array,
            |x| shown(zoned, temporal::timestamp_s_to_datetime(x)),
            put,
        ),
        TimeUnit::Millisecond => moments::<t::TimestampMillisecondType>(
            array,
            |x| shown(zoned, temporal::timestamp_ms_to_datetime(x)),
            put,
        ),
        TimeUnit::Microsecond => moments::<t::TimestampMicrosecondType>(
            array,
            |x| shown(zoned, temporal::timestamp_us_to_datetime(x)),
            put,
        ),
        TimeUnit::Nanosecond => moments::<t::TimestampNanosecondType>(
            array,
            |x| shown(zoned, temporal::timestamp_ns_to_datetime(x)),
            put,
        ),
    }
}

/// Each key's value; a key that has none is missing.
fn dictionary(array: &dyn Array, put: &mut Put<'_>) -> Result<()> {
    let Some(whole) = array.as_any_dictionary_opt() else {
        return Err(Error::unsupported("the dictionary's keys are not read"));
    };
    let mut values = Vec::with_capacity(whole.values().len().min(1 << 16));
    each(&**whole.values(), |_, value| {
        values.push(value);
        Ok(())
    })?;
    let mut row = 0;
    let mut put_key = |key: Value| {
        let at = key.as_i64().and_then(|k| usize::try_from(k).ok());
        let value = at.and_then(|at| values.get(at)).cloned().unwrap_or_default();
        row += 1;
        put(row - 1, value)
    };
    each(whole.keys(), |_, key| put_key(key))
}
