//! From the modules of an adapter to what the kernels take: one set of factors for the modules that share an input.

use lyceum_models::peft::{Ia3, Ia3Vector, Lora, LoraModule};
use lyceum_models::{DecoderSpec, DecoderWeights, Module, Projection};
use lyceum_tensor::Pool;
use lyceum_tensor::kernels::{LowRank, LowRankModule};
use std::collections::BTreeMap;

/// The projections of a block that read the same input, in the order of their outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// q, k, v: the normed hidden state.
    Qkv,
    /// o: the attention's output.
    Out,
    /// gate, up: the normed hidden state after the attention.
    GateUp,
    /// down: the inside of the MLP.
    Down,
}

impl Group {
    const ALL: [Self; 4] = [Self::Qkv, Self::Out, Self::GateUp, Self::Down];

    /// Its projections.
    pub(crate) fn members(self) -> &'static [Projection] {
        match self {
            Self::Qkv => &[Projection::Q, Projection::K, Projection::V],
            Self::Out => &[Projection::O],
            Self::GateUp => &[Projection::Gate, Projection::Up],
            Self::Down => &[Projection::Down],
        }
    }
}

/// What an adapter does to one module, f32: y = factors (W x + scale B A x) + bias, the base's own bias aside.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// `[r, in]`.
    pub(super) a: Vec<f32>,
    /// `[out, r]`.
    pub(super) b: Vec<f32>,
    pub(super) scale: f32,
    pub(super) factors: Option<Vec<f32>>,
    pub(super) bias: Option<Vec<f32>>,
}

/// The changes of a LoRA; DoRA's factors and replaced biases are made with the weights of the base (by this thread alone:
/// the batch that runs meanwhile needs the pool).
pub(super) fn changes(lora: &Lora, base: Option<&DecoderWeights>) -> BTreeMap<Module, Change> {
    let mut all: BTreeMap<Module, Change> =
        lora.modules.iter().map(|m| (m.module, change(m, base))).collect();
    for module in lora.modules.iter().map(|m| m.module).chain(lora.biases.iter().map(|(m, _)| *m)) {
        all.entry(module).or_default().bias = lora.added_bias(module, base);
    }
    all
}

/// The scaled outputs of an IA³, and the vectors of its scaled inputs.
pub(super) fn scales(
    ia3: &Ia3,
    base: Option<&DecoderWeights>,
) -> (BTreeMap<Module, Change>, BTreeMap<Module, Vec<f32>>) {
    let (mut outputs, mut inputs) = (BTreeMap::new(), BTreeMap::new());
    for (module, vector) in &ia3.modules {
        match vector {
            Ia3Vector::Input(v) => {
                inputs.insert(*module, v.clone());
            }
            Ia3Vector::Output(v) => {
                // l (W x + b) = l W x + b + (l - 1) b, and b is added to every row.
                let bias = base.and_then(|w| w.bias(*module));
                let bias = bias.map(|b| v.iter().zip(b).map(|(l, b)| (l - 1.0) * b).collect());
                outputs.insert(*module, Change { factors: Some(v.clone()), bias, ..Change::default() });
            }
        }
    }
    (outputs, inputs)
}

fn change(m: &LoraModule, base: Option<&DecoderWeights>) -> Change {
    let base = base.and_then(|w| w.matrix(m.module));
    let factors = base.and_then(|base| m.row_factors(&Pool::new(1), base));
    Change { a: m.a.to_f32(), b: m.b.to_f32(), scale: m.scale, factors, bias: None }
}

/// All changes of an adapter, packed.
#[derive(Debug, Default)]
pub(super) struct Packed {
    layers: Vec<[Option<LowRank>; 4]>,
    head: Option<LowRank>,
}

impl Packed {
    /// Packs the changes of one adapter; `exact` keeps f32.
    pub(super) fn new(spec: &DecoderSpec, changes: &BTreeMap<Module, Change>, exact: bool) -> Self {
        let pack = |modules: &[Module]| {
            let inputs = modules.first().map_or(0, |m| m.shape(spec).1);
            let parts = modules.iter().enumerate().filter_map(|(target, m)| {
                let c = changes.get(m)?;
                Some(LowRankModule {
                    target,
                    outputs: m.shape(spec).0,
                    a: &c.a,
                    b: &c.b,
                    scale: c.scale,
                    factors: c.factors.as_deref(),
                    bias: c.bias.as_deref(),
                })
            });
            let parts: Vec<_> = parts.collect();
            (!parts.is_empty()).then(|| LowRank::new(inputs, &parts, exact))
        };
        let group =
            |l: usize, g: Group| pack(&g.members().iter().map(|p| Module::Layer(l, *p)).collect::<Vec<_>>());
        Self {
            layers: (0..spec.layers).map(|l| Group::ALL.map(|g| group(l, g))).collect(),
            head: pack(&[Module::Head]),
        }
    }

    /// What it does to a group of a block.
    pub(super) fn group(&self, layer: usize, group: Group) -> Option<&LowRank> {
        self.layers.get(layer)?.get(group as usize)?.as_ref()
    }

    /// What it does to the output layer.
    pub(super) fn head(&self) -> Option<&LowRank> {
        self.head.as_ref()
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.layers.iter().flatten().flatten().chain(&self.head).map(LowRank::bytes).sum()
    }
}
