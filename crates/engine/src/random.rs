//! A counter-based generator: (seed, position) gives one number, whatever was drawn before and whatever else runs.

/// A number in [0, 1) with 53 random bits. The mixer is SplitMix64's (Steele, Lea and Flood 2014), applied twice.
pub(crate) fn uniform(seed: u64, position: u64) -> f64 {
    let bits = mix(mix(seed).wrapping_add(position.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::uniform;

    #[test]
    fn is_even_and_depends_on_both() {
        let draws: Vec<f64> = (0..100_000).map(|i| uniform(7, i)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((mean - 0.5).abs() < 0.005 && draws.iter().all(|u| (0.0..1.0).contains(u)));
        assert!(uniform(1, 0) != uniform(2, 0) && uniform(1, 0) != uniform(1, 1));
    }
}
