//! The formats in which weights are stored, with the sizes of their blocks. Source: the GGUF format, version 3; NF4:
//! Dettmers et al. 2023.

use std::fmt;

/// How the numbers of a matrix row are stored. A quantised row is a run of blocks, each with its own scale.
#[allow(non_camel_case_types, reason = "the field's own names")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    BF16,
    /// 4 bits, scale.
    Q4_0,
    /// 4 bits, scale and minimum.
    Q4_1,
    /// 5 bits, scale.
    Q5_0,
    /// 5 bits, scale and minimum.
    Q5_1,
    /// 8 bits, scale.
    Q8_0,
    /// 2 bits, two-level scales and minima.
    Q2_K,
    /// 3 bits, two-level scales.
    Q3_K,
    /// 4 bits, two-level scales and minima.
    Q4_K,
    /// 5 bits, two-level scales and minima.
    Q5_K,
    /// 6 bits, two-level scales.
    Q6_K,
    /// 4 bits, uneven steps.
    IQ4_NL,
    /// 4 bits, uneven steps, two-level scales.
    IQ4_XS,
    /// Ternary, five to a byte.
    TQ1_0,
    /// Ternary, four to a byte.
    TQ2_0,
    /// 4-bit floats with a shared power of two.
    MXFP4,
    /// 4 bits, steps by the quantiles of a normal distribution, scale in single precision: in memory only.
    NF4,
}

/// Name, GGUF type id (or [`NO_ID`]), elements of a block, bytes of a block.
const TABLE: [(Format, &str, u32, usize, usize); 19] = [
    (Format::F32, "F32", 0, 1, 4),
    (Format::F16, "F16", 1, 1, 2),
    (Format::BF16, "BF16", 30, 1, 2),
    (Format::Q4_0, "Q4_0", 2, 32, 18),
    (Format::Q4_1, "Q4_1", 3, 32, 20),
    (Format::Q5_0, "Q5_0", 6, 32, 22),
    (Format::Q5_1, "Q5_1", 7, 32, 24),
    (Format::Q8_0, "Q8_0", 8, 32, 34),
    (Format::Q2_K, "Q2_K", 10, 256, 84),
    (Format::Q3_K, "Q3_K", 11, 256, 110),
    (Format::Q4_K, "Q4_K", 12, 256, 144),
    (Format::Q5_K, "Q5_K", 13, 256, 176),
    (Format::Q6_K, "Q6_K", 14, 256, 210),
    (Format::IQ4_NL, "IQ4_NL", 20, 32, 18),
    (Format::IQ4_XS, "IQ4_XS", 23, 256, 136),
    (Format::TQ1_0, "TQ1_0", 34, 256, 54),
    (Format::TQ2_0, "TQ2_0", 35, 256, 66),
    (Format::MXFP4, "MXFP4", 39, 32, 17),
    (Format::NF4, "NF4", NO_ID, 64, 36),
];

/// In place of an id that GGUF does not have.
const NO_ID: u32 = u32::MAX;

/// Names of GGUF types that exist but are not read.
const FOREIGN: [(u32, &str); 14] = [
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
];

impl Format {
    /// All formats of GGUF files.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().filter(|row| row.2 != NO_ID).map(|row| row.0)
    }

    fn row(self) -> (&'static str, u32, usize, usize) {
        let found = TABLE.iter().find(|row| row.0 == self);
        found.map_or(("F32", 0, 1, 4), |(_, name, id, elements, bytes)| (name, *id, *elements, *bytes))
    }

    /// Its name, as GGUF files spell it.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Its type id in GGUF, where it has one.
    pub fn gguf_id(self) -> Option<u32> {
        Some(self.row().1).filter(|id| *id != NO_ID)
    }

    /// Elements of a block; a row's length must be a multiple of it.
    pub fn block_elements(self) -> usize {
        self.row().2
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.row().3
    }

    /// Bytes of `elements` numbers; `None` unless they fill whole blocks or when the size overflows.
    pub fn bytes_of(self, elements: usize) -> Option<usize> {
        let (_, _, block, bytes) = self.row();
        if elements.is_multiple_of(block) { (elements / block).checked_mul(bytes) } else { None }
    }

    /// The format of a GGUF type id, or the name of the type if it is known and not read.
    pub fn from_gguf_id(id: u32) -> Result<Self, String> {
        if let Some(row) = TABLE.iter().find(|row| row.2 == id && id != NO_ID) {
            return Ok(row.0);
        }
        let name = FOREIGN.iter().find(|row| row.0 == id).map(|row| row.1);
        Err(name.map_or_else(|| format!("number {id}"), str::to_string))
    }

    /// The format of a name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// Whether each number stands for itself (no blocks).
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
