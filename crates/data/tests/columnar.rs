//! Parquet and Arrow files beside the CSV of the same rows. The golden files were written by pyarrow
//! (`tests/golden/make.py`).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use lyceum_core::{Column, Table};
use lyceum_data::arrow::{Limits, file_bytes, rows, stream_bytes};
use lyceum_data::numbers::{Cells, NumberStream, read_numbers};
use lyceum_data::{Raw, read};
use std::path::PathBuf;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn cells(raw: &Raw) -> Vec<(String, Vec<Option<String>>)> {
    raw.columns().map(|(n, c)| (n.to_string(), c.iter().map(|x| x.map(str::to_string)).collect())).collect()
}

#[test]
fn every_type_reads_as_its_csv() {
    let want = cells(&read(golden("types.csv")).unwrap());
    assert!(want.len() > 15 && want[0].1.len() == 4, "{want:?}");
    for name in [
        "types.snappy.parquet",
        "types.zstd.parquet",
        "types.lz4.parquet",
        "types.gzip.parquet",
        "types.v2.parquet",
        "types.arrow",
        "types.lz4.feather",
        "types.zstd.arrow",
    ] {
        let got = cells(&read(golden(name)).unwrap());
        for (want, got) in want.iter().zip(&got) {
            assert_eq!(want, got, "{name}");
        }
        assert_eq!(want.len(), got.len(), "{name}");
    }
}

#[test]
fn what_is_not_read_is_named() {
    let message = |name: &str| read(golden(name)).unwrap_err().to_string();
    for name in ["nested.parquet", "nested.arrow"] {
        let e = message(name);
        assert!(e.contains(name) && e.contains("column \"tags\"") && e.contains("lists"), "{e}");
    }
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read(&path).unwrap_err().to_string()
    };
    let whole = std::fs::read(golden("types.zstd.parquet")).unwrap();
    for bytes in [&whole[..whole.len() - 9], &whole[..3], b"a,b\n1,2\n"] {
        let e = put("cut.parquet", bytes);
        assert!(e.contains("cut.parquet") && e.contains("not a Parquet file that can be read"), "{e}");
    }
    let whole = std::fs::read(golden("types.arrow")).unwrap();
    let e = put("cut.arrow", &whole[..whole.len() / 2]);
    assert!(e.contains("in the middle of a message"), "{e}");
    assert!(put("one.feather", b"FEA1xxxx").contains("first version"));
}

#[test]
fn limits_hold_before_anything_is_made() {
    let body = std::fs::read(golden("zeros.zstd.arrow")).unwrap();
    assert!(body.len() < 20_000, "the body is small: {}", body.len());
    let limit = |rows_: usize, bytes: u64| rows(&body, Limits { rows: rows_, bytes });
    assert_eq!(limit(200_000, 1 << 30).unwrap().len(), 100_000);
    for result in [limit(200_000, 1 << 19), limit(99_999, 1 << 30)] {
        assert_eq!(result.unwrap_err().code(), "too_large");
    }
}

#[test]
fn tables_come_back() {
    let table = Table::new([
        ("n", Column::Number(vec![1.5, f64::NAN, -0.1])),
        ("b", Column::Bool(vec![Some(true), None, Some(false)])),
        ("t", Column::Text(vec![Some("é".into()), Some("".into()), None])),
    ])
    .unwrap();
    for body in [stream_bytes(&table).unwrap(), file_bytes(&table).unwrap()] {
        let got = rows(&body, Limits::default()).unwrap();
        let want: Vec<_> = (0..3).map(|r| table.row(r)).collect();
        assert_eq!(format!("{got:?}"), format!("{want:?}"));
    }
}

#[test]
fn numbers_are_the_same_from_every_file_and_in_parts() {
    let all = |name: &str, header: bool| {
        let whole = read_numbers(golden(name), header).unwrap();
        let stream = NumberStream::open(golden(name), header).unwrap();
        assert_eq!((stream.rows, &stream.names), (whole.rows(), &whole.names), "{name}");
        let Cells::Dense { values, width } = whole.cells else { panic!("{name}") };
        assert_eq!(stream.width, width);
        let mut parts = Vec::new();
        let mut take = |only: Option<&[usize]>| {
            parts.clear();
            stream
                .each(only, |cells| {
                    let Cells::Dense { values, .. } = cells else { panic!("{name}") };
                    parts.extend(values.iter().map(|x| x.to_bits()));
                    Ok(())
                })
                .unwrap();
            parts.clone()
        };
        let bits: Vec<u64> = values.iter().map(|x| x.to_bits()).collect();
        assert_eq!(take(None), bits, "{name}");
        let only = [0, 7, 8, 20_000];
        let want: Vec<u64> = only.iter().flat_map(|r| bits[r * width..(r + 1) * width].to_vec()).collect();
        assert_eq!(take(Some(&only)), want, "{name}");
        bits
    };
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("n.csv");
    let names = NumberStream::open(golden("numbers.parquet"), false).unwrap().names.unwrap();
    let Cells::Dense { values, width } = read_numbers(golden("numbers.parquet"), false).unwrap().cells else {
        panic!()
    };
    let line = |r: &[f64]| r.iter().map(|x| x.to_string()).collect::<Vec<_>>().join(",");
    let text: Vec<String> = values.chunks(width).map(line).collect();
    std::fs::write(&csv, format!("{}\n{}\n", names.join(","), text.join("\n"))).unwrap();
    let want = all("numbers.parquet", false);
    assert!(want.len() == 30_000 * width);
    assert_eq!(all("numbers.arrow", false), want);
    assert_eq!(all(csv.to_str().unwrap(), true), want);
    let e = read_numbers(golden("types.zstd.parquet"), false).unwrap_err().to_string();
    assert!(e.contains("types.zstd.parquet") && e.contains("expected numbers only"), "{e}");
}
