//! `cargo xtask llama`: this build beside llama.cpp on one model, taking turns; the best of each counts.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

const USAGE: &str = "usage: cargo xtask llama LYCEUM PYTHON MODEL [BATCHES [ROUNDS]]
LYCEUM is the program to measure, PYTHON one that has llama_cpp, BATCHES like 1,8,16; LYCEUM_ISA is passed on";

const SCRIPT: &str = include_str!("llama.py");
const PROMPT: &str = "512";
const TOKENS: &str = "32";

/// The best tokens per second of a test so far: ours, theirs.
type Best = BTreeMap<(u8, usize), [f64; 2]>;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let [lyceum, python, model, rest @ ..] = arguments else { return Err(USAGE.into()) };
    let batches = rest.first().map_or("1,2,4,8,16,32", String::as_str);
    let rounds: usize = rest.get(1).map_or(Ok(3), |n| n.parse()).map_err(|_| USAGE.to_string())?;
    let mut best = Best::new();
    for _ in 0..rounds {
        let theirs = output(Command::new(python).args(["-c", SCRIPT, model, "2", PROMPT, TOKENS, batches]))?;
        note(&mut best, (0, 1), 1, theirs.get("prompt"));
        for (n, tps) in theirs.get("decode").and_then(Value::as_object).into_iter().flatten() {
            note(&mut best, (1, n.parse().map_err(|_| "a batch is a number")?), 1, Some(tps));
        }
        let bench = |prompt: &str, batches: &str| {
            let mut command = Command::new(lyceum);
            command.args(["bench", "--model", model, "--threads", "2", "--reps", "2", "--json"]);
            output(command.args(["--prompt-tokens", prompt, "--gen-tokens", TOKENS, "--batch", batches]))
        };
        let first = |v: &Value, key: &str| v.pointer(&format!("/results/0/{key}")).cloned();
        note(&mut best, (0, 1), 0, first(&bench(PROMPT, "1")?, "prompt_tps").as_ref());
        for n in batches.split(',') {
            let ours = bench("2", n)?;
            let n = n.parse().map_err(|_| "a batch is a number")?;
            note(&mut best, (1, n), 0, first(&ours, "decode_tps").as_ref());
        }
    }
    println!("{model}: tokens/s on 2 threads, best of {rounds}");
    println!("{:>24} {:>9} {:>9} {:>6}", "", "ours", "theirs", "ratio");
    for ((kind, n), [ours, theirs]) in best {
        let name = if kind == 0 { format!("prompt of {PROMPT}") } else { format!("decode, {n} sequences") };
        println!("{name:>24} {ours:>9.1} {theirs:>9.1} {:>6.2}", ours / theirs);
    }
    Ok(())
}

fn note(best: &mut Best, test: (u8, usize), whose: usize, tps: Option<&Value>) {
    let slot = best.entry(test).or_default().get_mut(whose);
    if let (Some(slot), Some(tps)) = (slot, tps.and_then(Value::as_f64)) {
        *slot = slot.max(tps);
    }
}

fn output(command: &mut Command) -> Result<Value, String> {
    let done = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !done.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)));
    }
    serde_json::from_slice(&done.stdout).map_err(|e| format!("{command:?}: {e}"))
}
