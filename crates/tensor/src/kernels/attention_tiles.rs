//! Attention of many positions of one sequence at once, on the matrix units.
//!
//! Sixteen positions with all query heads that share a key head pass over the keys in chunks of 64 with an online
//! softmax: scores, exponentials and sums are f32, the factors of both products bf16. Sources: Milakov and
//! Gimelshein 2018 (online softmax), Dao et al. 2022 (its use in attention).

#![allow(clippy::indexing_slicing, reason = "offsets within tiles and blocks of a constant size")]

use super::amx::{self, TILE};
use super::arena::Lines;
use super::attention::BLOCK;
use std::arch::asm;
use std::arch::x86_64::*;
use std::cell::RefCell;

/// Positions of a group of queries: the rows of a tile.
pub(super) const GROUP: usize = 16;
/// Keys of a chunk.
const CHUNK: usize = 64;

/// Keys and values of one head of one layer in half precision: see `attention` for the layout within a block.
#[derive(Clone, Copy)]
pub(super) struct Heads<'a> {
    pub(super) keys: &'a [u16],
    pub(super) values: &'a [u16],
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
}

/// Queries of up to sixteen neighbouring positions.
#[derive(Clone, Copy)]
pub(super) struct Query<'a> {
    /// Row-major, one row for each position, `stride` apart; each holds the query heads that share the key head.
    pub(super) q: &'a [f32],
    pub(super) stride: usize,
    pub(super) rows: usize,
    /// Query heads.
    pub(super) heads: usize,
    /// Position of the first row.
    pub(super) first: usize,
    /// How many positions back a row sees, itself included.
    pub(super) window: Option<usize>,
    /// Scores s become cap · tanh(s / cap).
    pub(super) cap: Option<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

/// Where the parts of the working memory begin, in bytes.
struct Places {
    keys: usize,
    values: usize,
    queries: usize,
    sums: usize,
    scores: usize,
    shares: usize,
    end: usize,
}

impl Places {
    fn new(heads: usize, dim: usize) -> Self {
        let keys = 0;
        let values = keys + CHUNK / 16 * (dim / 32) * TILE;
        let queries = values + CHUNK / 32 * (dim / 16) * TILE;
        let sums = queries + heads * (dim / 32) * TILE;
        let scores = sums + heads * GROUP * dim * 4;
        let shares = scores + GROUP * CHUNK * 4;
        Self { keys, values, queries, sums, scores, shares, end: shares + CHUNK / 32 * TILE }
    }
}

/// Attention of a group of queries over one key head; `put(row, numbers)` takes the result of each row, `heads ·
/// head_dim` numbers.
///
/// # Safety
/// [`amx::usable`]; the head's width is a multiple of 32.
///
/// # Panics
/// When the table has no block for a position, or a slice is too short.
pub(super) unsafe fn attend(
    cache: Heads<'_>,
    head: usize,
    table: &[u32],
    query: Query<'_>,
    mut put: impl FnMut(usize, &[f32]),
) {
    let (dim, heads) = (cache.head_dim, query.heads);
    let places = Places::new(heads, dim);
    let end = query.first + query.rows;
    assert!(query.rows <= GROUP && query.rows > 0 && dim.is_multiple_of(32), "a group of queries");
    assert!(query.q.len() >= (query.rows - 1) * query.stride + heads * dim, "rows of queries");
    assert!(table.len() * BLOCK >= end, "blocks for all positions");
    let start = query.window.map_or(0, |w| (query.first + 1).saturating_sub(w)) / BLOCK * BLOCK;
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.as_ref().is_none_or(|s| s.bytes().len() < places.end) {
            *scratch = Some(Lines::zeros(places.end));
        }
        let Some(scratch) = scratch else { return };
        let base = scratch.bytes_mut().as_mut_ptr();
        let mut softmax = vec![Softmax { most: f32::NEG_INFINITY, total: 0.0 }; heads * GROUP];
        // SAFETY: the scratch has room for all its parts, the lengths of queries and table were asserted, and blocks
        // are looked up with bounds checks.
        unsafe {
            let sums: *mut f32 = base.add(places.sums).cast();
            std::ptr::write_bytes(sums, 0, heads * GROUP * dim);
            amx::configure();
            queries(&query, dim, base.add(places.queries));
            for from in (start..end).step_by(CHUNK) {
                let blocks = (end - from).min(CHUNK).div_ceil(BLOCK);
                gather(cache, head, &table[from / BLOCK..from / BLOCK + blocks], base, &places);
                for h in 0..heads {
                    scores(base, &places, h, dim);
                    let state = &mut softmax[h * GROUP..][..GROUP];
                    let sums = sums.add(h * GROUP * dim);
                    shares(
                        &query,
                        from,
                        state,
                        base.add(places.scores).cast(),
                        base.add(places.shares),
                        (sums, dim),
                    );
                    add_values(base.add(places.shares), base.add(places.values), sums, dim);
                }
            }
            amx::release();
            let mut row = vec![0.0; heads * dim];
            for r in 0..query.rows {
                for h in 0..heads {
                    let total = softmax[h * GROUP + r].total.recip();
                    let from = std::slice::from_raw_parts(sums.add((h * GROUP + r) * dim), dim);
                    row[h * dim..][..dim].iter_mut().zip(from).for_each(|(to, x)| *to = x * total);
                }
                put(r, &row);
            }
        }
    });
}

/// What an online softmax remembers of a row.
#[derive(Clone, Copy)]
struct Softmax {
    most: f32,
    total: f32,
}

/// Two rows of sixteen numbers as pairs of bf16.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pairs(first: __m512, second: __m512) -> __m512i {
    let both = _mm512_cvtne2ps_pbh(second, first);
    // SAFETY: both are 64 bytes of plain numbers.
    let both: __m512i = unsafe { std::mem::transmute(both) };
    let order = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18,
        2, 17, 1, 16, 0,
    );
    _mm512_permutexvar_epi16(order, both)
}

/// # Safety
/// Sixteen halves at `p`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn halves(p: *const u16) -> __m512 {
    // SAFETY: the contract.
    unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) }
}

/// The queries as tiles: of each head, one for each 32 dimensions. Rows that are not there are zeros.
///
/// # Safety
/// Room for them at `to`; the rows of the query are there.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn queries(query: &Query<'_>, dim: usize, to: *mut u8) {
    // SAFETY: the contract.
    unsafe {
        for h in 0..query.heads {
            for k in 0..dim / 32 {
                let tile = to.add((h * (dim / 32) + k) * TILE);
                for r in 0..GROUP {
                    let row = tile.add(64 * r).cast();
                    if r >= query.rows {
                        _mm512_store_si512(row, _mm512_setzero_si512());
                        continue;
                    }
                    let x = query.q.as_ptr().add(r * query.stride + h * dim + 32 * k);
                    let both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x.add(16)), _mm512_loadu_ps(x));
                    _mm512_store_si512(row, std::mem::transmute::<__m512bh, __m512i>(both));
                }
            }
        }
    }
}

/// Keys and values of some blocks as tiles; what lies behind the last block is zero.
///
/// # Safety
/// Room for them at `base`.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
unsafe fn gather(cache: Heads<'_>, head: usize, table: &[u32], base: *mut u8, places: &Places) {
    let dim = cache.head_dim;
    let size = BLOCK * dim;
    let at = |block: u32| (block as usize * cache.kv_heads + head) * size;
    // SAFETY: the slices of a block are checked; tiles are within the scratch.
    unsafe {
        for b in 0..CHUNK / BLOCK {
            let tiles = base.add(places.keys + b * (dim / 32) * TILE);
            let Some(block) = table.get(b) else {
                std::ptr::write_bytes(tiles, 0, (dim / 32) * TILE);
                continue;
            };
            let keys = cache.keys[at(*block)..][..size].as_ptr();
            for d in 0..dim / 2 {
                let row = pairs(halves(keys.add(2 * d * BLOCK)), halves(keys.add((2 * d + 1) * BLOCK)));
                _mm512_store_si512(tiles.add(64 * d).cast(), row);
            }
        }
        for b in 0..CHUNK / BLOCK {
            // Tile (dimension, 32 keys); the first half of its rows holds the first block's keys.
            let place = |d: usize, pair: usize| {
                base.add(places.values + (d * (CHUNK / 32) + b / 2) * TILE + 64 * (8 * (b % 2) + pair))
            };
            let values = table.get(b).map(|block| cache.values[at(*block)..][..size].as_ptr());
            for d in 0..dim / 16 {
                for pair in 0..BLOCK / 2 {
                    let row = values.map_or(_mm512_setzero_si512(), |v| {
                        let v = v.add(2 * pair * dim + 16 * d);
                        pairs(halves(v), halves(v.add(dim)))
                    });
                    _mm512_store_si512(place(d, pair).cast(), row);
                }
            }
        }
    }
}

/// Scores of a chunk, `[16, 64]`.
///
/// # Safety
/// After [`queries`] and [`gather`].
unsafe fn scores(base: *mut u8, places: &Places, head: usize, dim: usize) {
    let n = dim / 32;
    // SAFETY: the contract; all tiles are within the scratch.
    unsafe {
        let q = base.add(places.queries + head * n * TILE);
        let to: *mut f32 = base.add(places.scores).cast();
        for half in 0..CHUNK / 32 {
            let k = base.add(places.keys + 2 * half * n * TILE);
            amx::zero();
            amx::one_by_two(q, k, k.add(n * TILE), n);
            let to = to.add(32 * half);
            asm!("tilestored [{p} + {s}], tmm0", "tilestored [{q} + {s}], tmm1",
                 p = in(reg) to, q = in(reg) to.add(16), s = in(reg) 4 * CHUNK, options(nostack, preserves_flags));
        }
    }
}

/// Scores to shares (exponentials, not yet divided by their sum) as tiles of bf16; what was summed before is scaled to
/// the new maximum.
///
/// # Safety
/// `scores` is `[16, 64]`, `tiles` has room for two, `sums` is `[16, dim]`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16")]
unsafe fn shares(
    query: &Query<'_>,
    from: usize,
    state: &mut [Softmax],
    scores: *mut f32,
    tiles: *mut u8,
    (sums, dim): (*mut f32, usize),
) {
    let lowest = _mm512_set1_ps(f32::NEG_INFINITY);
    for (r, state) in state.iter_mut().enumerate() {
        let position = query.first + r;
        let start =
            query.window.map_or(0, |w| (position + 1).saturating_sub(w)).saturating_sub(from).min(CHUNK);
        let end = if r < query.rows { (position + 1).saturating_sub(from).min(CHUNK) } else { 0 };
        // SAFETY: row r of the scores, of the tiles and of the sums.
        unsafe {
            let put = |k: usize, v: __m512i| _mm512_store_si512(tiles.add(k * TILE + 64 * r).cast(), v);
            if end <= start {
                (0..CHUNK / 32).for_each(|k| put(k, _mm512_setzero_si512()));
                continue;
            }
            let seen = (u64::MAX >> (64 - end)) & (u64::MAX << start);
            let mask = [0, 16, 32, 48].map(|i| (seen >> i) as u16);
            let mut s = [lowest; 4];
            for i in 0..4 {
                s[i] = _mm512_loadu_ps(scores.add(r * CHUNK + 16 * i));
                if let Some(cap) = query.cap {
                    s[i] = _mm512_mul_ps(_mm512_set1_ps(cap), tanh(_mm512_div_ps(s[i], _mm512_set1_ps(cap))));
                }
                s[i] = _mm512_mask_blend_ps(mask[i], lowest, s[i]);
            }
            let most = _mm512_max_ps(_mm512_max_ps(s[0], s[1]), _mm512_max_ps(s[2], s[3]));
            let most = _mm512_reduce_max_ps(most).max(state.most);
            if most > state.most {
                let shrink = (state.most - most).exp();
                state.most = most;
                state.total *= shrink;
                for d in (0..dim).step_by(16) {
                    let p = sums.add(r * dim + d);
                    _mm512_storeu_ps(p, _mm512_mul_ps(_mm512_loadu_ps(p), _mm512_set1_ps(shrink)));
                }
            }
            let p = s.map(|s| exp(_mm512_sub_ps(s, _mm512_set1_ps(most))));
            let total = _mm512_add_ps(_mm512_add_ps(p[0], p[1]), _mm512_add_ps(p[2], p[3]));
            state.total += _mm512_reduce_add_ps(total);
            for k in 0..2 {
                let both = _mm512_cvtne2ps_pbh(p[2 * k + 1], p[2 * k]);
                put(k, std::mem::transmute::<__m512bh, __m512i>(both));
            }
        }
    }
}

/// `sums += shares · values`.
///
/// # Safety
/// After [`gather`]; two tiles of shares, `[16, dim]` sums.
unsafe fn add_values(shares: *const u8, values: *const u8, sums: *mut f32, dim: usize) {
    let n = CHUNK / 32;
    for d in (0..dim / 16).step_by(2) {
        // SAFETY: the contract; columns 16 d to 16 d + 31.
        unsafe {
            let p = sums.add(16 * d);
            asm!("tileloadd tmm0, [{p} + {s}]", "tileloadd tmm1, [{q} + {s}]",
                 p = in(reg) p, q = in(reg) p.add(16), s = in(reg) 4 * dim, options(readonly, nostack, preserves_flags));
            amx::one_by_two(shares, values.add(d * n * TILE), values.add((d + 1) * n * TILE), n);
            asm!("tilestored [{p} + {s}], tmm0", "tilestored [{q} + {s}], tmm1",
                 p = in(reg) p, q = in(reg) p.add(16), s = in(reg) 4 * dim, options(nostack, preserves_flags));
        }
    }
}

/// e^x for x ≤ 0 (and -∞): 2^n times a polynomial of degree 5 on ±½ ln 2; error under 2e-7 relative.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn exp(x: __m512) -> __m512 {
    let x = _mm512_max_ps(x, _mm512_set1_ps(-126.0));
    let n = _mm512_roundscale_ps::<0>(_mm512_mul_ps(x, _mm512_set1_ps(std::f32::consts::LOG2_E)));
    let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693_145_75), x);
    let r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.428_606_8e-6), r);
    let mut p = _mm512_set1_ps(1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
    }
    _mm512_scalef_ps(p, n)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn tanh(x: __m512) -> __m512 {
    let size = _mm512_abs_ps(x);
    let e = exp(_mm512_mul_ps(size, _mm512_set1_ps(-2.0)));
    let one = _mm512_set1_ps(1.0);
    let t = _mm512_div_ps(_mm512_sub_ps(one, e), _mm512_add_ps(one, e));
    _mm512_or_ps(t, _mm512_and_ps(x, _mm512_set1_ps(-0.0)))
}
