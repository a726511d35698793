//! Kernels: what costs the time, each with a scalar definition and a faster twin chosen at run time.
//! `LYCEUM_ISA=scalar` (or `avx2`, `avx512`, `amx`) forces a level; a level that the processor lacks is never taken.

mod activations;
#[cfg(target_arch = "x86_64")]
mod amx;
mod arena;
mod attention;
mod attention_batch;
#[cfg(target_arch = "x86_64")]
mod attention_tiles;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod codes;
mod dot;
mod elementwise;
#[cfg(target_arch = "x86_64")]
mod expand;
mod float;
mod low_rank;
mod packed;
mod pairs;
mod parallel;
mod product;
mod scalar;
mod shape;
mod strips;
#[cfg(target_arch = "x86_64")]
mod tiled;
mod tiles;
#[cfg(target_arch = "x86_64")]
mod vnni;
mod widen;

pub use activations::Activations;
pub use attention::{BLOCK, Cache, CacheLayer, attend};
pub use attention_batch::{Queries, Seen, attend_all};
pub use elementwise::{
    add, add_scaled, argmax, exp_all, gelu_tanh_times, log_sum_exp, max, rms_norm, rms_norm_back,
    rotate_halves, silu_times, silu_times_back, soft_cap, softmax, softmax_back, softmax_scaled,
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
    /// All that, and matrix units for bf16 with the AVX-512 that comes with them.
    Amx,
}

impl Level {
    /// All levels, the lowest first, as `LYCEUM_ISA` names them.
    pub const NAMES: [(&str, Self); 4] =
        [("scalar", Self::Scalar), ("avx2", Self::Avx2), ("avx512", Self::Avx512), ("amx", Self::Amx)];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, level)| *level == self).map_or("scalar", |(name, _)| name)
    }
}

/// The level in use, decided once.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let forced = std::env::var("LYCEUM_ISA").unwrap_or_default();
        let most =
            Level::NAMES.iter().find(|(name, _)| *name == forced).map_or(Level::Amx, |(_, level)| *level);
        best().min(most)
    })
}

/// Vectors for products of whole numbers.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vectors {
    None,
    /// AVX2.
    Narrow,
    /// AVX-512 VNNI.
    Wide,
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> Vectors {
    static VECTORS: OnceLock<Vectors> = OnceLock::new();
    *VECTORS.get_or_init(|| match level() {
        Level::Scalar => Vectors::None,
        Level::Avx512 | Level::Amx if is_x86_feature_detected!("avx512vnni") => Vectors::Wide,
        _ => Vectors::Narrow,
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
        (true, true) if amx::usable() => Level::Amx,
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Scalar,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn best() -> Level {
    Level::Scalar
}

/// One plain function compiled for any processor, for AVX2 and for AVX-512, so that the compiler uses what registers
/// there are. The body is the scalar definition; all give the same numbers.
macro_rules! wherever {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn plain($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn wide($($arg: $ty),*) $(-> $ret)? { plain($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")]
            fn widest($($arg: $ty),*) $(-> $ret)? { plain($($arg),*) }
            #[cfg(target_arch = "x86_64")]
            match $crate::kernels::level() {
                // SAFETY (both): the level says that the processor has these features.
                $crate::kernels::Level::Amx | $crate::kernels::Level::Avx512 => return unsafe { widest($($arg),*) },
                $crate::kernels::Level::Avx2 => return unsafe { wide($($arg),*) },
                $crate::kernels::Level::Scalar => {}
            }
            plain($($arg),*)
        }
    };
}
pub(crate) use wherever;
