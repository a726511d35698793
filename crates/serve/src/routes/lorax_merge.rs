//! LoRAX's `merged_adapters`: an adapter made of others for whoever asks for the same merge.

use crate::models::{Models, Target};
use lyceum_core::{AdapterMerge, AdapterSource, Engine, Error, MajoritySign, MergeStrategy, Result};
use lyceum_wire::lorax::MergedAdapters;
use std::sync::Arc;

const STRATEGIES: [(&str, MergeStrategy); 6] = [
    ("linear", MergeStrategy::Linear),
    ("ties", MergeStrategy::Ties),
    ("dare_linear", MergeStrategy::DareLinear),
    ("dare_ties", MergeStrategy::DareTies),
    ("magnitude_prune", MergeStrategy::MagnitudePrune),
    ("cat", MergeStrategy::Cat),
];
const SIGNS: [(&str, MajoritySign); 2] =
    [("total", MajoritySign::Total), ("frequency", MajoritySign::Frequency)];

/// What DARE draws are fixed by: one merge answers alike today and tomorrow.
const SEED: u64 = 0;

/// The merge as a target. One adapter alone is itself, its weight unused, as LoRAX has it.
pub(super) fn target(models: &Models, base: &Arc<dyn Engine>, m: &MergedAdapters) -> Result<Target> {
    if m.ids.is_empty() {
        let text = "at least one adapter ID must be provided when setting `adapters`";
        return Err(Error::invalid(text));
    }
    let weights = match &m.weights {
        Some(w) if !w.is_empty() => w.clone(),
        _ => vec![1.0; m.ids.len()],
    };
    if weights.len() != m.ids.len() {
        return Err(Error::invalid("number of adapter IDs must match number of adapter weights"));
    }
    let found = |id: &String| models.find(&base.model().name, Some(id));
    let targets = m.ids.iter().map(found).collect::<Result<Vec<_>>>()?;
    if let [one] = &targets[..] {
        return Ok(one.clone());
    }
    let adapters = base.adapters().ok_or_else(|| Error::unsupported("the model takes no adapters"))?;
    let merge = AdapterMerge {
        parts: m.ids.iter().cloned().zip(weights.iter().map(|w| *w as f32)).collect(),
        strategy: one_of("merge_strategy", m.merge_strategy.as_deref(), &STRATEGIES)?,
        density: m.density.unwrap_or(0.0) as f32,
        sign: one_of("majority_sign_method", m.majority_sign_method.as_deref(), &SIGNS)?,
        seed: SEED,
    };
    let whole = matches!(merge.strategy, MergeStrategy::Linear | MergeStrategy::Cat);
    let is_share = merge.density > 0.0 && merge.density <= 1.0;
    if !(whole || is_share) {
        let text = format!("`density` must be > 0.0 and <= 1.0 for this strategy. Given: {}", merge.density);
        return Err(Error::invalid(text));
    }
    let parts: Vec<String> = merge.parts.iter().map(|(id, w)| format!("{id}*{w:?}")).collect();
    let rest = if whole { String::new() } else { format!(", density {:?}, {:?}", merge.density, merge.sign) };
    let name = format!("merge({:?}: {}{rest})", merge.strategy, parts.join(" + "));
    adapters.know(&name, AdapterSource::Merge(merge))?;
    Ok(Target { engine: Arc::clone(base), adapter: Some(name), name: m.ids.join(",") })
}

fn one_of<T: Copy>(key: &str, given: Option<&str>, all: &[(&str, T)]) -> Result<T> {
    let word = given.unwrap_or_else(|| all.first().map_or("", |(name, _)| name)).to_lowercase();
    all.iter().find(|(name, _)| *name == word).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        Error::invalid(format!("`{key}` must be one of {}. Given: {word}", names.join(", ")))
            .at_key(key)
            .did_you_mean(&word, names)
    })
}
