//! From a file. Whatever a file says is checked here: bounds rise, categories are distinct, bins exist.

use super::bytes::Left;
use super::{BinsHead, FOREIGN, Head, MAGIC, MAGIC_NAME, Saved, Targets};
use crate::boosting::data::{BinMapper, Column, Dataset, Layout};
use crate::features::Features;
use lyceum_core::{Error, Result};
use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

impl Saved<'static> {
    /// Whether a file is a saved data set. A file that cannot be opened is none.
    ///
    /// # Errors
    /// A data set that LightGBM itself saved.
    pub fn is_one(path: impl AsRef<Path>) -> Result<bool> {
        let mut start = Vec::new();
        let read = std::fs::File::open(&path).and_then(|f| f.take(64).read_to_end(&mut start));
        if read.is_ok() && start.starts_with(FOREIGN) {
            let message = "is a data set as LightGBM's own program keeps it in memory";
            return Err(Error::unsupported(message)
                .in_file(path)
                .hint("give the text file it was made from"));
        }
        Ok(read.is_ok() && start.get(..MAGIC_NAME) == MAGIC.get(..MAGIC_NAME))
    }

    /// Reads a file that [`Saved::write`] wrote.
    ///
    /// # Errors
    /// A file of another kind or of a later version, one that was cut off or edited.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
        Self::parse(&bytes).map_err(|e| e.in_file(path))
    }

    /// As [`Saved::read`], from memory.
    ///
    /// # Errors
    /// As [`Saved::read`].
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut left = Left(bytes);
        let magic = left.bytes(MAGIC.len(), "the first line")?;
        if magic.get(..MAGIC_NAME) != MAGIC.get(..MAGIC_NAME) {
            return Err(Error::corrupt("is not a saved data set"));
        }
        if magic != MAGIC {
            let version = String::from_utf8_lossy(magic.get(MAGIC_NAME..).unwrap_or_default()).into_owned();
            let message = format!("is a saved data set of version {version}, this program reads 0001");
            return Err(Error::unsupported(message));
        }
        let len = left.number::<u64>("the description")?;
        let head = left.bytes(usize::try_from(len).unwrap_or(usize::MAX), "the description")?;
        let head: Head = serde_json::from_slice(head)
            .map_err(|e| Error::corrupt(format!("the description is not understood: {e}")))?;
        if u32::try_from(head.rows).is_err() {
            return Err(Error::corrupt(format!("says that it has {} rows", head.rows)));
        }
        let infos = head
            .columns
            .iter()
            .map(|c| {
                c.bins.as_ref().map(|b| mapper(b, &mut left).map_err(|e| e.at_key(&*c.name))).transpose()
            })
            .collect::<Result<Vec<_>>>()?;
        let rest = rest(&head, &mut left)?;
        let layout = Layout::of(infos);
        let columns = layout
            .features
            .iter()
            .map(|f| {
                let name = head.columns.get(f.index).map_or("", |c| &*c.name);
                column(head.rows, &f.mapper, &mut left).map_err(|e| e.at_key(name))
            })
            .collect::<Result<Vec<_>>>()?;
        if !left.0.is_empty() {
            return Err(Error::corrupt(format!("goes on for {} bytes after its end", left.0.len())));
        }
        let data = Dataset { layout: Arc::new(layout), columns, rows: head.rows };
        let mut features = Features::default();
        for column in head.columns {
            features.names.push(column.name);
            features.levels.push(column.levels.map(Arc::from));
        }
        Ok(Self { features, data, made: head.made, rest })
    }
}

fn mapper(head: &BinsHead, left: &mut Left<'_>) -> Result<BinMapper> {
    let mapper = match head {
        BinsHead::Number { bounds, missing } => {
            let bounds = left.numbers::<f64>(*bounds, "the bounds of bins")?;
            let range = (left.number("the range of a column")?, left.number("the range of a column")?);
            // Not the other way round: NaN rises above nothing.
            let rises = bounds.windows(2).all(|w| w.first() < w.last());
            if !rises || bounds.last() != Some(&f64::INFINITY) {
                return Err(Error::corrupt("the bounds of its bins do not rise to infinity"));
            }
            BinMapper::Number { bounds, missing: *missing, range }
        }
        BinsHead::Category { categories } => {
            let categories = left.numbers::<u32>(*categories, "the categories")?;
            let mut sorted = categories.clone();
            sorted.sort_unstable();
            if sorted.windows(2).any(|w| w.first() == w.last()) {
                return Err(Error::corrupt("a category has two bins"));
            }
            BinMapper::Category { categories }
        }
    };
    match mapper.bins() {
        2..=65_536 => Ok(mapper),
        n => Err(Error::corrupt(format!("has {n} bins, expected 2 to 65536"))),
    }
}

fn rest(head: &Head, left: &mut Left<'_>) -> Result<Targets<'static>> {
    let rows = head.rows;
    let y = left.numbers(rows, "the labels")?.into();
    let weight = head.weight.then(|| left.numbers(rows, "the weights")).transpose()?;
    let group = head.group.map(|n| left.numbers::<u64>(n, "the sizes of queries")).transpose()?;
    let init = head.init_score.map(|k| left.numbers(rows.saturating_mul(k), "the initial scores"));
    Ok(Targets {
        y,
        weight: weight.map(Cow::Owned),
        group: group.map(|g| g.into_iter().map(|n| usize::try_from(n).unwrap_or(usize::MAX)).collect()),
        init_score: init.transpose()?.map(Cow::Owned),
    })
}

fn column(rows: usize, mapper: &BinMapper, left: &mut Left<'_>) -> Result<Column> {
    let bins = mapper.bins();
    let (highest, column) = if mapper.is_narrow() {
        let own = left.bytes(rows, "the rows")?.to_vec();
        (own.iter().max().map(|b| usize::from(*b)), Column::bytes(own))
    } else {
        let own = left.numbers::<u16>(rows, "the rows")?;
        (own.iter().max().map(|b| usize::from(*b)), Column::words(own))
    };
    match highest.filter(|b| *b >= bins) {
        Some(bin) => Err(Error::corrupt(format!("a row has bin {bin}, the column {bins} bins"))),
        None => Ok(column),
    }
}
