//! Language models for the verbs of `learn`: what is taught goes to `train`, what is asked to `engine`.

mod lesson;
mod speaker;

pub(crate) use lesson::{MAX_LENGTH, no_adapter, rounded, settings, training};

use lyceum_core::{Error, FitContext, Result, Value};
use lyceum_evaluate::{Metric, Part};
use lyceum_learn::config::LlmConfig;
use lyceum_learn::llm::{LanguageModels, Lesson, Speaker, Taught};
use lyceum_models::Loaded;
use lyceum_store::Home;
use lyceum_tensor::Pool;
use std::path::{Path, PathBuf};

/// What an answer is worth, besides its loss.
const METRICS: [Metric; 3] = [Metric::ExactMatch, Metric::TokenF1, Metric::RougeL];

/// Teaches and opens the models of the user's model folder.
pub(crate) struct Models {
    /// Threads that compute; absent leaves it to the pool.
    pub(crate) threads: Option<usize>,
}

impl Models {
    /// Opens a base model.
    fn load(&self, base: &str) -> Result<Loaded> {
        if let Some(threads) = self.threads {
            Pool::init_global(threads.max(1));
        }
        lyceum_models::load(&base_path(base)?)
    }
}

/// A base model's path: a pulled name, a path, or the hub's `owner/repo` as Ludwig writes it.
fn base_path(name: &str) -> Result<PathBuf> {
    let home = Home::open()?;
    let found = home.resolve(name);
    let of_hub = |e: Error| {
        let mut parts = name.split('/');
        let two = parts.by_ref().take(2).filter(|p| !p.is_empty() && !p.starts_with('.')).count() == 2;
        let hub = format!("hf:{name}");
        if two && parts.next().is_none() && !name.ends_with(".gguf") { home.resolve(&hub) } else { Err(e) }
    };
    found.or_else(of_hub)
}

impl LanguageModels for Models {
    fn teach(&self, config: &LlmConfig, lesson: &Lesson, folder: &Path, cx: &FitContext) -> Result<Taught> {
        let base = self.load(&config.base_model)?;
        lesson::teach(config, &base, lesson, folder, cx)
    }

    fn open(&self, base: &str, adapter: Option<&Path>, cx: &FitContext) -> Result<Box<dyn Speaker>> {
        Ok(Box::new(speaker::Opened::new(self.load(base)?, adapter, cx)?))
    }

    fn compare(&self, answer: &str, wanted: &str) -> Vec<(&'static str, f64)> {
        let (answer, wanted) = (Value::from(answer), Value::from(wanted));
        let worth = |metric: &Metric| match metric.part(&answer, &wanted, None) {
            Ok(Part::Score(score)) => Some((metric.name(), score)),
            _ => None,
        };
        METRICS.iter().filter_map(worth).collect()
    }
}
