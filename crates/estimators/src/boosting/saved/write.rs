//! To a file.

use super::bytes::Plain;
use super::{BinsHead, ColumnHead, Head, MAGIC, Saved};
use crate::boosting::data::{BinMapper, Column};
use lyceum_core::{Error, Result, write_atomic_with};
use std::io::Write;
use std::path::Path;

/// Numbers that are turned into bytes at once.
const PART: usize = 1 << 16;

impl Saved<'_> {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// Whatever the operating system refuses.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let head = serde_json::to_vec(&self.head()).map_err(|e| Error::internal(e.to_string()))?;
        write_atomic_with(path, |out| {
            let mut put = |bytes: &[u8]| out.write_all(bytes).map_err(|e| Error::io(path, "write", e));
            put(MAGIC)?;
            put(&(head.len() as u64).to_le_bytes())?;
            put(&head)?;
            for mapper in self.data.layout.infos.iter().flatten() {
                match mapper {
                    BinMapper::Number { bounds, range, .. } => {
                        numbers(bounds, &mut put)?;
                        numbers(&[range.0, range.1], &mut put)?;
                    }
                    BinMapper::Category { categories } => numbers(categories, &mut put)?,
                }
            }
            numbers(&self.rest.y, &mut put)?;
            if let Some(weight) = &self.rest.weight {
                numbers(weight, &mut put)?;
            }
            if let Some(group) = &self.rest.group {
                numbers(&group.iter().map(|n| *n as u64).collect::<Vec<_>>(), &mut put)?;
            }
            if let Some(init) = &self.rest.init_score {
                numbers(init, &mut put)?;
            }
            let rows = self.rows();
            self.data.columns.iter().try_for_each(|column| match column {
                Column::Bytes(bins) => put(bins.get(..rows).unwrap_or_default()),
                Column::Words(bins) => numbers(bins.get(..rows).unwrap_or_default(), &mut put),
            })
        })
    }

    fn head(&self) -> Head {
        let bins = |mapper: &BinMapper| match mapper {
            BinMapper::Number { bounds, missing, .. } => {
                BinsHead::Number { bounds: bounds.len(), missing: *missing }
            }
            BinMapper::Category { categories } => BinsHead::Category { categories: categories.len() },
        };
        let features = self.features.names.iter().zip(&self.features.levels);
        let columns = features.zip(&self.data.layout.infos).map(|((name, levels), mapper)| ColumnHead {
            name: name.clone(),
            levels: levels.as_ref().map(|l| l.to_vec()),
            bins: mapper.as_ref().map(bins),
        });
        Head {
            rows: self.rows(),
            made: self.made.clone(),
            columns: columns.collect(),
            weight: self.rest.weight.is_some(),
            group: self.rest.group.as_ref().map(|g| g.len()),
            init_score: self.rest.init_score.as_ref().map(|i| i.len() / self.rows().max(1)),
        }
    }
}

fn numbers<T: Plain>(all: &[T], put: &mut impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut bytes = Vec::with_capacity(PART * T::BYTES);
    all.chunks(PART).try_for_each(|part| {
        bytes.clear();
        part.iter().for_each(|x| x.put(&mut bytes));
        put(&bytes)
    })
}
