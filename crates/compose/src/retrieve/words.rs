//! Search by words: BM25 (Robertson et al. 1994) over an index in memory.

use super::passages::Passage;
use lyceum_core::{Error, Result};
use tantivy::collector::TopDocs;
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{
    Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions, Value,
};
use tantivy::tokenizer::{
    Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer,
};
use tantivy::{Index, IndexReader, IndexWriter, TantivyDocument, Term};

/// Languages whose word forms are known; `none` takes words as they stand.
pub const LANGUAGES: [&str; 19] = [
    "english",
    "none",
    "arabic",
    "danish",
    "dutch",
    "finnish",
    "french",
    "german",
    "greek",
    "hungarian",
    "italian",
    "norwegian",
    "portuguese",
    "romanian",
    "russian",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
];

/// Memory of the index's writer while it is made, in bytes.
const WRITER: usize = 32 << 20;
/// Words of a question that count.
const MOST_WORDS: usize = 256;
/// Letters of the longest word that is kept.
const LONGEST: usize = 100;

pub(super) struct Words {
    reader: IndexReader,
    analyzer: TextAnalyzer,
    text: Field,
    place: Field,
}

impl Words {
    pub(super) fn new(passages: &[Passage], language: Option<&str>) -> Result<Self> {
        let analyzer = analyzer(language.unwrap_or("english"))?;
        let mut schema = Schema::builder();
        let how = TextFieldIndexing::default()
            .set_tokenizer("words")
            .set_index_option(IndexRecordOption::WithFreqs);
        let text = schema.add_text_field("text", TextOptions::default().set_indexing_options(how));
        let place = schema.add_u64_field("place", STORED | INDEXED);
        let index = Index::create_in_ram(schema.build());
        index.tokenizers().register("words", analyzer.clone());
        let fill = || -> tantivy::Result<IndexReader> {
            let mut writer: IndexWriter = index.writer_with_num_threads(1, WRITER)?;
            for (i, passage) in passages.iter().enumerate() {
                let mut document = TantivyDocument::default();
                document.add_text(text, format!("{}\n{}", passage.heading, passage.text));
                document.add_u64(place, i as u64);
                writer.add_document(document)?;
            }
            writer.commit()?;
            writer.wait_merging_threads()?;
            index.reader()
        };
        Ok(Self { reader: fill().map_err(failed)?, analyzer, text, place })
    }

    /// Places of the best passages with their scores; those that share no word with the question are not among them.
    pub(super) fn search(&self, query: &str, k: usize) -> Result<Vec<(usize, f64)>> {
        let mut words = Vec::new();
        let mut analyzer = self.analyzer.clone();
        let mut tokens = analyzer.token_stream(query);
        while tokens.advance() && words.len() < MOST_WORDS {
            let term = Term::from_field_text(self.text, &tokens.token().text);
            let word: Box<dyn Query> = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
            words.push((Occur::Should, word));
        }
        if words.is_empty() || k == 0 {
            return Ok(Vec::new());
        }
        let find = || -> tantivy::Result<Vec<(usize, f64)>> {
            let searcher = self.reader.searcher();
            let best =
                searcher.search(&BooleanQuery::new(words), &TopDocs::with_limit(k).order_by_score())?;
            let mut found = Vec::with_capacity(best.len());
            for (score, address) in best {
                let document: TantivyDocument = searcher.doc(address)?;
                let place = document.get_first(self.place).and_then(|v| v.as_u64()).unwrap_or(u64::MAX);
                found.push((usize::try_from(place).unwrap_or(usize::MAX), f64::from(score)));
            }
            // Equal scores in the order of the documents, however the index keeps them.
            found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            Ok(found)
        };
        find().map_err(failed)
    }
}

fn failed(e: tantivy::TantivyError) -> Error {
    Error::internal(format!("the index of words: {e}"))
}

fn analyzer(name: &str) -> Result<TextAnalyzer> {
    let plain = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST))
        .filter(LowerCaser);
    let language = match name {
        "none" => return Ok(plain.build()),
        "english" => Language::English,
        "arabic" => Language::Arabic,
        "danish" => Language::Danish,
        "dutch" => Language::Dutch,
        "finnish" => Language::Finnish,
        "french" => Language::French,
        "german" => Language::German,
        "greek" => Language::Greek,
        "hungarian" => Language::Hungarian,
        "italian" => Language::Italian,
        "norwegian" => Language::Norwegian,
        "portuguese" => Language::Portuguese,
        "romanian" => Language::Romanian,
        "russian" => Language::Russian,
        "spanish" => Language::Spanish,
        "swedish" => Language::Swedish,
        "tamil" => Language::Tamil,
        "turkish" => Language::Turkish,
        other => {
            let e = Error::invalid(format!("unknown language `{other}`")).did_you_mean(other, LANGUAGES);
            return Err(e.at_key("language").hint(format!("languages are {}", LANGUAGES.join(", "))));
        }
    };
    Ok(match StopWordFilter::new(language) {
        Some(stop) => plain.filter(stop).filter(Stemmer::new(language)).build(),
        None => plain.filter(Stemmer::new(language)).build(),
    })
}
