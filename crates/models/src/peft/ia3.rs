//! IA³ (Liu et al. 2022): a module's output, or for feed-forward modules its input, is multiplied by a learnt vector.

use super::adapter::{Opened, refuse};
use super::config::names;
use super::lora::vector;
use super::parts::{PREFIX, all_placed};
use crate::{DecoderSpec, Module, Projection};
use fancy_regex::Regex;
use lyceum_core::{Error, Result};

/// An IA³ adapter.
#[derive(Debug, Clone)]
pub struct Ia3 {
    /// Its vectors, in the order of [`Module`].
    pub modules: Vec<(Module, Ia3Vector)>,
    /// Hash of both files.
    pub generation: String,
}

/// What is multiplied.
#[derive(Debug, Clone, PartialEq)]
pub enum Ia3Vector {
    /// The output, the base's bias included, `[out]`.
    Output(Vec<f32>),
    /// The input, `[in]`.
    Input(Vec<f32>),
}

pub(super) fn read(opened: &Opened, spec: &DecoderSpec) -> Result<Ia3> {
    refuse(
        opened,
        &[("modules_to_save", "tensors stored whole"), ("fan_in_fan_out", "a transposed layout")],
    )?;
    let feedforward = names(&opened.config, "feedforward_modules");
    let (mut modules, mut strange) = (Vec::new(), Vec::new());
    for (name, tensor) in opened.tensors.tensors() {
        let module = name.strip_prefix(PREFIX).and_then(|p| p.strip_suffix(".ia3_l"));
        let Some(module) = module.and_then(|m| Module::parse(m, spec)) else {
            strange.push(name.as_str());
            continue;
        };
        let path = module.to_string();
        let (out, inputs) = module.shape(spec);
        let numbers = opened.tensors.f32(name)?;
        let is_input = feedforward.iter().any(|f| is_meant(f, &path));
        let want = if is_input { [1, inputs] } else { [out, 1] };
        if tensor.shape != want {
            return Err(Error::invalid(format!(
                "`{path}`: ia3_l has the shape {:?}, {want:?} expected (feedforward_modules: {})",
                tensor.shape,
                feedforward.join(", ")
            )));
        }
        vector(&path, "ia3_l", &numbers, numbers.len())?;
        if is_input && !has_input_alone(module) {
            return Err(Error::unsupported(format!(
                "IA³ on the input of `{path}`, which other modules read too, is not done here; o_proj and down_proj are"
            )));
        }
        modules.push((module, if is_input { Ia3Vector::Input(numbers) } else { Ia3Vector::Output(numbers) }));
    }
    all_placed(strange, spec)?;
    if modules.is_empty() {
        return Err(Error::corrupt("the adapter changes no module"));
    }
    modules.sort_by_key(|(m, _)| *m);
    Ok(Ia3 { modules, generation: opened.generation.clone() })
}

/// Whether no other module reads the same input.
fn has_input_alone(module: Module) -> bool {
    matches!(module, Module::Layer(_, Projection::O | Projection::Down))
}

/// A suffix of the path in whole parts, or a regular expression for all of it.
fn is_meant(pattern: &str, path: &str) -> bool {
    let suffix = path.strip_suffix(pattern).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    suffix || Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|r| r.is_match(path).unwrap_or(false))
}
