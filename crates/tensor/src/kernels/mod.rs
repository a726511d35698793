//! Kernels: what costs the time, each with a scalar definition and a faster twin chosen at run time.
//! `LYCEUM_CPU=scalar` (or `avx2`, `avx512`) forces a level; a level that the processor lacks is never taken.

mod activations;
mod attention;
mod eight;
mod elementwise;
mod float;
mod four;
mod low_rank;
mod packed;
mod parallel;
mod product;
mod widen;

pub use activations::{Activations, Quantised};
pub use attention::{BLOCK, Cache, CacheLayer, attend};
pub use elementwise::{
    add, add_scaled, argmax, exp_all, log_sum_exp, max, rms_norm, rms_norm_back, rotate_halves, silu_times,
    silu_times_back, softmax, softmax_back, softmax_scaled,
};
pub use float::dot;
pub use low_rank::{LowRank, LowRankModule, LowRankOut, LowRankRows, low_rank};
pub use packed::Packed;
pub use parallel::chunks;
pub use product::{Target, product};
pub(crate) use widen::widen;

use std::sync::OnceLock;

/// What the processor can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust.
    Scalar,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX2 and AVX-512 with F, BW, CD, DQ and VL.
    Avx512,
}

/// The level in use, decided once.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let forced = std::env::var("LYCEUM_CPU").ok();
        let most = match forced.as_deref() {
            Some("scalar") => Level::Scalar,
            Some("avx2") => Level::Avx2,
            _ => Level::Avx512,
        };
        best().min(most)
    })
}

/// Whether one wide gather is faster than loads one by one: with AVX-512 on Intel's processors.
pub fn gathers_pay() -> bool {
    static PAY: OnceLock<bool> = OnceLock::new();
    *PAY.get_or_init(|| level() >= Level::Avx512 && is_from_intel())
}

#[cfg(target_arch = "x86_64")]
fn is_from_intel() -> bool {
    let id = std::arch::x86_64::__cpuid(0);
    [id.ebx, id.edx, id.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn is_from_intel() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
fn best() -> Level {
    let has = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c");
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (has, wide) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Scalar,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn best() -> Level {
    Level::Scalar
}

/// One plain function compiled twice: for any processor, and for AVX2 so that the compiler uses its wide registers.
/// The body is the scalar definition; both give the same numbers.
macro_rules! twice {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn plain($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn wide($($arg: $ty),*) $(-> $ret)? { plain($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            if $crate::kernels::level() >= $crate::kernels::Level::Avx2 {
                // SAFETY: the level says that the processor has these features.
                return unsafe { wide($($arg),*) };
            }
            plain($($arg),*)
        }
    };
}
pub(crate) use twice;
