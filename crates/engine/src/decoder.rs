//! One forward pass of a decoder over a ragged batch: rows of any sequences, each with its position, its blocks of
//! the cache and its adapter.

mod adapt;
mod block;
mod scratch;

use crate::adapters::Prepared;
use adapt::adapt_head;
use block::Block;
use lyceum_models::rope::Frequencies;
use lyceum_models::{DecoderSpec, DecoderWeights};
use lyceum_tensor::kernels::{self, Activations, Cache, Packed, Queries, Target};
use lyceum_tensor::{Matrix, Pool};
use scratch::Scratch;
use std::ops::Range;
use std::sync::Arc;

/// Logits are computed for so many rows at once.
const HEAD_ROWS: usize = 16;

/// How products are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Inputs of quantised weights become whole numbers of 15 bits; the cache is half precision.
    #[default]
    Fast,
    /// As fast, but a row's numbers do not depend on what else is in the batch: matrix units are left aside.
    Steady,
    /// f32 everywhere: slow, for comparisons.
    Exact,
}

/// One token to compute.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its id.
    pub token: u32,
    /// Its place in its sequence, from 0.
    pub position: usize,
    /// Which table of the batch is its sequence's.
    pub table: usize,
}

/// Neighbouring rows with the same adapter.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The rows.
    pub rows: Range<usize>,
    /// Their adapter.
    pub adapter: Arc<Prepared>,
}

/// What one pass computes.
#[derive(Debug, Default)]
pub struct Batch {
    /// The rows; those of one sequence in the order of their positions.
    pub rows: Vec<Row>,
    /// For each sequence, its blocks.
    pub tables: Vec<Vec<u32>>,
    /// For each sequence, its length as far as it is known (some rotary scalings depend on it).
    pub lengths: Vec<usize>,
    /// Rows that have an adapter.
    pub segments: Vec<Segment>,
    /// Rows whose logits are wanted, ascending.
    pub wanted: Vec<usize>,
}

impl Batch {
    /// Neighbouring rows of one sequence with neighbouring positions: what attention computes together.
    fn queries(&self) -> Vec<Queries<'_>> {
        let mut all: Vec<Queries<'_>> = Vec::new();
        let mut before: Option<Row> = None;
        for (i, row) in self.rows.iter().enumerate() {
            let follows = |b: Row| b.table == row.table && b.position + 1 == row.position;
            match all.last_mut().filter(|_| before.is_some_and(follows)) {
                Some(last) => last.rows.end = i + 1,
                None => {
                    let table = self.tables.get(row.table).map(Vec::as_slice).unwrap_or_default();
                    all.push(Queries { rows: i..i + 1, first: row.position, table });
                }
            }
            before = Some(*row);
        }
        all
    }
}

/// A decoder ready to run.
pub struct Decoder {
    spec: DecoderSpec,
    embed: Matrix,
    blocks: Vec<Block>,
    norm: Vec<f32>,
    head: Packed,
    frequencies: Frequencies,
    /// Those of layers with a window, where they are others.
    local: Option<Frequencies>,
    scratch: Scratch,
}

impl Decoder {
    /// Packs the weights for the kernels.
    pub fn new(spec: DecoderSpec, weights: &DecoderWeights, precision: Precision) -> Self {
        let pack = |m: &Matrix| if precision == Precision::Exact { Packed::exact(m) } else { Packed::new(m) };
        let blocks =
            weights.layers.iter().enumerate().map(|(l, w)| Block::new(w, spec.window(l), &pack)).collect();
        Self {
            embed: weights.embed.clone(),
            blocks,
            norm: weights.norm.clone(),
            head: pack(weights.head()),
            frequencies: spec.rope.frequencies(spec.context),
            local: spec.dialect.local_rope.as_ref().map(|r| r.frequencies(spec.context)),
            scratch: Scratch::new(precision == Precision::Steady),
            spec,
        }
    }

    /// Its architecture.
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// Bytes of packed weights, beside those in the file's map.
    pub fn packed_bytes(&self) -> usize {
        self.head.extra_bytes() + self.blocks.iter().map(Block::packed_bytes).sum::<usize>()
    }

    /// Computes all rows, writes their keys and values into the cache, and hands the logits of the wanted rows to
    /// `take(which of the wanted, logits)`.
    pub fn forward(
        &mut self,
        pool: &Pool,
        cache: &mut Cache,
        batch: &Batch,
        mut take: impl FnMut(usize, &mut [f32]),
    ) {
        let n = batch.rows.len();
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.begin(n, &self.spec);
        self.look_up(batch, &mut scratch.hidden);
        self.angles(batch, &mut scratch);
        for (l, block) in self.blocks.iter().enumerate() {
            if let Some(layer) = cache.layers.get_mut(l) {
                block.attention(pool, &self.spec, l, layer, batch, &mut scratch);
            }
            block.mlp(pool, &self.spec, l, batch, &mut scratch);
        }
        for (i, wanted) in batch.wanted.chunks(HEAD_ROWS).enumerate() {
            self.logits(pool, batch, wanted, &mut scratch);
            for (j, row) in scratch.logits.chunks_exact_mut(self.spec.vocab).enumerate() {
                take(i * HEAD_ROWS + j, row);
            }
        }
        self.scratch = scratch;
    }

    fn look_up(&self, batch: &Batch, hidden: &mut [f32]) {
        for (row, out) in batch.rows.iter().zip(hidden.chunks_exact_mut(self.spec.hidden)) {
            let id = self.known(row.token);
            self.embed.dequantize_rows(id..id + 1, out);
        }
        for segment in &batch.segments {
            let rows = batch.rows.iter().zip(hidden.chunks_exact_mut(self.spec.hidden));
            for (row, out) in rows.skip(segment.rows.start).take(segment.rows.len()) {
                segment.adapter.embed(self.known(row.token), out);
            }
        }
        let scale = self.spec.dialect.embed_scale;
        if scale != 1.0 {
            hidden.iter_mut().for_each(|x| *x *= scale);
        }
    }

    fn known(&self, token: u32) -> usize {
        (token as usize).min(self.spec.vocab - 1)
    }

    /// cos and sin of every row's angles.
    fn angles(&self, batch: &Batch, scratch: &mut Scratch) {
        scratch.angles.clear();
        scratch.local_angles.clear();
        let varies = self.spec.rope.depends_on_length();
        let of_length: Vec<Frequencies> = if varies {
            batch.lengths.iter().map(|n| self.spec.rope.frequencies(*n)).collect()
        } else {
            Vec::new()
        };
        for row in &batch.rows {
            let f = of_length.get(row.table).unwrap_or(&self.frequencies);
            scratch.angles.push(row.position, f);
            if let Some(local) = &self.local {
                scratch.local_angles.push(row.position, local);
            }
        }
    }

    fn logits(&self, pool: &Pool, batch: &Batch, wanted: &[usize], scratch: &mut Scratch) {
        let (hidden, eps) = (self.spec.hidden, self.spec.norm_eps);
        scratch.input.reset(wanted.len(), hidden);
        for (row, out) in wanted.iter().zip(scratch.input.rows_mut().chunks_exact_mut(hidden)) {
            let x = scratch.hidden.get(row * hidden..(row + 1) * hidden).unwrap_or_default();
            kernels::rms_norm(x, &self.norm, eps, out);
        }
        if self.head.wants_quantised() {
            scratch.input.quantise(pool);
        }
        scratch.logits.resize(wanted.len() * self.spec.vocab, 0.0);
        let mut targets = [Target { weights: &self.head, out: &mut scratch.logits }];
        kernels::product(pool, &scratch.input, &mut targets);
        for (i, row) in wanted.iter().enumerate() {
            let Some(segment) = batch.segments.iter().find(|s| s.rows.contains(row)) else { continue };
            let x = scratch.input.values().get(i * hidden..(i + 1) * hidden).unwrap_or_default();
            let out =
                scratch.logits.get_mut(i * self.spec.vocab..(i + 1) * self.spec.vocab).unwrap_or_default();
            if let Some(head) = segment.adapter.head() {
                let mut own = Activations::default();
                own.reset(1, hidden);
                own.rows_mut().copy_from_slice(x);
                kernels::product(pool, &own, &mut [Target { weights: head, out: &mut *out }]);
            }
        }
        adapt_head(pool, &self.spec, batch, wanted, scratch.input.values(), &mut scratch.logits);
        if let Some(cap) = self.spec.dialect.logit_cap {
            kernels::chunks(pool, &mut scratch.logits, self.spec.vocab, |_, row| kernels::soft_cap(row, cap));
        }
    }
}
