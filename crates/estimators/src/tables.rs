//! Tables of any size that are the same bits on every machine, to time and test learning on.
//!
//! Every value comes from a counter-based SplitMix64 and from + - × ÷ and comparison in f64, then one rounding to f32:
//! `u(s, i)` = the top 53 bits of the i-th draw of stream s; `n(s, i)` = the sum of four of them, centred, of variance 1;
//! column c of a table has the stream `seed · 1000003 + c`.
#![allow(clippy::indexing_slicing, reason = "columns are counted by hand")]

/// A table: row-major features in single precision, and one label a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Row after row, `width` numbers each.
    pub x: Vec<f32>,
    /// Numbers of a row.
    pub width: usize,
    /// One label a row.
    pub y: Vec<f32>,
}

fn bits(seed: u64, i: u64) -> u64 {
    let mut z = seed.wrapping_add(i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit(seed: u64, i: u64) -> f64 {
    (bits(seed, i) >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

fn normal(seed: u64, i: u64) -> f64 {
    let at = i.wrapping_mul(4);
    let sum = unit(seed, at) + unit(seed, at + 1) + unit(seed, at + 2) + unit(seed, at + 3);
    (sum - 2.0) * 1.732_050_807_568_877_2
}

fn stream(table: u64, column: u64) -> u64 {
    table.wrapping_mul(1_000_003).wrapping_add(column)
}

/// A rational sigmoid.
fn soft(s: f64) -> f64 {
    0.5 * (1.0 + s / (1.0 + s.abs()))
}

/// One row of 28 columns: 10 normal, 6 skewed, 5 of few levels, 7 derived.
fn base(table: u64, r: u64) -> [f64; 28] {
    let mut x = [0.0; 28];
    let at = |c: usize| stream(table, c as u64);
    for (c, x) in x.iter_mut().enumerate().take(10) {
        *x = normal(at(c), r);
    }
    for c in 10..16 {
        let u = unit(at(c), r);
        x[c] = u / (1.05 - u);
    }
    for c in 16..21 {
        x[c] = (unit(at(c), r) * (c as f64 - 13.0)).floor();
    }
    x[21] = x[0] * x[1] + 0.5 * normal(at(21), r);
    x[22] = x[2] * x[2] - x[3] + 0.5 * normal(at(22), r);
    x[23] = (x[10] - x[11]) / (1.0 + x[12]);
    x[24] = (x[4] - x[5]).abs() + 0.25 * normal(at(24), r);
    x[25] = x[6] + x[7] + x[8];
    x[26] = if x[16] >= 2.0 { x[9] } else { x[6] };
    x[27] = normal(at(27), r);
    x
}

fn score(x: &[f64; 28]) -> f64 {
    let mut s = 0.9 * x[0] * x[1];
    s += 0.6 * (x[2] * x[2] - 1.0);
    s -= 0.5 * x[3];
    s += if x[10] > x[11] { 0.8 } else { -0.8 };
    s += if x[4] > 0.5 && x[13] < 1.0 { 1.2 } else { 0.0 };
    s += 0.4 * x[25];
    s -= 0.7 * x[5].abs();
    s = s + if x[17] == 1.0 { 0.9 } else { 0.0 } - if x[18] >= 3.0 { 0.6 } else { 0.0 };
    s + 0.3 * x[26] * x[8]
}

fn rounded(x: &[f64; 28]) -> ([f32; 28], [f64; 28]) {
    let single = x.map(|v| v as f32);
    (single, single.map(f64::from))
}

fn made(rows: usize, width: usize, mut row: impl FnMut(u64, &mut Vec<f32>) -> f32) -> Made {
    let (mut x, mut y) = (Vec::with_capacity(rows * width), Vec::with_capacity(rows));
    for r in 0..rows as u64 {
        y.push(row(r, &mut x));
    }
    Made { x, width, y }
}

/// 28 number columns and a label of 0 or 1.
pub fn binary(rows: usize) -> Made {
    let label = stream(11, 900);
    made(rows, 28, |r, out| {
        let (single, wide) = rounded(&base(11, r));
        out.extend(single);
        f32::from(u8::from(unit(label, r) < soft(2.5 * score(&wide))))
    })
}

/// 28 number columns and a label of 5 classes.
pub fn multi(rows: usize) -> Made {
    made(rows, 28, |r, out| {
        let (single, d) = rounded(&base(12, r));
        out.extend(single);
        let s = [score(&d), 0.8 * d[22] - 0.5, 1.2 * d[24] - 1.0, 0.9 * d[6] * d[7], 0.7 * d[23] + d[9]];
        let (mut best, mut class) = (f64::NEG_INFINITY, 0u8);
        for (k, s) in s.iter().enumerate() {
            let s = s + 0.8 * normal(stream(12, 910 + k as u64), r);
            if s > best {
                (best, class) = (s, k as u8);
            }
        }
        f32::from(class)
    })
}

/// 28 number columns and a real label.
pub fn regression(rows: usize) -> Made {
    made(rows, 28, |r, out| {
        let (single, wide) = rounded(&base(13, r));
        out.extend(single);
        (3.0 * score(&wide) + 0.5 * wide[14] + normal(stream(13, 900), r)) as f32
    })
}

/// 20 number columns, a tenth missing in the first ten, 8 columns of categories (3 to 5000 of them), a label of 0 or 1.
pub fn categories(rows: usize) -> Made {
    const LEVELS: [f64; 8] = [3.0, 7.0, 12.0, 31.0, 64.0, 200.0, 1000.0, 5000.0];
    made(rows, 28, |r, out| {
        let b = base(14, r);
        let mut s = score(&b) * 0.5;
        let mut own: [f32; 28] = b.map(|v| v as f32);
        for (j, levels) in LEVELS.iter().enumerate() {
            let u = unit(stream(14, 100 + j as u64), r);
            let c = (u * u * levels).floor();
            own[20 + j] = c as f32;
            s += 1.5 * (unit(stream(14, 200 + j as u64), c as u64) - 0.5);
        }
        for (j, x) in own.iter_mut().enumerate().take(10) {
            if unit(stream(14, 300 + j as u64), r) < 0.1 {
                *x = f32::NAN;
            }
        }
        out.extend(own);
        f32::from(u8::from(unit(stream(14, 900), r) < soft(2.5 * s)))
    })
}

/// 200 columns that are 0 or 1 (20 groups of 10, at most one of a group set), 10 number columns, a label of 0 or 1.
pub fn sparse(rows: usize) -> Made {
    made(rows, 210, |r, out| {
        let mut own = [0.0f32; 210];
        let mut s = 0.0;
        for g in 0..20u64 {
            let c = (unit(stream(15, g), r) * 11.0).floor();
            if c < 10.0 {
                own[g as usize * 10 + c as usize] = 1.0;
            }
            s += 1.2 * (unit(stream(15, 100 + g), c as u64) - 0.5);
        }
        for j in 0..10u64 {
            own[200 + j as usize] = normal(stream(15, 50 + j), r) as f32;
        }
        s += 0.5 * f64::from(own[200]) * f64::from(own[201]);
        out.extend(own);
        f32::from(u8::from(unit(stream(15, 900), r) < soft(2.5 * s)))
    })
}

/// `width` normal columns, each correlated 0.5 with the one before, and a real label that a tenth of them explain.
pub fn linear(rows: usize, width: usize) -> Made {
    let weight =
        |c: u64| if unit(stream(17, 5000), c) < 0.1 { 2.0 * normal(stream(17, 5001), c) } else { 0.0 };
    let weights: Vec<f64> = (0..width as u64).map(weight).collect();
    made(rows, width, |r, out| {
        let (mut before, mut s) = (0.0, 0.0);
        for (c, w) in weights.iter().enumerate() {
            before = 0.5 * before + 0.866_025_403_784_438_6 * normal(stream(17, c as u64), r);
            let single = before as f32;
            out.push(single);
            s += f64::from(single) * w;
        }
        (s + normal(stream(17, 900), r)) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a of the first MiB of the bytes.
    fn hash(x: &[f32]) -> u64 {
        let bytes = x.iter().flat_map(|v| v.to_le_bytes()).take(1 << 20);
        bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    /// The hashes are those of the same tables made by another program in another language.
    #[test]
    fn the_same_bits_everywhere() {
        let rows = 3000;
        let got =
            [binary(rows), multi(rows), regression(rows), categories(rows), sparse(rows), linear(rows, 50)];
        let got: Vec<(u64, u64)> = got.iter().map(|m| (hash(&m.x), hash(&m.y))).collect();
        let want = [
            (0xc552b580ff8c89ec, 0xb816ef20a7ca0378),
            (0x9c4e5810f7d41b1c, 0x9faa675229dc9dd5),
            (0x731a78e7b380aa23, 0x25d6b6ceb7866b08),
            (0x12aec791171974ad, 0x3f9e52b4986293b8),
            (0xaa000c86189fa7ec, 0x6f082aa2a997bd38),
            (0x32a86e1e8f468a2a, 0xc9d9af69ee7e68bc),
        ];
        assert_eq!(got, want);
    }
}
