//! Bytes that many matrices share: a slice of a memory-mapped file or of memory of our own.

use lyceum_core::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

enum Owner {
    Map(Mmap),
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

impl Owner {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Map(m) => m,
            Self::Bytes(b) => b,
            Self::Floats(f) => bytemuck::cast_slice(f),
        }
    }
}

/// A reference-counted slice of bytes. A clone copies a pointer.
#[derive(Clone)]
pub struct SharedBytes {
    owner: Arc<Owner>,
    range: Range<usize>,
}

impl SharedBytes {
    /// Maps a file into memory; its pages are read when they are touched.
    ///
    /// The file must not be cut short while it is mapped: the process would be killed on reading the missing part.
    /// Lyceum's own writers never change a file in place (see [`lyceum_core::write_atomic`]).
    pub fn map(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
        let length = file.metadata().map_err(|e| Error::io(path, "read the size of", e))?.len();
        if length == 0 {
            return Err(Error::corrupt("the file is empty").in_file(path));
        }
        // SAFETY: the map is read-only and private to this owner; the contract above covers changes by others.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(path, "map into memory", e))?;
        let range = 0..map.len();
        Ok(Self { owner: Arc::new(Owner::Map(map)), range })
    }

    /// A part of it; `None` when the range is not inside.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        let start = self.range.start.checked_add(range.start)?;
        let end = self.range.start.checked_add(range.end)?;
        (start <= end && end <= self.range.end)
            .then(|| Self { owner: Arc::clone(&self.owner), range: start..end })
    }

    /// Gives whole pages of a mapped file back to the system, which reads them again when they are next touched: for
    /// bytes that were copied into another layout.
    pub fn forget(&self) {
        #[cfg(unix)]
        if let Owner::Map(map) = &*self.owner {
            const PAGE: usize = 1 << 12;
            let start = self.range.start.next_multiple_of(PAGE);
            let end = self.range.end / PAGE * PAGE;
            if start < end {
                // SAFETY: the map is read-only and backed by a file, so that forgotten pages come back as they were.
                let _ = unsafe {
                    map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start)
                };
            }
        }
    }

    /// Whether the bytes lie in a mapped file (and so count as cache rather than as memory in use).
    pub fn is_mapped(&self) -> bool {
        matches!(*self.owner, Owner::Map(_))
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { owner: Arc::new(Owner::Bytes(bytes)), range }
    }
}

impl From<Vec<f32>> for SharedBytes {
    fn from(floats: Vec<f32>) -> Self {
        let range = 0..floats.len() * 4;
        Self { owner: Arc::new(Owner::Floats(floats)), range }
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.owner.bytes().get(self.range.clone()).unwrap_or_default()
    }
}

impl std::fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.range.len())
    }
}
