//! Named matrices in one vector.
#![allow(clippy::indexing_slicing, reason = "slots are made by `add` and stay within the vector")]

use lyceum_core::{Error, Result};
use lyceum_data::Random;
use lyceum_tensor::Format;
use lyceum_tensor::safetensors::{self, OutTensor, Safetensors};
use std::ops::Range;
use std::path::Path;

/// A matrix within the vector of all parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    name: String,
    rows: usize,
    cols: usize,
    at: usize,
}

impl Slot {
    /// Where it lies.
    pub(super) fn range(&self) -> Range<usize> {
        self.at..self.at + self.rows * self.cols
    }
}

/// All parameters of a network.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Parameters {
    pub(super) values: Vec<f32>,
    slots: Vec<Slot>,
}

impl Parameters {
    /// Adds a matrix, uniform in ±`bound`.
    pub(super) fn add(
        &mut self,
        name: &str,
        rows: usize,
        cols: usize,
        bound: f64,
        random: &mut Random,
    ) -> Slot {
        let slot = Slot { name: name.to_string(), rows, cols, at: self.values.len() };
        self.values.extend((0..rows * cols).map(|_| ((2.0 * random.unit() - 1.0) * bound) as f32));
        self.slots.push(slot.clone());
        slot
    }

    /// The numbers of a matrix.
    pub(super) fn of(&self, slot: &Slot) -> &[f32] {
        &self.values[slot.range()]
    }

    /// Writes all matrices as safetensors (f32).
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let bytes: Vec<u8> = self.values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let shapes: Vec<[usize; 2]> = self.slots.iter().map(|s| [s.rows, s.cols]).collect();
        let tensors: Vec<OutTensor<'_>> = self
            .slots
            .iter()
            .zip(&shapes)
            .map(|(slot, shape)| {
                let range = slot.range();
                let bytes = &bytes[4 * range.start..4 * range.end];
                OutTensor { name: &slot.name, shape, format: Format::F32, bytes }
            })
            .collect();
        safetensors::write(path, &tensors)
    }

    /// Fills all matrices from a file that has each of them in its shape.
    pub(super) fn load(&mut self, path: &Path) -> Result<()> {
        let file = Safetensors::open(path)?;
        for slot in &self.slots {
            let shape = [slot.rows, slot.cols];
            let found = file.tensor(&slot.name)?;
            if found.shape != shape {
                let message = format!("tensor {} is {:?}, expected {shape:?}", slot.name, found.shape);
                return Err(Error::corrupt(message).in_file(path));
            }
            self.values[slot.range()].copy_from_slice(&file.f32(&slot.name)?);
        }
        Ok(())
    }
}
