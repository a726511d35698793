//! Every level against the formula in f64, at odd shapes; rows alone and among others; two threads and one.

use super::*;

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

fn levels() -> Vec<Level> {
    [Level::Scalar, Level::Avx2, Level::Avx512, Level::Amx].into_iter().filter(|l| *l <= level()).collect()
}

/// An adapter on two outputs, 70 and 33 wide; the second has everything that can be had.
struct Case {
    inputs: usize,
    ranks: [usize; 2],
    a: [Vec<f32>; 2],
    b: [Vec<f32>; 2],
    factors: Vec<f32>,
    bias: Vec<f32>,
}

const WIDTHS: [usize; 2] = [70, 33];

impl Case {
    fn new(inputs: usize, ranks: [usize; 2], seed: u64) -> Self {
        let part = |i: usize, n: usize, salt: u64| noise(n * ranks[i], seed + salt + i as u64);
        Self {
            inputs,
            ranks,
            a: [0, 1].map(|i| part(i, inputs, 10)),
            b: [0, 1].map(|i| part(i, WIDTHS[i], 20)),
            factors: noise(WIDTHS[1], seed + 30),
            bias: noise(WIDTHS[1], seed + 40),
        }
    }

    fn pack(&self, exact: bool) -> LowRank {
        let module = |i: usize| LowRankModule {
            target: i,
            outputs: WIDTHS[i],
            a: &self.a[i],
            b: &self.b[i],
            scale: 1.5,
            factors: (i == 1).then_some(&self.factors[..]),
            bias: (i == 1).then_some(&self.bias[..]),
        };
        LowRank::new(self.inputs, &[module(0), module(1)], exact)
    }

    /// What a row of an output should become, by the formula.
    fn want(&self, i: usize, x: &[f32], y: &[f32]) -> Vec<f64> {
        let r = self.ranks[i];
        let t: Vec<f64> = self.a[i]
            .chunks_exact(self.inputs)
            .map(|a| a.iter().zip(x).map(|(a, x)| f64::from(*a) * f64::from(*x)).sum())
            .collect();
        let of = |o: usize| {
            let low: f64 = (0..r).map(|k| f64::from(self.b[i][o * r + k]) * t[k]).sum();
            let sum = f64::from(y[o]) + 1.5 * low;
            if i == 1 { f64::from(self.factors[o]) * sum + f64::from(self.bias[o]) } else { sum }
        };
        (0..WIDTHS[i]).map(of).collect()
    }
}

fn apply(
    level: Level,
    threads: usize,
    x: &[f32],
    segments: &[LowRankRows<'_>],
    rows: usize,
) -> [Vec<f32>; 2] {
    let mut outs = [0, 1].map(|i| noise(rows * WIDTHS[i], 99 + i as u64));
    let [p, q] = &mut outs;
    let mut targets = [LowRankOut { out: p, width: WIDTHS[0] }, LowRankOut { out: q, width: WIDTHS[1] }];
    low_rank_at(level, &Pool::new(threads), x, x.len() / rows, segments, &mut targets);
    outs
}

#[test]
fn every_level_follows_the_formula() {
    for (inputs, ranks) in [(64, [16, 16]), (37, [3, 0]), (514, [17, 40]), (2048, [1, 64]), (6, [0, 0])] {
        let cases = [Case::new(inputs, ranks, 1), Case::new(inputs, [8, 5], 2)];
        let rows = 50;
        let x = noise(rows * inputs, 7);
        for (exact, bound) in [(true, 2e-5), (false, 1e-2)] {
            let packed = cases.each_ref().map(|c| c.pack(exact));
            // The first two rows and the one between have no adapter.
            let segments = [
                LowRankRows { rows: 2..43, factors: &packed[0] },
                LowRankRows { rows: 44..50, factors: &packed[1] },
            ];
            let before = [0, 1].map(|i| noise(rows * WIDTHS[i], 99 + i as u64));
            for level in levels() {
                let got = apply(level, 2, &x, &segments, rows);
                for (row, i) in (0..rows).flat_map(|r| [(r, 0), (r, 1)]) {
                    let range = row * WIDTHS[i]..(row + 1) * WIDTHS[i];
                    let (y, got) = (&before[i][range.clone()], &got[i][range]);
                    let x = &x[row * inputs..][..inputs];
                    let want: Vec<f64> = match row {
                        0 | 1 | 43 => y.iter().map(|y| f64::from(*y)).collect(),
                        r => cases[usize::from(r > 43)].want(i, x, y),
                    };
                    let size = want.iter().fold(1.0f64, |a, b| a.max(b.abs()));
                    for (g, w) in got.iter().zip(&want) {
                        let off = (f64::from(*g) - w).abs() / size;
                        assert!(
                            off <= bound,
                            "{level:?}, {inputs} inputs, exact {exact}, row {row}: {g} is not {w}"
                        );
                    }
                }
                if !exact {
                    assert_eq!(got, apply(level, 1, &x, &segments, rows), "threads change nothing");
                }
            }
        }
    }
}

#[test]
fn a_row_alone_is_the_row_among_others() {
    // Enough work that even one row is divided among the threads, by columns.
    let case = Case::new(2048, [16, 8], 3);
    let packed = case.pack(false);
    assert!(packed.work() > ALONE);
    let rows = 9;
    let x = noise(rows * 2048, 4);
    for level in levels() {
        let together = apply(level, 3, &x, &[LowRankRows { rows: 0..rows, factors: &packed }], rows);
        for row in 0..rows {
            let alone = apply(level, 3, &x, &[LowRankRows { rows: row..row + 1, factors: &packed }], rows);
            for i in [0, 1] {
                let range = row * WIDTHS[i]..(row + 1) * WIDTHS[i];
                assert_eq!(together[i][range.clone()], alone[i][range]);
            }
        }
    }
}

#[test]
fn bytes_follow_the_ranks() {
    let case = Case::new(2048, [4, 4], 5);
    let numbers = 8 * 2048 + 4 * 70 + 4 * 33;
    let vectors = 2 * 33;
    let (half, exact) = (case.pack(false).bytes(), case.pack(true).bytes());
    assert!((2 * numbers + 4 * vectors..2 * numbers + 4 * vectors + 256).contains(&half), "{half}");
    assert!((4 * (numbers + vectors)..4 * (numbers + vectors) + 256).contains(&exact), "{exact}");
}
