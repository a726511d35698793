//! The life of adapters: known, loaded by the first request, replaced, let go; merges; and that every answer is its own
//! adapter's, whatever comes and goes meanwhile.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail loudly")]

use futures_util::{StreamExt, TryStreamExt};
use lyceum_core::{
    AdapterInfo, AdapterMerge, AdapterSource, AdapterState, Adapters, Engine, Error, ErrorKind, FetchAdapter,
    GenerateEvent, GenerateRequest, MajoritySign, MergeStrategy, Prompt, Result, Sampling,
};
use lyceum_engine::{AdapterConfig, EngineConfig, LanguageModel, Precision};
use lyceum_tensor::safetensors::{self, Safetensors};
use lyceum_tensor::{Format, OutTensor};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const HIDDEN: usize = 64;
const VOCAB: usize = 384;
const PREFIX: &str = "base_model.model.";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/neural").join(name)
}

fn tiny(adapters: AdapterConfig) -> LanguageModel {
    LanguageModel::open(&golden("llama"), EngineConfig { adapters, ..EngineConfig::default() }).unwrap()
}

fn folder(name: &str) -> AdapterSource {
    AdapterSource::Folder(golden("peft").join(name))
}

fn adapters(e: &LanguageModel) -> &dyn Adapters {
    e.adapters().unwrap()
}

fn info(e: &LanguageModel, name: &str) -> AdapterInfo {
    adapters(e).list().into_iter().find(|a| a.name == name).unwrap()
}

fn request(ids: Vec<u32>, tokens: usize, adapter: &str) -> GenerateRequest {
    let mut r = GenerateRequest::new(Prompt::Tokens(ids));
    r.max_tokens = Some(tokens);
    r.sampling = Sampling::greedy();
    r.ignore_eos = true;
    r.adapter = Some(adapter.into());
    r
}

async fn run(e: &LanguageModel, r: GenerateRequest) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    let mut events = e.generate(r)?;
    while let Some(event) = events.try_next().await? {
        match event {
            GenerateEvent::Token(t) => ids.push(t.id),
            GenerateEvent::Done { .. } => return Ok(ids),
            GenerateEvent::Started { .. } => {}
        }
    }
    panic!("no end")
}

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

/// An adapter whose answers are one token. All tokens get one embedding, so the last hidden state is the same whatever
/// the prompt; along it the output layer is raised for the token. Queries and values change a little, each in its own way.
fn marker(folder: &Path, token: usize, sign: f32) {
    let row = noise(HIDDEN, 77);
    let embed: Vec<f32> = (0..VOCAB).flat_map(|_| row.clone()).collect();
    let along = noise(HIDDEN, 78);
    let mut raise = vec![0.0; VOCAB];
    raise[token] = sign * 1000.0;
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_string(), vec![VOCAB, HIDDEN], embed),
        ("lm_head.lora_A.weight".into(), vec![1, HIDDEN], along),
        ("lm_head.lora_B.weight".into(), vec![VOCAB, 1], raise),
    ];
    for (i, (part, out)) in [("q_proj", 64), ("v_proj", 32)].into_iter().enumerate() {
        for l in 0..2 {
            let name = format!("model.layers.{l}.self_attn.{part}.lora");
            let seed = (token * 8 + l * 2 + i) as u64;
            let small = |n, seed| noise(n, seed).into_iter().map(|x| x * 0.05).collect::<Vec<f32>>();
            tensors.push((format!("{name}_A.weight"), vec![1, HIDDEN], small(HIDDEN, seed)));
            tensors.push((format!("{name}_B.weight"), vec![out, 1], small(out, seed + 1000)));
        }
    }
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(n, s, v)| (format!("{PREFIX}{n}"), s, v.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let out: Vec<OutTensor<'_>> = bytes
        .iter()
        .map(|(name, shape, bytes)| OutTensor { name, shape, format: Format::F32, bytes })
        .collect();
    std::fs::create_dir_all(folder).unwrap();
    safetensors::write(&folder.join("adapter_model.safetensors"), &out).unwrap();
    let config = json!({
        "peft_type": "LORA", "r": 1, "lora_alpha": 1, "modules_to_save": ["embed_tokens"],
        "target_modules": ["q_proj", "v_proj", "lm_head"]
    });
    std::fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
}

/// Which sign raises the token: the hidden state's product with a vector may have either.
async fn sign(dir: &Path) -> f32 {
    let e = tiny(AdapterConfig::default());
    for sign in [1.0, -1.0] {
        marker(&dir.join("probe"), 7, sign);
        adapters(&e).load("probe", AdapterSource::Folder(dir.join("probe"))).await.unwrap();
        if run(&e, request(vec![1, 2, 3], 2, "probe")).await.unwrap() == [7, 7] {
            return sign;
        }
    }
    panic!("neither sign raises the token")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_its_own_adapter_s_whatever_comes_and_goes() {
    const MARKERS: usize = 64;
    const REQUESTS: usize = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let sign = sign(dir.path()).await;
    let place = |i: usize, second: bool| dir.path().join(format!("{i}-{second}"));
    for i in 0..MARKERS {
        marker(&place(i, false), 10 + i, sign);
        marker(&place(i, true), 200 + i, sign);
    }
    // Room for a third of them, so that they come and go by themselves too.
    let one = {
        let e = tiny(AdapterConfig::default());
        adapters(&e).load("x", AdapterSource::Folder(place(0, false))).await.unwrap().bytes
    };
    let e = Arc::new(tiny(AdapterConfig { bytes: 22 * one, ..AdapterConfig::default() }));
    let name = |i: usize| format!("marker-{i}");
    for i in 0..MARKERS {
        adapters(&e).know(&name(i), AdapterSource::Folder(place(i, false))).unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let churn = {
        let (e, done, root) = (Arc::clone(&e), Arc::clone(&done), dir.path().to_path_buf());
        tokio::spawn(async move {
            let (mut n, mut second) = (0, false);
            while !done.load(Ordering::Relaxed) {
                // Names below 16 mean one marker and then the other; those from 48 are forgotten and known again.
                let i = n % 16;
                second ^= i == 0;
                let folder = AdapterSource::Folder(root.join(format!("{i}-{second}")));
                adapters(&e).load(&format!("marker-{i}"), folder).await.unwrap();
                let gone = format!("marker-{}", 48 + n % 16);
                adapters(&e).unload(&gone).await.unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
                let again = AdapterSource::Folder(root.join(format!("{}-false", 48 + n % 16)));
                adapters(&e).know(&gone, again).unwrap();
                n += 1;
            }
            n
        })
    };
    let ask = |n: usize| {
        let (e, i) = (Arc::clone(&e), (n * 2_654_435_761) % MARKERS);
        async move {
            let prompt: Vec<u32> = (0..1 + n % 7).map(|j| ((n * 31 + j * 17) % 380) as u32).collect();
            let got = match run(&e, request(prompt, 2, &name(i))).await {
                Ok(got) => got,
                Err(e) if i >= 48 && e.kind() == ErrorKind::NotFound => return false,
                Err(e) => panic!("{}: {e}", name(i)),
            };
            let (first, second) = (10 + i as u32, 200 + i as u32);
            let right = got == [first, first] || (i < 16 && got == [second, second]);
            assert!(right, "{} answered {got:?}", name(i));
            true
        }
    };
    let answered = futures_util::stream::iter((0..REQUESTS).map(ask))
        .buffer_unordered(48)
        .filter(|a| std::future::ready(*a));
    let answered = answered.count().await;
    done.store(true, Ordering::Relaxed);
    let rounds = churn.await.unwrap();
    let resident: u64 = adapters(&e).list().iter().map(|a| a.bytes).sum();
    eprintln!(
        "{answered} of {REQUESTS} answered, {rounds} rounds of churn, {resident} bytes resident at the end"
    );
    assert!(answered > REQUESTS * 9 / 10 && rounds > 50 && resident <= 22 * one);
}

#[tokio::test]
async fn the_first_request_loads_what_is_known_and_the_longest_unused_leaves() {
    let one = adapters(&tiny(AdapterConfig::default())).load("x", folder("lora_r8_all")).await.unwrap().bytes;
    let e = tiny(AdapterConfig { bytes: 2 * one, ..AdapterConfig::default() });
    for name in ["a", "b", "c"] {
        adapters(&e).know(name, folder("lora_r8_all")).unwrap();
        assert_eq!((info(&e, name).state, info(&e, name).bytes), (AdapterState::Known, 0));
    }
    adapters(&e).pin("a", true).unwrap();
    for name in ["a", "b", "c"] {
        run(&e, request(vec![1, 2], 2, name)).await.unwrap();
        assert_eq!((info(&e, name).state, info(&e, name).uses), (AdapterState::Resident, 1));
    }
    let states = ["a", "b", "c"].map(|n| info(&e, n).state);
    assert_eq!(states, [AdapterState::Resident, AdapterState::Known, AdapterState::Resident]);
    assert_eq!(info(&e, "b").generation, info(&e, "a").generation, "known since it was there");
    adapters(&e).prefetch("b");
    for _ in 0..200 {
        if info(&e, "b").state == AdapterState::Resident {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(info(&e, "c").state, AdapterState::Known);
    let small = tiny(AdapterConfig { bytes: one - 1, ..AdapterConfig::default() });
    let refused = adapters(&small).load("x", folder("lora_r8_all")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Exhausted);
    assert!(refused.to_string().contains(&one.to_string()), "{refused}");
}

#[tokio::test]
async fn a_name_is_replaced_at_once_and_only_as_expected() {
    let e = tiny(AdapterConfig::default());
    let first = adapters(&e).load("n", folder("lora_r8_all")).await.unwrap();
    let wrong = adapters(&e).replace("n", folder("lora_r4_qv"), "another").await.unwrap_err();
    assert_eq!((wrong.kind(), wrong.code()), (ErrorKind::Conflict, "generation_conflict"));
    assert_eq!(info(&e, "n").generation, first.generation);
    // A long answer goes on with what it began with.
    let before = run(&e, request(vec![5, 6, 7], 60, "n")).await.unwrap();
    let running = run(&e, request(vec![5, 6, 7], 60, "n"));
    let replace = async { adapters(&e).replace("n", folder("lora_r4_qv"), &first.generation).await.unwrap() };
    let (running, second) = futures_util::join!(running, replace);
    assert_eq!(running.unwrap(), before);
    assert_ne!(second.generation, first.generation);
    assert_ne!(run(&e, request(vec![5, 6, 7], 60, "n")).await.unwrap(), before);
    adapters(&e).unload("n").await.unwrap();
    assert_eq!(run(&e, request(vec![1], 1, "n")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(adapters(&e).unload("n").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_cannot_be_loaded_is_told_to_the_request_and_not_tried_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    marker(dir.path(), 3, 1.0);
    let e = tiny(AdapterConfig::default());
    adapters(&e).know("broken", AdapterSource::Folder(golden("peft/loha"))).unwrap();
    let told = run(&e, request(vec![1], 1, "broken")).await.unwrap_err();
    assert!(told.to_string().contains("LOHA"), "{told}");
    assert_eq!(info(&e, "broken").state, AdapterState::Known);
    let again = e.generate(request(vec![1], 1, "broken")).err().unwrap();
    assert!(again.to_string().contains("LOHA"), "{again}");
    assert_eq!(adapters(&e).load("broken", folder("lora_r4_qv")).await.unwrap().rank, 4);
    run(&e, request(vec![1], 1, "broken")).await.unwrap();
    // Files that change under a name are not silently another adapter.
    let small = AdapterConfig { bytes: 150_000, ..AdapterConfig::default() };
    let e = tiny(small);
    adapters(&e).know("mine", AdapterSource::Folder(dir.path().into())).unwrap();
    run(&e, request(vec![1], 1, "mine")).await.unwrap();
    adapters(&e).load("other", folder("lora_modules_to_save")).await.unwrap();
    assert_eq!(info(&e, "mine").state, AdapterState::Known, "it had to leave");
    marker(dir.path(), 4, 1.0);
    let told = run(&e, request(vec![1], 1, "mine")).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn folders_are_named_below_the_roots_only() {
    let e = tiny(AdapterConfig { roots: vec![golden("peft")], ..AdapterConfig::default() });
    let inside = golden("peft/lora_r4_qv").canonicalize().unwrap();
    assert!(adapters(&e).knows("./lora_r4_qv") && !adapters(&e).knows("lora_r4_qv"));
    run(&e, request(vec![1], 1, "./lora_r4_qv")).await.unwrap();
    run(&e, request(vec![1], 1, inside.to_str().unwrap())).await.unwrap();
    for outside in ["../llama", "/etc", golden("llama").canonicalize().unwrap().to_str().unwrap()] {
        let refused = e.generate(request(vec![1], 1, outside)).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Forbidden, "{outside}: {refused}");
    }
    let missing = golden("peft").canonicalize().unwrap().join("../nowhere");
    let told = e.generate(request(vec![1], 1, missing.to_str().unwrap())).err().unwrap();
    assert_eq!(told.kind(), ErrorKind::Forbidden, "what is elsewhere is not told");
    assert_eq!(e.generate(request(vec![1], 1, "./none")).err().unwrap().kind(), ErrorKind::NotFound);
    let closed = tiny(AdapterConfig::default());
    assert_eq!(
        closed.generate(request(vec![1], 1, inside.to_str().unwrap())).err().unwrap().kind(),
        ErrorKind::NotFound
    );
}

#[derive(Debug)]
struct Slow;

impl FetchAdapter for Slow {
    fn is_mine(&self, id: &str) -> bool {
        id.starts_with("hub:")
    }

    fn fetch(&self, id: &str) -> Result<PathBuf> {
        std::thread::sleep(Duration::from_millis(300));
        match id {
            "hub:owner/name" => Ok(golden("peft/lora_r4_qv")),
            _ => Err(Error::not_found(format!("no repository `{id}`"))),
        }
    }
}

#[tokio::test]
async fn what_is_fetched_keeps_nobody_else_waiting() {
    let e = tiny(AdapterConfig { fetch: Some(Arc::new(Slow)), ..AdapterConfig::default() });
    adapters(&e).know("near", folder("lora_r4_qv")).unwrap();
    let start = std::time::Instant::now();
    let far = async {
        let got = run(&e, request(vec![1, 2, 3], 4, "hub:owner/name")).await.unwrap();
        (got, start.elapsed())
    };
    let near = async {
        let got = run(&e, request(vec![1, 2, 3], 4, "near")).await.unwrap();
        (got, start.elapsed())
    };
    let (far, near) = futures_util::join!(far, near);
    assert_eq!(far.0, near.0);
    assert!(near.1 < far.1, "the one that is here was first");
    let missing = run(&e, request(vec![1], 1, "hub:owner/other")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(e.stats().waiting, 0);
}

#[tokio::test]
async fn merges_are_adapters_of_their_own() {
    let exact = EngineConfig { precision: Precision::Exact, ..EngineConfig::default() };
    let e = LanguageModel::open(&golden("llama"), exact).unwrap();
    let file = Safetensors::open(&golden("peft/weighted_merge/expected.safetensors")).unwrap();
    let text = std::fs::read_to_string(golden("llama/expected.json")).unwrap();
    let ids: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<u32> =
        ids["input_ids"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect();
    for part in ["a", "b"] {
        adapters(&e).know(part, folder(&format!("weighted_merge/{part}"))).unwrap();
    }
    let merge = |strategy, density, sign| {
        let parts = vec![("a".to_string(), 0.7), ("b".to_string(), 0.5)];
        AdapterSource::Merge(AdapterMerge { parts, strategy, density, sign, seed: 0 })
    };
    use MajoritySign::{Frequency, Total};
    use MergeStrategy as S;
    for (name, source) in [
        ("linear", merge(S::Linear, 1.0, Total)),
        ("cat", merge(S::Cat, 1.0, Total)),
        ("ties", merge(S::Ties, 0.4, Total)),
        ("ties_frequency", merge(S::Ties, 0.4, Frequency)),
        ("magnitude_prune", merge(S::MagnitudePrune, 0.5, Total)),
    ] {
        adapters(&e).know(name, source).unwrap();
        let got = e.score(&ids, Some(name)).await.unwrap();
        let rows = file.f32(&format!("{name}.logits_last8")).unwrap();
        let rows: Vec<&[f32]> = rows.chunks(VOCAB).collect();
        let first = ids.len() - rows.len();
        for (i, row) in rows.iter().enumerate().take(rows.len() - 1) {
            let z = row.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln();
            let want = f64::from(row[ids[first + i + 1] as usize]) - z;
            let have = f64::from(got[first + i]);
            assert!((have - want).abs() < 2e-3, "{name} at {i}: {have} is not {want}");
        }
    }
    adapters(&e).unload("a").await.unwrap();
    assert!(!adapters(&e).knows("linear"), "a merge goes with its parts");
    adapters(&e).know("left", merge(S::Linear, 1.0, Total)).unwrap();
    let told = run(&e, request(vec![1], 1, "left")).await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::NotFound);
}
