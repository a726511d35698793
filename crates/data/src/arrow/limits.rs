//! How much may come out of a columnar file, whatever its headers say.

use lyceum_core::{Error, ErrorKind, Result};

/// Most rows, and most bytes in memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rows at most.
    pub rows: usize,
    /// Bytes of all decoded cells at most; also of what compressed parts may grow to.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: u32::MAX as usize, bytes: crate::MAX_FILE_BYTES }
    }
}

/// What a cell costs beside its text.
pub(super) const CELL: u64 = 9;

impl Limits {
    /// Takes rows away, before anything of them is made.
    ///
    /// # Errors
    /// More rows than are left.
    pub(super) fn take_rows(&mut self, rows: usize, most: usize) -> Result<()> {
        let left = self.rows.checked_sub(rows);
        self.rows = left.ok_or_else(|| {
            Error::new(ErrorKind::TooLarge, format!("more than {most} rows, at most {most} are taken"))
        })?;
        Ok(())
    }

    /// Takes bytes away.
    ///
    /// # Errors
    /// More than are left.
    pub(super) fn take_bytes(&mut self, bytes: u64) -> Result<()> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or_else(|| {
            let message = format!("the cells need {} bytes more than may be used", bytes - self.bytes);
            Error::new(ErrorKind::TooLarge, message)
        })?;
        Ok(())
    }
}
