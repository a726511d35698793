//! Retrieval: a folder of documents, cut into passages, found by their words (BM25) and by their meaning (vectors).
//!
//! All of it lies in memory. Vectors are made by whatever engine the caller hands in and compared one by one; where
//! there are both, their ranks are fused (reciprocal rank fusion, Cormack et al. 2009).

mod documents;
mod html;
mod passages;
mod vectors;
mod words;

pub use documents::Limits;
pub use passages::{Cut, Passage};
pub use words::LANGUAGES;

use async_trait::async_trait;
use lyceum_core::{Context, Engine, Error, Map, Result, Runnable, Schema, Signature, Value};
use std::path::Path;
use std::sync::Arc;
use vectors::Vectors;
use words::Words;

/// Passages that each way of searching hands to the fusion.
const CANDIDATES: usize = 50;
/// Weight of a rank is 1 / (this + rank).
const FUSION: f64 = 60.0;
/// Passages found where nothing is said.
const FOUND: usize = 4;
/// Passages found at most.
const MOST_FOUND: usize = 100;

/// How a folder of documents is read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How documents are cut.
    pub cut: Cut,
    /// Whose word forms and stop words count as one; nothing: words as they stand. English where nothing is said.
    pub language: Option<String>,
    /// What is refused.
    pub limits: Limits,
}

/// By what passages are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Their words.
    Words,
    /// Their meaning.
    Vectors,
    /// Both, fused.
    Both,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit<'r> {
    /// The passage.
    pub passage: &'r Passage,
    /// BM25's score, a cosine, or the sum of fused ranks, as it was searched; the higher the nearer.
    pub score: f64,
}

/// Documents that can be searched.
pub struct Retriever {
    name: String,
    passages: Vec<Passage>,
    words: Words,
    vectors: Option<Vectors>,
}

impl Retriever {
    /// Reads all documents below a folder: `.md`, `.txt`, `.html`.
    ///
    /// # Errors
    /// A folder without documents, a link that leads out of it, too many or too large files, text that is not UTF-8,
    /// an unknown language.
    pub fn open(name: &str, folder: &Path, options: &Options) -> Result<Self> {
        let documents = documents::read(folder, &options.limits)?;
        let passages: Vec<Passage> = documents.iter().flat_map(|d| passages::cut(d, &options.cut)).collect();
        if passages.is_empty() {
            return Err(Error::invalid("the documents hold no text").in_file(folder));
        }
        let words = Words::new(&passages, options.language.as_deref())?;
        Ok(Self { name: name.to_string(), passages, words, vectors: None })
    }

    /// With vectors of every passage, made by an engine that embeds.
    pub async fn with_vectors(mut self, engine: Arc<dyn Engine>, cx: &Context) -> Result<Self> {
        self.vectors = Some(Vectors::new(&self.passages, engine, cx).await?);
        Ok(self)
    }

    /// All passages, document by document.
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// The `k` nearest passages, best first; by words alone where there are no vectors and nothing is asked for.
    ///
    /// # Errors
    /// Vectors are asked for and there are none; the engine fails.
    pub async fn search(&self, query: &str, k: usize, by: Option<By>, cx: &Context) -> Result<Vec<Hit<'_>>> {
        cx.check()?;
        if query.trim().is_empty() {
            return Ok(Vec::new());
        }
        let by = by.unwrap_or(if self.vectors.is_some() { By::Both } else { By::Words });
        let near = async |n| match &self.vectors {
            Some(vectors) => vectors.search(query, n, cx).await,
            None => Err(Error::unsupported(format!("`{}` has no vectors", self.name))),
        };
        let found = match by {
            By::Words => self.words.search(query, k)?,
            By::Vectors => near(k).await?,
            By::Both => {
                let n = CANDIDATES.max(k);
                fused(&[self.words.search(query, n)?, near(n).await?])
            }
        };
        let hit = |(i, score): (usize, f64)| Some(Hit { passage: self.passages.get(i)?, score });
        Ok(found.into_iter().filter_map(hit).take(k).collect())
    }
}

/// Ranks of several lists added up; equal sums in the order of the documents.
fn fused(lists: &[Vec<(usize, f64)>]) -> Vec<(usize, f64)> {
    let mut sums = std::collections::BTreeMap::new();
    for list in lists {
        for (rank, (i, _)) in list.iter().enumerate() {
            *sums.entry(*i).or_insert(0.0) += 1.0 / (FUSION + rank as f64 + 1.0);
        }
    }
    let mut all: Vec<(usize, f64)> = sums.into_iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// A retriever that finds so many.
pub struct Finder {
    retriever: Arc<Retriever>,
    k: usize,
}

impl Finder {
    /// Finds `k` passages, 1 to 100.
    ///
    /// # Errors
    /// Another number.
    pub fn new(retriever: Arc<Retriever>, k: usize) -> Result<Self> {
        if k == 0 || k > MOST_FOUND {
            return Err(Error::invalid(format!("1 to {MOST_FOUND} passages are found, {k} are asked for"))
                .at_key("k"));
        }
        Ok(Self { retriever, k })
    }
}

async fn found(retriever: &Retriever, k: usize, input: &Value, cx: &Context) -> Result<Value> {
    let Some(query) = input.as_str() else {
        return Err(Error::invalid(format!("a retriever takes text, it was given {}", input.type_name())));
    };
    let hits = retriever.search(query, k, None, cx).await?;
    let shown = |h: &Hit<'_>| {
        Value::from(Map::from_iter([
            ("text".into(), Value::from(h.passage.text.as_str())),
            ("source".into(), h.passage.source.as_str().into()),
            ("heading".into(), h.passage.heading.as_str().into()),
            ("score".into(), h.score.into()),
        ]))
    };
    Ok(hits.iter().map(shown).collect())
}

fn signature() -> Signature {
    let text = || Schema::of("string");
    let hit = [("text", text()), ("source", text()), ("heading", text()), ("score", Schema::of("number"))];
    Signature::new(text(), Schema::list(Schema::object(hit)))
}

#[async_trait]
impl Runnable for Finder {
    fn name(&self) -> &str {
        &self.retriever.name
    }

    fn signature(&self) -> Signature {
        signature()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        found(&self.retriever, self.k, &input, cx).await
    }
}

#[async_trait]
impl Runnable for Retriever {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> Signature {
        signature()
    }

    async fn invoke(&self, input: Value, cx: &Context) -> Result<Value> {
        found(self, FOUND, &input, cx).await
    }
}
