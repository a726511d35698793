//! `lyceum up` on a table, disturbed: Ctrl-C at any moment, data that changes under its hands, a disk without room.
//! Whatever happens, nothing half-made stays, and the next run ends where an undisturbed one does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{end_of, files_below, lyceum};

/// A project of one table model and its gate, large enough to be interrupted within.
fn project(dir: &Path) {
    let rows = |from: u32, to: u32| {
        (from..to).fold("size,colour,large\n".to_string(), |text, i| {
            let (size, odd) = (i * 7919 % 1000, if i % 17 == 0 { 600 } else { 0 });
            let large = if size + odd > 550 { "yes" } else { "no" };
            text + &format!("{size},{},{large}\n", ["red", "green", "blue"][(i % 3) as usize])
        })
    };
    std::fs::write(dir.join("train.csv"), rows(0, 3000)).unwrap();
    std::fs::write(dir.join("test.csv"), rows(3000, 3400)).unwrap();
    let yaml = "\
learn:
  large:
    model_type: gbm
    data: train.csv
    input_features: [{name: size, type: number}, {name: colour, type: category}]
    output_features: [{name: large, type: binary}]
evaluate:
  large_auc: {data: test.csv, target: large, metric: auc, gate: {at_least: 0.7}}
";
    std::fs::write(dir.join("lyceum.yaml"), yaml).unwrap();
}

const UP: [&str; 3] = ["up", "--once", "--json"];

fn json(out: &Output) -> Value {
    let text = String::from_utf8_lossy(&out.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|_| panic!("{text}\n{}", String::from_utf8_lossy(&out.stderr)))
}

/// Runs to the end and gives the gates.
fn finish(dir: &Path) -> Value {
    let out = lyceum(dir, &UP).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    json(&out)["gates"].clone()
}

fn half_made(dir: &Path) -> Vec<std::path::PathBuf> {
    files_below(&dir.join(".lyceum"))
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "part"))
        .collect()
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap().success());
}

#[test]
fn ctrl_c_at_any_moment_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let place = dir.path().join(name);
        std::fs::create_dir(&place).unwrap();
        project(&place);
        place
    };
    let whole = place("whole");
    let started = Instant::now();
    let undisturbed = finish(&whole);
    let takes = started.elapsed().as_secs_f64();
    // Moments drawn over the whole run; the draw is told, so that a failure can be had again.
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    println!("seed {seed}, an undisturbed run takes {takes:.2} s");
    let mut random = lyceum_data::Random::new(seed, 0);
    let mut interrupted = 0;
    for i in 0..6 {
        let here = place(&format!("run{i}"));
        let moment = takes * random.unit();
        let child = lyceum(&here, &UP).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(moment));
        signal("INT", child.id());
        let (code, said) = end_of(&child.wait_with_output().unwrap());
        // -1: it came before the program listened for it, and nothing had begun.
        assert!(matches!(code, 130 | 0 | -1), "after {moment:.2} s: {code} {said}");
        if code == 130 {
            interrupted += 1;
            assert!(said.ends_with("error: interrupted\n"), "{said}");
            assert_eq!(half_made(&here), Vec::<std::path::PathBuf>::new());
            assert!(lyceum(&here, &["status", "--json"]).output().unwrap().status.success());
        }
        assert_eq!(finish(&here), undisturbed, "interrupted after {moment:.2} s");
    }
    println!("{interrupted} of 6 were interrupted within");
}

#[test]
fn ctrl_c_within_the_training_is_told_and_leaves_no_model() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path());
    let mut child = lyceum(dir.path(), &UP).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The first line says that the training begins.
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "learn.large: never done\n");
    signal("INT", child.id());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(130), "{rest}");
    assert!(rest.ends_with("error: interrupted\n"), "{rest}");
    assert_eq!(json(&out)["error"]["code"], "cancelled");
    assert!(
        !dir.path().join(".lyceum/state.json").exists() && !dir.path().join(".lyceum/artefacts").exists()
    );
    assert_eq!(half_made(dir.path()), Vec::<std::path::PathBuf>::new());
    finish(dir.path());
}

#[test]
fn data_that_changes_while_it_is_learnt_from() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path());
    let mut child = lyceum(dir.path(), &UP).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    // The plan has seen the file; now it becomes another of the same length.
    let text = std::fs::read_to_string(dir.path().join("train.csv")).unwrap();
    std::fs::write(dir.path().join("new.csv"), text.replace("red", "rot")).unwrap();
    std::fs::rename(dir.path().join("new.csv"), dir.path().join("train.csv")).unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{rest}");
    let says = "error: ./train.csv: the file changed while `up` was at work\n  hint: run it again: the plan will see the new content\n";
    assert!(rest.ends_with(says), "{rest}");
    assert!(!dir.path().join(".lyceum/state.json").exists(), "what was learnt belongs to no data");
    finish(dir.path());
}

/// The program where no file may be larger than `blocks` of 512 bytes: a disk that is full after so much.
fn with_room_for(blocks: u32, dir: &Path, args: &[&str]) -> Output {
    let plain = lyceum(dir, args);
    let mut command = Command::new("sh");
    // The signal that comes with it is ignored, so that the write itself fails.
    command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(dir).stdin(Stdio::null());
    command.envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.output().unwrap()
}

#[test]
fn a_disk_without_room_leaves_no_half_artefact() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    project(here);
    let out = with_room_for(2, here, &UP);
    let (code, said) = end_of(&out);
    assert_eq!(code, 1, "{said}");
    let told = said.lines().last().unwrap();
    assert!(
        told.starts_with("error: ./.lyceum/work/learn-large-")
            && told.ends_with(": cannot write: File too large (os error 27)"),
        "{said}"
    );
    assert_eq!(json(&out)["error"]["code"], "exhausted");
    assert!(!here.join(".lyceum/state.json").exists() && !here.join(".lyceum/artefacts").exists());
    assert_eq!(half_made(here), Vec::<std::path::PathBuf>::new());
    finish(here);

    let args = ["train", "--config", "c.yaml", "--dataset", "train.csv", "--output_directory", "out"];
    let yaml = "input_features: [{name: size, type: number}]\noutput_features: [{name: large, type: binary}]\nmodel_type: gbm\n";
    std::fs::write(here.join("c.yaml"), yaml).unwrap();
    let (code, said) = end_of(&with_room_for(2, here, &args));
    assert!(code == 1 && said.ends_with(": cannot write: File too large (os error 27)\n"), "{code} {said}");
    assert!(files_below(&here.join("out")).is_empty(), "{:?}", files_below(&here.join("out")));
}

#[test]
fn a_file_system_that_is_really_full() {
    let may = Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|o| o.status.success());
    if !may {
        println!("SKIPPED: a full tmpfs (this user may not mount one)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("small");
    std::fs::create_dir(&small).unwrap();
    project(dir.path());
    // The mount is this child's alone and goes with it.
    let script = "mount -t tmpfs -o size=128k tmpfs small && cp train.csv test.csv lyceum.yaml small && cd small || exit 99
        \"$0\" up --once; echo \"ended with $?\"; find . -name '*.part' -o -name state.json -o -name artefacts";
    let out = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_lyceum")])
        .current_dir(dir.path())
        .env("LYCEUM_HOME", dir.path().join("home"))
        .output()
        .unwrap();
    let (_, said) = end_of(&out);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "ended with 1\n", "{said}");
    assert!(said.ends_with(": cannot write: No space left on device (os error 28)\n"), "{said}");
}

#[test]
fn a_result_that_cannot_be_written_is_told() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
        println!("SKIPPED: no /dev/full here");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for args in [&["ls"][..], &["ls", "--json"]] {
        let out = lyceum(dir.path(), args).stdout(full.try_clone().unwrap()).output().unwrap();
        let says = "error: standard output: cannot write: No space left on device (os error 28)\n";
        assert_eq!(end_of(&out), (1, says.to_string()));
    }
}
