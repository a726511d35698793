//! Values of a feature made comparable: afterwards missing is NaN where a node can tell it, and 0 where none can.

use crate::boosting::data::ZERO;

/// What is done to a feature's values before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::boosting) enum Kind {
    /// Nothing: NaN is missing.
    AsIs,
    /// No node knows missing values: NaN counts as 0.
    NanIsZero,
    /// Zero is missing.
    ZeroIsNan,
}

impl Kind {
    #[inline(always)]
    pub(super) fn apply(self, x: f64) -> f64 {
        match self {
            Self::AsIs => x,
            Self::NanIsZero => {
                if x.is_nan() {
                    0.0
                } else {
                    x
                }
            }
            Self::ZeroIsNan => {
                if x.abs() <= ZERO {
                    f64::NAN
                } else {
                    x
                }
            }
        }
    }
}

/// The largest f32 that is not above `t`: for any f32 x, `x <= t` exactly when `x <= floor32(t)`.
pub(super) fn floor32(t: f64) -> f32 {
    let near = t as f32;
    if f64::from(near) > t { near.next_down() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_down_keeps_every_comparison() {
        let mut random = lyceum_data::Random::new(3, 0);
        for _ in 0..2000 {
            let t = random.normal() * 10f64.powi(random.below(60) as i32 - 30);
            let f = floor32(t);
            for x in [f.next_down(), f, f.next_up(), f.next_up().next_up(), 0.0, -0.0] {
                assert_eq!(f64::from(x) <= t, x <= f, "{x} {t}");
            }
        }
        assert_eq!(floor32(f64::INFINITY), f32::INFINITY);
        assert!(Kind::ZeroIsNan.apply(1e-36).is_nan() && Kind::NanIsZero.apply(f64::NAN) == 0.0);
    }
}
