//! Retrieval: what is found, and what is refused.

use async_trait::async_trait;
use lyceum_compose::retrieve::{By, Cut, Finder, Limits, Options, Retriever};
use lyceum_core::{
    Context, Engine, Error, ErrorKind, GenerateRequest, Message, ModelInfo, RenderOptions, Result, Runnable,
    TextCodec, TokenStream, Value, laws,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn handbook() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/helpdesk/handbook")
}

#[tokio::test]
async fn the_page_that_answers_comes_first() {
    let pages = Retriever::open("handbook", &handbook(), &Options::default()).unwrap();
    let cx = Context::new();
    for (question, page) in [
        ("Up to what sum may the help desk approve a refund?", "refunds.md"),
        ("How soon must the status page be updated in an outage?", "outages.md"),
        ("a customer has forgotten the password", "password-reset.md"),
    ] {
        let found = pages.search(question, 3, None, &cx).await.unwrap();
        assert_eq!(found[0].passage.source, page, "{question}");
        assert!(found.windows(2).all(|w| w[0].score >= w[1].score));
    }
    let hits = pages.invoke("refund".into(), &cx).await.unwrap();
    let first = hits.as_list().unwrap()[0].to_json();
    assert_eq!((&first["source"], &first["heading"]), (&"refunds.md".into(), &"Refunds".into()));
    assert!(first["text"].as_str().unwrap().contains("refund") && first["score"].as_f64().unwrap() > 0.0);
    laws::runnable(&pages, &["refund".into(), "zzz".into(), "".into(), "? \"( AND".into()]).await.unwrap();
    assert_eq!(pages.invoke("xyzzy".into(), &cx).await.unwrap(), Value::from(vec![]));
    let one = Finder::new(Arc::new(pages), 1).unwrap();
    assert_eq!(one.invoke("refund".into(), &cx).await.unwrap().as_list().unwrap().len(), 1);
    assert!(one.invoke(Value::Int(3), &cx).await.unwrap_err().message().contains("takes text"));
}

/// Embeds a text as how often each of some letters is in it.
struct Letters(ModelInfo);

#[async_trait]
impl Engine for Letters {
    fn model(&self) -> &ModelInfo {
        &self.0
    }
    fn text(&self) -> &dyn TextCodec {
        self
    }
    fn generate(&self, _: GenerateRequest) -> Result<TokenStream> {
        Err(Error::unsupported("embeds"))
    }
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let of = |t: &String| "aeiouxyz".chars().map(|c| t.matches(c).count() as f32).collect();
        Ok(texts.iter().map(of).collect())
    }
}

impl TextCodec for Letters {
    fn encode(&self, _: &str, _: bool) -> Result<Vec<u32>> {
        Ok(Vec::new())
    }
    fn token_bytes(&self, _: u32, _: bool) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
    fn render(&self, _: &[Message], _: &RenderOptions) -> Result<String> {
        Ok(String::new())
    }
    fn end_ids(&self) -> &[u32] {
        &[]
    }
}

fn letters() -> Arc<dyn Engine> {
    Arc::new(Letters(ModelInfo {
        name: "letters".into(),
        architecture: "none".into(),
        parameters: 0,
        weight_bytes: 0,
        format: "none".into(),
        context_length: 100,
        vocab_size: 1,
        hidden_size: 8,
        generates: false,
        embeds: true,
        fingerprint: String::new(),
    }))
}

#[tokio::test]
async fn vectors_find_what_shares_no_word_and_ranks_are_fused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("a.txt", "xxx zzz"), ("b.md", "# Tea\neee iii"), ("c.html", "<p>ooo uuu</p>")] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let cx = Context::new();
    let words = Retriever::open("d", dir.path(), &Options::default()).unwrap();
    assert!(words.search("eie", 3, None, &cx).await.unwrap().is_empty());
    assert_eq!(
        words.search("x", 1, Some(By::Vectors), &cx).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    let both = words.with_vectors(letters(), &cx).await.unwrap();
    let near = both.search("eie", 3, Some(By::Vectors), &cx).await.unwrap();
    assert_eq!(near[0].passage.heading, "Tea");
    assert!(near[0].score > 0.9 && near[0].score < 1.0 && near[2].score.abs() < 1e-6, "{near:?}");
    // By words only `c` is found, by vectors `b` is the nearest: both ranks count.
    let fused = both.search("uuu eeeeiiii", 3, None, &cx).await.unwrap();
    assert_eq!((fused[0].passage.source.as_str(), fused[1].passage.source.as_str()), ("c.html", "b.md"));
    assert!((fused[0].score - (1.0 / 61.0 + 1.0 / 62.0)).abs() < 1e-12, "{fused:?}");
    let mute = Letters(ModelInfo { embeds: false, ..letters().model().clone() });
    let words = Retriever::open("d", dir.path(), &Options::default()).unwrap();
    let e = words.with_vectors(Arc::new(mute), &cx).await.map(|_| ()).unwrap_err();
    assert_eq!(e.message(), "model `letters` does not make embeddings");
}

#[test]
fn what_cannot_be_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let open = |options: &Options| Retriever::open("d", dir.path(), options).map(|_| ()).unwrap_err();
    assert!(open(&Options::default()).message().contains("no documents (.md, .txt, .html)"));
    std::fs::write(dir.path().join("empty.md"), "# Only a heading\n").unwrap();
    assert_eq!(open(&Options::default()).message(), "the documents hold no text");
    std::fs::write(dir.path().join("a.txt"), "words").unwrap();
    let e = open(&Options { language: Some("englisch".into()), ..Options::default() });
    assert!(e.to_string().contains("unknown language `englisch`\n  hint: did you mean `english`?"), "{e}");
    let limits = Limits { file_bytes: 10, ..Limits::default() };
    let e = open(&Options { limits, ..Options::default() });
    assert!(e.kind() == ErrorKind::TooLarge && e.to_string().contains("empty.md"), "{e}");
    let limits = Limits { files: 1, ..Limits::default() };
    assert!(open(&Options { limits, ..Options::default() }).message().contains("more than 1 documents"));
    std::fs::write(dir.path().join("b.txt"), [0xff, 0xfe]).unwrap();
    assert!(open(&Options::default()).message().contains("UTF-8"));
    assert!(Retriever::open("d", Path::new("no/such"), &Options::default()).is_err());
}

#[cfg(unix)]
#[test]
fn links_stay_within_the_folder() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    std::fs::write(dir.path().join("a.txt"), "words").unwrap();
    std::os::unix::fs::symlink(dir.path().join("a.txt"), dir.path().join("again.txt")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("round")).unwrap();
    let fine = Retriever::open("d", dir.path(), &Options::default()).unwrap();
    assert_eq!(fine.passages().len(), 1);
    std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
    let e = Retriever::open("d", dir.path(), &Options::default()).map(|_| ()).unwrap_err();
    assert!(e.kind() == ErrorKind::Forbidden && e.to_string().contains("out: this link leads out"), "{e}");
}

#[tokio::test]
async fn recall_of_the_handbook() {
    let questions = std::fs::read_to_string(handbook().join("../data/questions.jsonl")).unwrap();
    let questions: Vec<(String, String)> = questions
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
        .map(|q| {
            (q["question"].as_str().unwrap().into(), q["source"].as_str().unwrap().replace("handbook/", ""))
        })
        .collect();
    let cx = Context::new();
    let pages =
        Retriever::open("handbook", &handbook(), &Options { cut: Cut::default(), ..Options::default() })
            .unwrap();
    let (mut first, mut third) = (0, 0);
    for (question, source) in &questions {
        let found = pages.search(question, 3, None, &cx).await.unwrap();
        first += usize::from(found.first().is_some_and(|h| h.passage.source == *source));
        third += usize::from(found.iter().any(|h| h.passage.source == *source));
    }
    println!("words: {first} and {third} of {}", questions.len());
    assert!(first * 10 >= questions.len() * 8 && third * 10 >= questions.len() * 9, "{first} {third}");
}
