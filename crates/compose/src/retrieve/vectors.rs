//! Search by meaning: every passage's vector against the question's, by the cosine of their angle.

use super::passages::Passage;
use lyceum_core::{Context, Engine, Error, ErrorKind, Result};
use std::sync::Arc;

/// Texts that an engine is given at once.
const TOGETHER: usize = 32;
/// Numbers that are multiplied side by side.
const LANES: usize = 16;
/// Characters of a question that are embedded; what is beyond says no more about it.
const LONGEST: usize = 4000;

pub(super) struct Vectors {
    engine: Arc<dyn Engine>,
    width: usize,
    /// Of length 1, one after another.
    all: Vec<f32>,
}

impl Vectors {
    pub(super) async fn new(passages: &[Passage], engine: Arc<dyn Engine>, cx: &Context) -> Result<Self> {
        let model = engine.model();
        if !model.embeds {
            return Err(Error::unsupported(format!("model `{}` does not make embeddings", model.name)));
        }
        let width = model.hidden_size;
        if width == 0 || passages.len() > isize::MAX as usize / 4 / width {
            return Err(Error::new(ErrorKind::TooLarge, "too many passages for vectors in memory"));
        }
        let mut all = Vec::with_capacity(passages.len() * width);
        for some in passages.chunks(TOGETHER) {
            let texts: Vec<String> = some.iter().map(|p| format!("{}\n{}", p.heading, p.text)).collect();
            for vector in cx.run(engine.embed(&texts)).await? {
                all.extend(unit(vector, width)?);
            }
        }
        Ok(Self { engine, width, all })
    }

    /// Places of the nearest passages with their cosines.
    pub(super) async fn search(&self, query: &str, k: usize, cx: &Context) -> Result<Vec<(usize, f64)>> {
        let query: String = query.chars().take(LONGEST).collect();
        let made = cx.run(self.engine.embed(&[query])).await?;
        let Some(query) = made.into_iter().next() else {
            return Err(Error::internal("the engine gave no vector"));
        };
        let query = unit(query, self.width)?;
        let mut found: Vec<(usize, f32)> =
            self.all.chunks_exact(self.width).map(|v| dot(v, &query)).enumerate().collect();
        let k = k.min(found.len());
        let nearer = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if k > 0 && k < found.len() {
            found.select_nth_unstable_by(k - 1, nearer);
        }
        found.truncate(k);
        found.sort_unstable_by(nearer);
        Ok(found.into_iter().map(|(i, x)| (i, f64::from(x))).collect())
    }
}

/// A vector of length 1.
fn unit(mut vector: Vec<f32>, width: usize) -> Result<Vec<f32>> {
    if vector.len() != width {
        let message = format!("the engine gave a vector of {} numbers, {width} expected", vector.len());
        return Err(Error::internal(message));
    }
    let length = dot(&vector, &vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    Ok(vector)
}

/// Sums in lanes, so that the compiler can take them together.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = whole_a.remainder().iter().zip(whole_b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in whole_a.zip(whole_b) {
        sums.iter_mut().zip(x.iter().zip(y)).for_each(|(s, (x, y))| *s += x * y);
    }
    sums.iter().sum::<f32>() + rest
}
