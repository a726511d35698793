//! The matrix units (AMX): sixteen rows of sixteen f32 sums grow by products of bf16 pairs.
//!
//! The tiles are state of a thread that the compiler never touches: [`configure`] lays them out (0 to 3 sums, 4 and 5
//! inputs, 6 and 7 weights, each sixteen rows of 64 bytes), the other functions use them, [`release`] gives them up.
//! Source: Intel's instruction set extensions, chapter on AMX.

#![allow(clippy::indexing_slicing, reason = "arrays of a constant size, filled at compile time")]

use std::arch::asm;
use std::sync::OnceLock;

/// Bytes of a tile.
pub(super) const TILE: usize = 1024;

/// Whether the processor has matrix units for bf16 (and the AVX-512 that feeds them), and the system lets us use them.
/// The system is asked once, for all threads of the process.
pub(super) fn usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| {
        let around = is_x86_feature_detected!("avx512fp16")
            && is_x86_feature_detected!("avx512bf16")
            && is_x86_feature_detected!("avx512vnni");
        let bits = std::arch::x86_64::__cpuid_count(7, 0).edx;
        let (tile, bf16) = (bits >> 24 & 1 == 1, bits >> 22 & 1 == 1);
        around && tile && bf16 && permission()
    })
}

/// Linux gives the large state of the tiles only to those who ask.
#[cfg(target_os = "linux")]
fn permission() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the call changes what this process may use and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permission() -> bool {
    false
}

#[repr(C, align(64))]
struct Layout([u8; 64]);

/// Eight tiles of sixteen rows of 64 bytes.
static LAYOUT: Layout = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut t = 0;
    while t < 8 {
        bytes[16 + 2 * t] = 64;
        bytes[48 + t] = 16;
        t += 1;
    }
    Layout(bytes)
};

/// Lays out this thread's tiles.
///
/// # Safety
/// [`usable`] must have said yes.
pub(super) unsafe fn configure() {
    // SAFETY: 64 readable bytes with a valid layout.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const LAYOUT, options(readonly, nostack, preserves_flags)) };
}

/// Gives up this thread's tiles, so that the system need not keep them.
///
/// # Safety
/// [`usable`] must have said yes.
pub(super) unsafe fn release() {
    // SAFETY: the contract.
    unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) };
}

/// Sets the sums to zero.
///
/// # Safety
/// After [`configure`].
#[inline(always)]
pub(super) unsafe fn zero() {
    // SAFETY: the contract.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// Adds products of `n` consecutive tiles: sums 0 and 1 of inputs `a` with weights `b` and `c`.
///
/// # Safety
/// After [`configure`]; n ≥ 1; `n` tiles at each pointer.
#[inline(always)]
pub(super) unsafe fn one_by_two(a: *const u8, b: *const u8, c: *const u8, n: usize) {
    // SAFETY: the contract.
    unsafe {
        asm!(
            "2:",
            "tileloadd tmm4, [{a} + {s}]",
            "tileloadd tmm6, [{b} + {s}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{c} + {s}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "add {a}, 1024", "add {b}, 1024", "add {c}, 1024",
            "dec {n}",
            "jnz 2b",
            a = inout(reg) a => _, b = inout(reg) b => _, c = inout(reg) c => _, n = inout(reg) n => _,
            s = in(reg) 64usize, options(readonly, nostack)
        );
    }
}

/// The same for two blocks of rows: sums 0 and 1 of `a[0]`, sums 2 and 3 of `a[1]`.
///
/// # Safety
/// As [`one_by_two`].
#[inline(always)]
pub(super) unsafe fn two_by_two(a: [*const u8; 2], b: *const u8, c: *const u8, n: usize) {
    // SAFETY: the contract.
    unsafe {
        asm!(
            "2:",
            "tileloadd tmm4, [{a} + {s}]",
            "tileloadd tmm6, [{b} + {s}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{c} + {s}]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{d} + {s}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 1024", "add {b}, 1024", "add {c}, 1024", "add {d}, 1024",
            "dec {n}",
            "jnz 2b",
            a = inout(reg) a[0] => _, d = inout(reg) a[1] => _, b = inout(reg) b => _, c = inout(reg) c => _,
            n = inout(reg) n => _, s = in(reg) 64usize, options(readonly, nostack)
        );
    }
}

/// 32 rows of 32 sums.
#[repr(C, align(64))]
pub(super) struct Sums([[f32; 32]; 32]);

/// Writes the sums: 0 and 1 side by side into the first sixteen rows, 2 and 3 into the others.
///
/// # Safety
/// After [`configure`]; room for [`Sums`].
#[inline(always)]
pub(super) unsafe fn store(p: *mut f32, both: bool) {
    // SAFETY: sixteen rows of sixteen numbers, 128 bytes apart, from each of the pointers on.
    unsafe {
        asm!("tilestored [{p} + {s}], tmm0", "tilestored [{q} + {s}], tmm1",
             p = in(reg) p, q = in(reg) p.add(16), s = in(reg) 128usize, options(nostack, preserves_flags));
        if both {
            asm!("tilestored [{p} + {s}], tmm2", "tilestored [{q} + {s}], tmm3",
                 p = in(reg) p.add(512), q = in(reg) p.add(528), s = in(reg) 128usize,
                 options(nostack, preserves_flags));
        }
    }
}
