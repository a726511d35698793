//! What is trained: named arrays and what the optimiser remembers of each.

use lyceum_core::{Error, Result};
use lyceum_tensor::Format;
use lyceum_tensor::safetensors::{self, OutTensor, Safetensors};
use lyceum_tensor::tape::Tensor;
use std::path::Path;

/// A trained array.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name in saved files.
    pub name: String,
    /// Its numbers.
    pub value: Tensor,
    /// Whether weight decay applies: matrices by custom, no norms and no biases.
    pub decays: bool,
    /// The optimiser's memory, as many arrays of the same length as it needs.
    pub(crate) moments: Vec<Vec<f32>>,
}

impl Parameter {
    /// A parameter; weight decay applies when it has two axes or more.
    pub fn new(name: impl Into<String>, value: Tensor) -> Self {
        let decays = value.shape().len() > 1;
        Self { name: name.into(), value, decays, moments: Vec::new() }
    }
}

/// All that is trained, in a fixed order.
#[derive(Debug, Clone, Default)]
pub struct Parameters(pub Vec<Parameter>);

impl Parameters {
    /// Adds one and gives its place.
    pub fn push(&mut self, parameter: Parameter) -> usize {
        self.0.push(parameter);
        self.0.len() - 1
    }

    /// Number of trained numbers.
    pub fn count(&self) -> usize {
        self.0.iter().map(|p| p.value.len()).sum()
    }

    /// Writes values and moments, exactly.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let mut parts = Vec::new();
        for p in &self.0 {
            parts.push((p.name.clone(), p.value.shape().to_vec(), bytes(p.value.data())));
            for (i, m) in p.moments.iter().enumerate() {
                parts.push((format!("{}#moment{i}", p.name), p.value.shape().to_vec(), bytes(m)));
            }
        }
        let tensors: Vec<OutTensor<'_>> = parts
            .iter()
            .map(|(name, shape, bytes)| OutTensor { name, shape, format: Format::F32, bytes })
            .collect();
        safetensors::write(path, &tensors)
    }

    /// Reads what [`Parameters::save`] wrote into parameters of the same names and shapes.
    pub(crate) fn load(&mut self, path: &Path) -> Result<()> {
        let file = Safetensors::open(path)?;
        for p in &mut self.0 {
            let value = file.f32(&p.name)?;
            if value.len() != p.value.len() {
                return Err(Error::corrupt(format!("`{}` has {} numbers", p.name, value.len())).in_file(path));
            }
            p.value = Tensor::new(p.value.shape().to_vec(), value);
            p.moments.clear();
            for i in 0.. {
                let name = format!("{}#moment{i}", p.name);
                if !file.contains(&name) {
                    break;
                }
                p.moments.push(file.f32(&name)?);
            }
        }
        Ok(())
    }
}

fn bytes(x: &[f32]) -> Vec<u8> {
    x.iter().flat_map(|v| v.to_le_bytes()).collect()
}
