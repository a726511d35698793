//! VeRA (Kopiczko et al. 2024): every module shares two frozen random matrices and learns two vectors,
//! dW = diag(b) B[:out] diag(d) A[:, :in]. The vectors are multiplied into the matrices when it is read, which makes a
//! LoRA of scale 1 of it; its memory is that of a LoRA of the same rank.

use super::adapter::{Opened, refuse};
use super::config::names;
use super::lora::{finite, vector};
use super::parts::{PREFIX, all_placed};
use super::{BiasKind, Lora, LoraConfig, LoraModule};
use crate::{DecoderSpec, Module};
use lyceum_core::{Error, Result};
use lyceum_tensor::Matrix;
use std::collections::BTreeMap;

#[derive(Default)]
struct Vectors {
    d: Option<Vec<f32>>,
    b: Option<Vec<f32>>,
}

pub(super) fn read(opened: &Opened, spec: &DecoderSpec) -> Result<Lora> {
    refuse(opened, &[("bias", "biases"), ("modules_to_save", "tensors stored whole")])?;
    let r = opened.config.get("r").and_then(serde_json::Value::as_u64).filter(|r| (1..=1 << 16).contains(r));
    let r = r.ok_or_else(|| {
        Error::corrupt("a rank from 1 to 65536 expected").in_file(&opened.config_path).at_key("r")
    })? as usize;
    let mut modules: BTreeMap<Module, Vectors> = BTreeMap::new();
    let (mut a, mut b, mut strange) = (None, None, Vec::new());
    for name in opened.tensors.tensors().keys() {
        match name.as_str() {
            "base_model.vera_A" => a = Some(opened.tensors.matrix(name)?),
            "base_model.vera_B" => b = Some(opened.tensors.matrix(name)?),
            _ => {
                let split = name.strip_prefix(PREFIX).and_then(|path| path.rsplit_once('.'));
                let found = split.and_then(|(path, part)| Some((Module::parse(path, spec)?, part)));
                match found {
                    Some((m, "vera_lambda_d")) => {
                        modules.entry(m).or_default().d = Some(opened.tensors.vector(name)?)
                    }
                    Some((m, "vera_lambda_b")) => {
                        modules.entry(m).or_default().b = Some(opened.tensors.vector(name)?)
                    }
                    _ => strange.push(name.as_str()),
                }
            }
        }
    }
    all_placed(strange, spec)?;
    let (Some(a), Some(b)) = (a, b) else {
        return Err(Error::unsupported("the shared matrices vera_A and vera_B are not in the file")
            .hint("they would be drawn by torch's generator; save the adapter with `save_projection=True`"));
    };
    if a.rows() != r || b.cols() != r {
        let m = format!(
            "rank mismatch: vera_A has {}, vera_B has {}, adapter_config.json says {r}",
            a.rows(),
            b.cols()
        );
        return Err(Error::invalid(m));
    }
    finite("base_model.vera_A", &a)?;
    finite("base_model.vera_B", &b)?;
    let (wide, tall) = (a.to_f32(), b.to_f32());
    let modules = modules.into_iter().map(|(module, v)| {
        let (out, inputs) = module.shape(spec);
        let name = module.to_string();
        let (Some(d), Some(lengths)) = (v.d, v.b) else {
            return Err(Error::corrupt(format!("`{name}` has not both of vera_lambda_d and vera_lambda_b")));
        };
        if d.len() != r {
            return Err(Error::invalid(format!("`{name}`: vera_lambda_d has {} numbers, the rank is {r}", d.len())));
        }
        vector(&name, "vera_lambda_d", &d, r)?;
        vector(&name, "vera_lambda_b", &lengths, out)?;
        if a.cols() < inputs || b.rows() < out {
            return Err(Error::invalid(format!(
                "the adapter is for another base: its matrices reach from {} to {}, `{name}` maps {inputs} to {out}",
                a.cols(),
                b.rows()
            )));
        }
        let rows = wide.chunks_exact(a.cols()).zip(&d);
        let scaled_a = rows.flat_map(|(row, d)| row.iter().take(inputs).map(move |x| d * x)).collect();
        let rows = tall.chunks_exact(r).zip(&lengths);
        let scaled_b = rows.flat_map(|(row, l)| row.iter().map(move |x| l * x)).collect();
        Ok(LoraModule {
            module,
            a: Matrix::from_f32(r, inputs, scaled_a)?,
            b: Matrix::from_f32(out, r, scaled_b)?,
            scale: 1.0,
            magnitude: None,
            bias: None,
        })
    });
    let modules = modules.collect::<Result<Vec<_>>>()?;
    if modules.is_empty() {
        return Err(Error::corrupt("the adapter changes no module"));
    }
    let text = |key: &str| {
        opened.config.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_string()
    };
    let config = LoraConfig {
        r,
        alpha: r as f64,
        rslora: false,
        dora: false,
        lora_bias: false,
        bias: BiasKind::None,
        modules_to_save: Vec::new(),
        target_modules: names(&opened.config, "target_modules"),
        rank_pattern: Vec::new(),
        alpha_pattern: Vec::new(),
        base_model: text("base_model_name_or_path"),
        dropout: 0.0,
    };
    let generation = opened.generation.clone();
    Ok(Lora { config, modules, embedding: None, embed: None, head: None, biases: Vec::new(), generation })
}
