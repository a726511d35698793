//! `two_round=true` on CSV, LibSVM and Parquet: the same model and the same saved bins as a reading at once, bit for bit.

mod support;

use std::fmt::Write;
use std::path::Path;
use support::{end_of, lyceum};

fn run(dir: &Path, words: &str) {
    let mut all = vec!["lightgbm", "--json", "-q"];
    all.extend(words.split_whitespace());
    let out = lyceum(dir, &all).output().unwrap();
    assert_eq!(end_of(&out), (0, String::new()), "{words}");
}

/// Trains with the words and without and with two rounds; models, and saved bins where there are such, must be equal.
fn same(dir: &Path, words: &str, files: &[&str]) {
    let words = format!("objective=binary num_trees=4 num_leaves=15 {words}");
    let kept = |round: &str| {
        let read = |f: &&str| std::fs::read(dir.join(f)).unwrap_or_else(|e| panic!("{f}: {e}"));
        let all: Vec<Vec<u8>> = files.iter().map(read).collect();
        files.iter().for_each(|f| std::fs::remove_file(dir.join(f)).unwrap());
        assert!(all.iter().all(|f| f.len() > 200), "{round}");
        all
    };
    run(dir, &words);
    let once = kept("once");
    run(dir, &format!("{words} two_round=true"));
    assert!(once == kept("two rounds"), "{words}");
}

fn draw(i: u64) -> u64 {
    (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 1000
}

/// A label, an id of a query, a weight, a category and two numbers with gaps.
fn csv(rows: u64, from: u64) -> String {
    let mut out = String::from("y,q,w,c,a,b\n");
    for i in from..from + rows {
        let (a, b, c) = (draw(3 * i), draw(3 * i + 1), draw(3 * i + 2) % 17);
        let a_text = if i % 9 == 0 { String::new() } else { format!("{}.25", a) };
        let _ =
            writeln!(out, "{},{},{}.5,{c},{a_text},{b}", u8::from(a + b + 30 * c > 1100), i / 7, 1 + i % 3);
    }
    out
}

#[test]
fn delimited_rows() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Over 4 MiB, so that the rows come in several parts.
    let text = csv(220_000, 0);
    assert!(text.len() > 5 << 20);
    std::fs::write(dir.join("a.csv"), text).unwrap();
    std::fs::write(dir.join("v.csv"), csv(900, 300_000)).unwrap();
    let words = "data=a.csv valid=v.csv header=true label_column=name:y weight_column=name:w ignore_column=name:q \
                 categorical_feature=name:c bin_construct_sample_cnt=5000 save_binary=true";
    same(dir, words, &["LightGBM_model.txt", "a.csv.bin", "v.csv.bin"]);
    // Fewer rows than the sample: all of them make the bins. Side files beside the rows are read too.
    std::fs::write(dir.join("s.csv"), csv(3000, 7)).unwrap();
    std::fs::write(dir.join("s.csv.weight"), "2\n1\n0.5\n".repeat(1000)).unwrap();
    std::fs::write(dir.join("s.csv.init"), "0.1\n-0.1\n0\n".repeat(1000)).unwrap();
    same(dir, "data=s.csv header=true ignore_column=0,1", &["LightGBM_model.txt"]);
    run(dir, "task=save_binary data=s.csv header=true");
    let once = std::fs::read(dir.join("s.csv.bin")).unwrap();
    std::fs::remove_file(dir.join("s.csv.bin")).unwrap();
    run(dir, "task=save_binary data=s.csv header=true two_round=true");
    assert!(once == std::fs::read(dir.join("s.csv.bin")).unwrap());
}

#[test]
fn sparse_rows() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = |rows: u64, from: u64, columns: u64| {
        let mut out = String::new();
        for i in from..from + rows {
            let _ = write!(out, "{}", u8::from(draw(i) > 500));
            (0..columns).filter(|c| draw(i * 31 + c).is_multiple_of(3)).for_each(|c| {
                let _ = write!(out, " {c}:{}", (draw(i * 17 + c) + draw(i)) / 10);
            });
            out.push('\n');
        }
        out
    };
    let text = rows(300_000, 0, 12);
    assert!(text.len() > 5 << 20);
    std::fs::write(dir.join("a.svm"), text).unwrap();
    // The validation rows never have the last columns.
    std::fs::write(dir.join("v.svm"), rows(500, 900_000, 9)).unwrap();
    same(
        dir,
        "data=a.svm valid=v.svm bin_construct_sample_cnt=3000 save_binary=true",
        &["LightGBM_model.txt", "a.svm.bin", "v.svm.bin"],
    );
}

#[test]
fn parquet_rows() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/tests/golden/numbers.parquet");
    std::fs::copy(golden, dir.join("n.parquet")).unwrap();
    same(
        dir,
        "data=n.parquet label_column=name:y bin_construct_sample_cnt=4000 save_binary=true",
        &["LightGBM_model.txt", "n.parquet.bin"],
    );
}

#[test]
fn faults_are_named_as_in_one_reading() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let fault = |text: &str, words: &str| {
        std::fs::write(dir.join("b.csv"), text).unwrap();
        let mut all = vec!["lightgbm", "data=b.csv", "objective=binary"];
        all.extend(words.split_whitespace());
        let once = end_of(&lyceum(dir, &all).output().unwrap());
        all.push("two_round=true");
        let twice = end_of(&lyceum(dir, &all).output().unwrap());
        assert_eq!(once, twice, "{text}");
        assert_ne!(once.0, 0, "{text}");
        once.1
    };
    assert!(fault("1,2\n0,3\n1\n", "").contains("b.csv:3: the row has 1 cells"));
    assert!(fault("1,2\n0,x\n", "").contains("b.csv:2: cell 2 is \"x\""));
    assert!(fault("1 2:1\n0 2:1\n3:1\n", "").contains("b.csv:3: the row has no label"));
    fault("1,2\n0,3\n", "label_column=7");
    fault("1,2\n0,3\n", "categorical_feature=4");
    fault("a,b\n1,2\n0,3\n", "header=true label_column=name:c");
    fault("", "");
}
