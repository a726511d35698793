//! Faster twins of `dequantize` for the formats that training and prompts read most.

use crate::Format;

/// Widens whole blocks; false when there is no faster twin for the format or the processor.
pub(crate) fn widen(format: Format, bytes: &[u8], out: &mut [f32]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if super::level() >= super::Level::Avx2 {
        if format.bytes_of(out.len()) != Some(bytes.len()) {
            return false;
        }
        // SAFETY: the processor has AVX2 and F16C; `bytes` holds just the blocks of `out`, as checked.
        unsafe {
            match format {
                Format::F16 => avx2::f16(bytes, out),
                Format::BF16 => avx2::bf16(bytes, out),
                Format::Q4_0 => avx2::four::<18, false>(bytes, out),
                Format::Q4_1 => avx2::four::<20, true>(bytes, out),
                Format::Q8_0 => avx2::q8_0(bytes, out),
                _ => return false,
            }
        }
        return true;
    }
    let _ = (format, bytes, out);
    false
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    #![allow(clippy::indexing_slicing, reason = "blocks are arrays of a constant size")]

    use std::arch::x86_64::*;

    /// # Safety
    /// `bytes` has two bytes for each number of `out`. (All functions here: the processor has AVX2, FMA and F16C.)
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn f16(bytes: &[u8], out: &mut [f32]) {
        let n = out.len() / 8 * 8;
        for at in (0..n).step_by(8) {
            // SAFETY: `at + 8` numbers are inside both.
            unsafe {
                let h = _mm_loadu_si128(bytes.as_ptr().add(2 * at).cast());
                _mm256_storeu_ps(out.as_mut_ptr().add(at), _mm256_cvtph_ps(h));
            }
        }
        for (b, x) in bytes[2 * n..].as_chunks::<2>().0.iter().zip(&mut out[n..]) {
            *x = half::f16::from_le_bytes(*b).to_f32();
        }
    }

    /// # Safety
    /// `bytes` has two bytes for each number of `out`.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn bf16(bytes: &[u8], out: &mut [f32]) {
        for (b, x) in bytes.as_chunks::<2>().0.iter().zip(out) {
            *x = f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
        }
    }

    /// # Safety
    /// `bytes` has `BYTES` bytes for each 32 numbers of `out`.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn four<const BYTES: usize, const MINIMUM: bool>(bytes: &[u8], out: &mut [f32]) {
        let mask = _mm_set1_epi8(15);
        for (block, out) in bytes.as_chunks::<BYTES>().0.iter().zip(out.as_chunks_mut::<32>().0) {
            // SAFETY: the block has its scale (and minimum) and 16 bytes of nibbles; `out` has 32 numbers.
            unsafe {
                let p = block.as_ptr();
                let pair = _mm_cvtph_ps(_mm_cvtsi32_si128(p.cast::<i32>().read_unaligned()));
                let d = _mm256_broadcastss_ps(pair);
                let m = if MINIMUM {
                    _mm256_broadcastss_ps(_mm_movehdup_ps(pair))
                } else {
                    _mm256_mul_ps(d, _mm256_set1_ps(-8.0))
                };
                let raw = _mm_loadu_si128(p.add(BYTES - 16).cast());
                let halves = [_mm_and_si128(raw, mask), _mm_and_si128(_mm_srli_epi16(raw, 4), mask)];
                for (i, q) in halves.into_iter().enumerate() {
                    store16(q, d, m, out.as_mut_ptr().add(16 * i));
                }
            }
        }
    }

    /// # Safety
    /// `to` has room for 16 numbers.
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn store16(q: __m128i, d: __m256, m: __m256, to: *mut f32) {
        let a = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(q));
        let b = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(q, 8)));
        // A product and a sum, not a fused one, so that the scalar definition gives the same bits. For Q4_0 both
        // steps are exact, so it does not matter that it subtracts first.
        // SAFETY: as the contract says.
        unsafe {
            _mm256_storeu_ps(to, _mm256_add_ps(_mm256_mul_ps(d, a), m));
            _mm256_storeu_ps(to.add(8), _mm256_add_ps(_mm256_mul_ps(d, b), m));
        }
    }

    /// # Safety
    /// `bytes` has 34 bytes for each 32 numbers of `out`.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn q8_0(bytes: &[u8], out: &mut [f32]) {
        for (block, out) in bytes.as_chunks::<34>().0.iter().zip(out.as_chunks_mut::<32>().0) {
            let d = _mm256_set1_ps(half::f16::from_le_bytes([block[0], block[1]]).to_f32());
            for i in 0..4 {
                // SAFETY: eight bytes at 2 + 8i are inside the block, eight numbers at 8i inside `out`.
                unsafe {
                    let q = _mm_loadl_epi64(block.as_ptr().add(2 + 8 * i).cast());
                    let x = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)), d);
                    _mm256_storeu_ps(out.as_mut_ptr().add(8 * i), x);
                }
            }
        }
    }
}
