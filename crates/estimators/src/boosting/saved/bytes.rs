//! Numbers of the file to bytes and back, little end first, and never past the end.

use lyceum_core::{Error, Result};

/// What stands in files.
pub(super) trait Plain: Copy {
    const BYTES: usize;
    fn put(self, out: &mut Vec<u8>);
    fn take(bytes: &[u8]) -> Option<Self>;
}

macro_rules! plain {
    ($($kind:ty),*) => {$(
        impl Plain for $kind {
            const BYTES: usize = size_of::<$kind>();
            fn put(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
            fn take(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}
plain!(u8, u16, u32, u64, f64);

/// What is left of a file.
pub(super) struct Left<'a>(pub(super) &'a [u8]);

impl<'a> Left<'a> {
    /// The next `n` bytes.
    pub(super) fn bytes(&mut self, n: usize, what: &str) -> Result<&'a [u8]> {
        let short = || Error::corrupt(format!("ends within {what}: the file is cut off"));
        let (own, rest) = self.0.split_at_checked(n).ok_or_else(short)?;
        self.0 = rest;
        Ok(own)
    }

    /// The next `n` numbers.
    pub(super) fn numbers<T: Plain>(&mut self, n: usize, what: &str) -> Result<Vec<T>> {
        let bytes = self.bytes(n.saturating_mul(T::BYTES), what)?;
        Ok(bytes.chunks_exact(T::BYTES).filter_map(T::take).collect())
    }

    /// The next number.
    pub(super) fn number<T: Plain>(&mut self, what: &str) -> Result<T> {
        let bytes = self.bytes(T::BYTES, what)?;
        T::take(bytes).ok_or_else(|| Error::internal("a number of another length"))
    }
}
