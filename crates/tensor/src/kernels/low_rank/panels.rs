//! Factors in the layout that the tiles stream: panels of 16 outputs, the inputs in pairs. A panel of half precision is
//! `[inputs / 2][16][2]` (bf16, what matrix units read as it is), one of f32 `[inputs][16]`. The last panel of a matrix
//! is as narrow as it has outputs, so a small rank costs no more bytes than it has numbers.

use half::bf16;

/// Outputs of a panel.
pub(super) const PANEL: usize = 16;

/// A matrix `[outputs, inputs]` in panels.
#[derive(Debug, Clone)]
pub(super) struct Panels {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) numbers: Numbers,
}

/// Numbers of all panels, then 16 zeros: a narrow panel is read 16 wide.
#[derive(Debug, Clone)]
pub(super) enum Numbers {
    /// Exact.
    Single(Vec<f32>),
    /// Two bf16 in a word, the even input in its low half.
    Half(Vec<u32>),
}

impl Panels {
    /// Packs `at(output, input)`; an odd number of inputs is filled with a zero.
    pub(super) fn new(outputs: usize, inputs: usize, exact: bool, at: impl Fn(usize, usize) -> f32) -> Self {
        let known = |o: usize, i: usize| if i < inputs { at(o, i) } else { 0.0 };
        let pairs = inputs.div_ceil(2);
        let count = pairs * outputs;
        let mut single = Vec::with_capacity(if exact { 2 * count + PANEL } else { 0 });
        let mut half = Vec::with_capacity(if exact { 0 } else { count + PANEL });
        for first in (0..outputs).step_by(PANEL) {
            let panel = first..(first + PANEL).min(outputs);
            for pair in 0..pairs {
                if exact {
                    for i in [2 * pair, 2 * pair + 1] {
                        single.extend(panel.clone().map(|o| known(o, i)));
                    }
                } else {
                    half.extend(panel.clone().map(|o| word(known(o, 2 * pair), known(o, 2 * pair + 1))));
                }
            }
        }
        let numbers = if exact {
            single.extend([0.0; PANEL]);
            Numbers::Single(single)
        } else {
            half.extend([0; PANEL]);
            Numbers::Half(half)
        };
        Self { inputs, outputs, numbers }
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// Outputs of a panel.
    pub(super) fn width(&self, panel: usize) -> usize {
        PANEL.min(self.outputs - panel * PANEL)
    }

    /// Bytes of the numbers.
    pub(super) fn bytes(&self) -> usize {
        match &self.numbers {
            Numbers::Single(v) => 4 * v.len(),
            Numbers::Half(v) => 4 * v.len(),
        }
    }
}

fn word(low: f32, high: f32) -> u32 {
    u32::from(bf16::from_f32(low).to_bits()) | u32::from(bf16::from_f32(high).to_bits()) << 16
}
