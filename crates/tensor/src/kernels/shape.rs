//! The shapes of strips: how many bits a code has, whether halves of a block have scales of their own, whether there
//! are minima, and what a code stands for. Several stored formats share a shape.

#![allow(clippy::indexing_slicing, reason = "arrays of a constant size, filled at compile time")]

use crate::Format;
use crate::dequant::codebook::{E2M1, IQ4};

/// Outputs of a strip.
pub(super) const STRIP: usize = 16;

/// A shape, for code that is made once for each.
pub(super) trait Shape {
    /// Bits of a code: 4, 5, 6 or 8.
    const BITS: usize;
    /// Whether each 16 inputs have a scale (else each 32).
    const HALVES: bool;
    /// Whether there are minima beside the scales.
    const MINIMA: bool;
    /// What is subtracted from a code (or from what the table gives).
    const ZERO: i32;
    /// What a code of 4 bits stands for, before `ZERO` is subtracted.
    const TABLE: Option<[u8; 16]>;

    /// Bytes of scales and minima of a block.
    const SCALES: usize = 32 * (1 + Self::HALVES as usize) * (1 + Self::MINIMA as usize);
    /// Bytes of codes of a block.
    const QUANTS: usize = if Self::BITS == 8 { 512 } else { 256 + 64 * (Self::BITS - 4) };
    /// Whether what codes stand for fills a signed byte once `ZERO` is subtracted.
    const WIDE: bool = Self::BITS == 8 || Self::TABLE.is_some();
}

macro_rules! shapes {
    ($($(#[$meta:meta])* $name:ident: $bits:literal bits, halves $halves:literal, minima $minima:literal, zero $zero:literal, $table:expr;)*) => {
        $(
            $(#[$meta])*
            pub(super) struct $name;
            impl Shape for $name {
                const BITS: usize = $bits;
                const HALVES: bool = $halves;
                const MINIMA: bool = $minima;
                const ZERO: i32 = $zero;
                const TABLE: Option<[u8; 16]> = $table;
            }
        )*
        /// Names a [`Shape`] at run time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $($(#[$meta])* $name),* }

        impl Kind {
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$name),*];
        }

        /// `with_shape!(kind, S => expression)`: the expression, with `S` the type of that shape.
        macro_rules! with_shape {
            ($kind:expr, $s:ident => $e:expr) => {
                match $kind { $($crate::kernels::shape::Kind::$name => { type $s = $crate::kernels::shape::$name; $e })* }
            };
        }
        pub(super) use with_shape;
    };
}

shapes! {
    /// Q4_0.
    Four: 4 bits, halves false, minima false, zero 8, None;
    /// Q4_1, Q4_K.
    FourMinima: 4 bits, halves false, minima true, zero 0, None;
    /// IQ4_NL, IQ4_XS.
    Uneven: 4 bits, halves false, minima false, zero 128, Some(offset(IQ4));
    /// MXFP4.
    Floats: 4 bits, halves false, minima false, zero 128, Some(offset(E2M1));
    /// Q2_K.
    Two: 4 bits, halves true, minima true, zero 0, None;
    /// Q3_K.
    Three: 4 bits, halves true, minima false, zero 4, None;
    /// Q5_0.
    Five: 5 bits, halves false, minima false, zero 16, None;
    /// Q5_1, Q5_K.
    FiveMinima: 5 bits, halves false, minima true, zero 0, None;
    /// Q6_K.
    Six: 6 bits, halves true, minima false, zero 32, None;
    /// Q8_0.
    Eight: 8 bits, halves false, minima false, zero 128, None;
}

const fn offset(table: [i8; 16]) -> [u8; 16] {
    let mut out = [0; 16];
    let mut i = 0;
    while i < 16 {
        out[i] = table[i] as u8 ^ 0x80;
        i += 1;
    }
    out
}

impl Kind {
    pub(super) fn scales(self) -> usize {
        with_shape!(self, S => S::SCALES)
    }

    pub(super) fn quants(self) -> usize {
        with_shape!(self, S => S::QUANTS)
    }

    /// What a code stands for, before scale and minimum.
    pub(super) fn step(self, code: u8) -> f32 {
        with_shape!(self, S => step::<S>(code) as f32)
    }

    /// The largest magnitude that a code stands for.
    pub(super) fn most(self) -> f32 {
        let codes = with_shape!(self, S => if S::BITS == 8 { 255 } else { (1 << S::BITS) - 1 });
        (0..=codes).map(|q| self.step(q).abs()).fold(0.0, f32::max)
    }
}

/// What a code stands for, as a whole number.
#[inline(always)]
pub(super) fn step<S: Shape>(code: u8) -> i32 {
    let value = match S::TABLE {
        Some(table) => table.get(usize::from(code)).copied().unwrap_or(0),
        None => code,
    };
    i32::from(value) - S::ZERO
}

/// The shape in which a stored format is packed; `None` for plain numbers.
pub(super) fn shape_of(format: Format) -> Option<Kind> {
    Some(match format {
        Format::Q4_0 => Kind::Four,
        Format::Q4_1 | Format::Q4_K => Kind::FourMinima,
        Format::IQ4_NL | Format::IQ4_XS => Kind::Uneven,
        Format::MXFP4 => Kind::Floats,
        Format::Q2_K => Kind::Two,
        Format::Q3_K => Kind::Three,
        Format::Q5_0 => Kind::Five,
        Format::Q5_1 | Format::Q5_K => Kind::FiveMinima,
        Format::Q6_K => Kind::Six,
        Format::Q8_0 => Kind::Eight,
        _ => return None,
    })
}
