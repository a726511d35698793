//! How often the page that answers is found, by words, by vectors and by both (a real encoder in `LYCEUM_TEST_MINILM`).

use lyceum_compose::retrieve::{By, Options, Retriever};
use lyceum_core::Context;
use lyceum_engine::Encoder;
use std::path::Path;
use std::sync::Arc;

#[tokio::test]
async fn pages_are_found_by_words_by_vectors_and_by_both() {
    let Ok(model) = std::env::var("LYCEUM_TEST_MINILM") else {
        println!("SKIPPED: LYCEUM_TEST_MINILM names no model");
        return;
    };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/helpdesk");
    let questions = std::fs::read_to_string(example.join("data/questions.jsonl")).unwrap();
    let questions: Vec<serde_json::Value> =
        questions.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let cx = Context::new();
    let engine = Arc::new(Encoder::open(Path::new(&model)).unwrap());
    let pages = Retriever::open("handbook", &example.join("handbook"), &Options::default()).unwrap();
    let pages = pages.with_vectors(engine, &cx).await.unwrap();
    for (by, least) in [(By::Words, 24), (By::Vectors, 24), (By::Both, 26)] {
        let (mut first, mut third) = (0, 0);
        for q in &questions {
            let found = pages.search(q["question"].as_str().unwrap(), 3, Some(by), &cx).await.unwrap();
            let is = |source: &str| q["source"] == format!("handbook/{source}");
            first += usize::from(found.first().is_some_and(|h| is(&h.passage.source)));
            third += usize::from(found.iter().any(|h| is(&h.passage.source)));
        }
        println!("{by:?}: {first} first, {third} among three, of {}", questions.len());
        assert!(first >= least && third >= first, "{by:?}");
    }
}
