//! A GGUF file with its matrices in another format: which tensor gets which, and the rewriting.
//! Source of the mixes: the names and choices that GGUF files in circulation have.

use lyceum_core::{Error, ErrorKind, Progress, Result};
use lyceum_tensor::gguf::{self, Gguf, Value};
use lyceum_tensor::{Format, Matrix, Numbers, OutTensor, Pool, TensorInfo, quantize as round};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

/// Formats of the tensors of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// Its name: `q4_k_m`.
    pub name: &'static str,
    /// `general.file_type` of such files.
    file_type: u32,
    /// Of most matrices.
    main: Format,
    /// Of the values and down projections of the layers that suffer most, where it is another.
    better: Option<Format>,
    /// Of the output layer.
    output: Format,
}

/// All mixes that are written.
pub const MIXES: [Mix; 12] = [
    mix("f32", 0, Format::F32, None, Format::F32),
    mix("f16", 1, Format::F16, None, Format::F16),
    mix("bf16", 32, Format::BF16, None, Format::BF16),
    mix("q8_0", 7, Format::Q8_0, None, Format::Q8_0),
    mix("q4_0", 2, Format::Q4_0, None, Format::Q6_K),
    mix("q4_1", 3, Format::Q4_1, None, Format::Q6_K),
    mix("q5_0", 8, Format::Q5_0, None, Format::Q6_K),
    mix("q5_1", 9, Format::Q5_1, None, Format::Q6_K),
    mix("q4_k_s", 14, Format::Q4_K, None, Format::Q6_K),
    mix("q4_k_m", 15, Format::Q4_K, Some(Format::Q6_K), Format::Q6_K),
    mix("q5_k_m", 17, Format::Q5_K, Some(Format::Q6_K), Format::Q6_K),
    mix("q6_k", 18, Format::Q6_K, None, Format::Q6_K),
];

const fn mix(
    name: &'static str,
    file_type: u32,
    main: Format,
    better: Option<Format>,
    output: Format,
) -> Mix {
    Mix { name, file_type, main, better, output }
}

impl Mix {
    /// The mix of a name, in any case; fails with the nearest one.
    pub fn parse(name: &str) -> Result<Self> {
        let low = name.to_lowercase();
        MIXES.into_iter().find(|m| m.name == low).ok_or_else(|| {
            let known = MIXES.map(|m| m.name);
            Error::invalid(format!("`{name}` is not a type that is written; known are {}", known.join(", ")))
                .at_key("--type")
                .did_you_mean(&low, known)
        })
    }

    /// The format of a tensor; `layers` is the number of blocks.
    fn format(&self, name: &str, cols: usize, layers: usize, tied: bool) -> Format {
        let is_output = name == "output.weight" || tied && name == "token_embd.weight";
        let layer = name.strip_prefix("blk.").and_then(|n| n.split('.').next()?.parse::<usize>().ok());
        // The first and the last eighth, and every third between.
        let suffers = |l: usize| {
            let eighth = layers / 8;
            l < eighth || l >= 7 * layers / 8 || (l - eighth) % 3 == 2
        };
        let matters = name.contains("attn_v.") || name.contains("ffn_down.");
        let format = match (self.better, layer) {
            _ if is_output => self.output,
            (Some(better), Some(l)) if matters && suffers(l) => better,
            _ => self.main,
        };
        fitting(format, cols)
    }
}

/// The format itself, or where rows do not fill its blocks one of blocks of 32 with a little more bits, or f16.
fn fitting(format: Format, cols: usize) -> Format {
    if cols.is_multiple_of(format.block_elements()) {
        return format;
    }
    let smaller = match format {
        Format::Q4_K => Format::Q5_0,
        Format::Q5_K => Format::Q5_1,
        _ => Format::Q8_0,
    };
    if cols.is_multiple_of(smaller.block_elements()) { smaller } else { Format::F16 }
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// Bytes of the tensors before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
    /// Numbers of all tensors.
    pub weights: u64,
    /// How many tensors have which format now.
    pub tensors: BTreeMap<String, usize>,
    /// Whether matrices were rounded that had been rounded before.
    pub twice: bool,
}

/// Rewrites a GGUF file; its metadata stay as they are but for the file's type. The matrices are rounded on all threads.
/// Fails when the output is there already, or a tensor cannot be read; then nothing is written.
pub fn quantize(from: &Path, to: &Path, mix: Mix, pool: &Pool, progress: &dyn Progress) -> Result<Quantized> {
    if to.exists() {
        return Err(Error::new(ErrorKind::Conflict, "is there already").in_file(to));
    }
    if from.is_dir() {
        return Err(Error::unsupported("a GGUF file is expected, this is a folder").in_file(from));
    }
    let file = Gguf::open(from)?;
    let tied = !file.tensors().contains_key("output.weight");
    let architecture = file.str("general.architecture")?.unwrap_or_default();
    let layers = file.u64(&format!("{architecture}.block_count"))?.unwrap_or(0) as usize;
    let mut out =
        Quantized { bytes_before: 0, bytes_after: 0, weights: 0, tensors: BTreeMap::new(), twice: false };
    let total: u64 = file.tensors().values().map(|t| t.bytes().len() as u64).sum();
    progress.begin("rounding", Some(total));
    let mut written: Vec<(&str, &TensorInfo, Format, Option<Vec<u8>>)> = Vec::new();
    for (name, t) in file.tensors() {
        let Numbers::Weights(stored) = t.numbers else {
            return Err(t.format().err().unwrap_or_else(|| Error::corrupt("holds no weights")).at_key(name));
        };
        let cols = t.shape.last().copied().unwrap_or(0);
        let is_matrix = t.shape.len() >= 2 && name.ends_with(".weight") && !name.contains("_norm");
        let format = if is_matrix { mix.format(name, cols, layers, tied) } else { stored };
        let bytes = if format == stored {
            None
        } else {
            out.twice |= !stored.is_float();
            Some(rounded(t, stored, cols, format, pool).map_err(|e| e.in_file(from).at_key(name))?)
        };
        out.bytes_before += t.bytes().len() as u64;
        out.bytes_after += bytes.as_ref().map_or(t.bytes().len(), Vec::len) as u64;
        out.weights += t.shape.iter().product::<usize>() as u64;
        *out.tensors.entry(format.name().to_lowercase()).or_default() += 1;
        progress.at(out.bytes_before);
        written.push((name, t, format, bytes));
    }
    progress.end();
    let kind = Value::U32(mix.file_type);
    let version = Value::U32(2);
    let mut metadata: Vec<(&str, &Value)> =
        file.metadata().iter().map(|(k, v)| (k.as_str(), if k == FILE_TYPE { &kind } else { v })).collect();
    for (key, value) in [(FILE_TYPE, &kind), ("general.quantization_version", &version)] {
        if !file.metadata().contains_key(key) {
            metadata.push((key, value));
        }
    }
    let tensors: Vec<OutTensor<'_>> = written
        .iter()
        .map(|(name, t, format, bytes)| OutTensor {
            name,
            shape: &t.shape,
            format: *format,
            bytes: bytes.as_deref().unwrap_or(t.bytes()),
        })
        .collect();
    gguf::write(to, &metadata, &tensors)?;
    Ok(out)
}

const FILE_TYPE: &str = "general.file_type";
/// Rows of a task.
const ROWS: usize = 16;

fn rounded(t: &TensorInfo, stored: Format, cols: usize, format: Format, pool: &Pool) -> Result<Vec<u8>> {
    let rows = t.shape.iter().product::<usize>() / cols.max(1);
    let m = Matrix::new(rows, cols, stored, t.bytes().clone())?;
    let stride = format
        .bytes_of(cols)
        .ok_or_else(|| Error::internal(format!("rows of {cols} do not fill blocks of {format}")))?;
    let mut out = vec![0; rows * stride];
    let parts: Vec<_> = out.chunks_mut(ROWS * stride).enumerate().map(|p| Mutex::new((p, Ok(())))).collect();
    pool.run(parts.len(), |i| {
        let Some(mut part) = parts.get(i).and_then(|p| p.lock().ok()) else { return };
        let ((i, to), done) = &mut *part;
        let n = to.len() / stride;
        let mut values = vec![0.0; n * cols];
        m.dequantize_rows(*i * ROWS..*i * ROWS + n, &mut values);
        if values.iter().any(|x| !x.is_finite()) {
            *done = Err(Error::corrupt("holds numbers that are not finite"));
            return;
        }
        match round(format, &values) {
            Ok(bytes) if bytes.len() == to.len() => to.copy_from_slice(&bytes),
            Ok(_) => *done = Err(Error::internal("rounded rows have another length")),
            Err(e) => *done = Err(e),
        }
    });
    for part in parts {
        part.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).1?;
    }
    m.forget();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_gives_more_bits_where_it_matters() {
        let m = Mix::parse("Q4_K_M").unwrap();
        let of = |name: &str, cols| m.format(name, cols, 16, false);
        assert_eq!(of("blk.0.attn_v.weight", 256), Format::Q6_K);
        assert_eq!(of("blk.2.attn_v.weight", 256), Format::Q4_K);
        assert_eq!(of("blk.4.ffn_down.weight", 512), Format::Q6_K);
        assert_eq!(of("blk.15.ffn_down.weight", 512), Format::Q6_K);
        assert_eq!(of("blk.4.ffn_up.weight", 512), Format::Q4_K);
        assert_eq!(of("blk.4.ffn_up.weight", 96), Format::Q5_0);
        assert_eq!(of("blk.4.ffn_up.weight", 80), Format::F16);
        assert_eq!(of("output.weight", 256), Format::Q6_K);
        assert_eq!(m.format("token_embd.weight", 256, 16, true), Format::Q6_K);
        assert!(Mix::parse("q4_k_x").unwrap_err().to_string().contains("q4_k_m"));
    }
}
