//! A data file with what lies beside it: labels, weights, queries, initial scores; which columns are which.

use super::settings::Settings;
use lyceum_core::{Error, Result};
use lyceum_data::numbers::{Cells, NumbersFile, groups_of, read_counts, read_numbers, read_scores};
use lyceum_estimators::Features;
use lyceum_estimators::boosting::{Csr, Examples, Matrix};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Rows of a file, label and side columns taken out.
pub(super) struct Loaded {
    /// Names of the feature columns.
    pub(super) names: Vec<String>,
    /// Columns that are categories.
    pub(super) categories: Vec<usize>,
    cells: Cells,
    y: Vec<f64>,
    weight: Option<Vec<f64>>,
    group: Option<Vec<usize>>,
    init: Option<Vec<f64>>,
}

/// Columns of a file that are no features; counted without the label, as LightGBM does.
pub(super) struct Roles {
    label: Option<usize>,
    pub(super) weight: Option<usize>,
    pub(super) group: Option<usize>,
    ignore: Vec<usize>,
    pub(super) categories: Vec<usize>,
}

/// What lies beside the rows.
pub(super) struct Side {
    pub(super) weight: Option<Vec<f64>>,
    pub(super) group: Option<Vec<usize>>,
    pub(super) init: Option<Vec<f64>>,
}

impl Side {
    /// Weights and ids of queries of the rows themselves, else of the files beside them; initial scores.
    pub(super) fn read(path: &Path, weight: Option<Vec<f64>>, ids: Option<Vec<f64>>) -> Result<Self> {
        let side = |extension: &str| {
            let mut name = path.as_os_str().to_os_string();
            name.push(extension);
            Some(PathBuf::from(name)).filter(|p| p.is_file())
        };
        let weight = match (weight, side(".weight")) {
            (Some(own), _) => Some(own),
            (None, Some(file)) => Some(read_scores(file)?.0),
            _ => None,
        };
        let group = match (ids, side(".query").or_else(|| side(".group"))) {
            (Some(ids), _) => Some(groups_of(&ids)),
            (None, Some(file)) => Some(read_counts(file)?),
            _ => None,
        };
        let init = match side(".init") {
            None => None,
            Some(file) => {
                let (scores, k) = read_scores(&file)?;
                // Row after row in the file, class after class here.
                Some((0..k).flat_map(|c| scores.iter().skip(c).step_by(k).copied()).collect())
            }
        };
        Ok(Self { weight, group, init })
    }
}

/// Names of the columns and levels of those that `highest` has a number for: the highest category.
pub(super) fn features(names: &[String], highest: impl Fn(usize) -> Option<f64>) -> Features {
    let level = |max: f64| (0..=(max as usize).min(1 << 16)).map(|v| v.to_string().into()).collect();
    let levels = (0..names.len()).map(|c| highest(c).map(level));
    Features { names: names.iter().map(|n| n.as_str().into()).collect(), levels: levels.collect() }
}

/// The labels, and the cells without them.
pub(super) fn split_label(cells: Cells, label: usize) -> Result<(Vec<f64>, Cells)> {
    match cells {
        Cells::Dense { values, width } => {
            if label >= width || width < 2 {
                return Err(Error::invalid(format!("has no column {label}")).at_key("label_column"));
            }
            let (y, values) = take_column(&values, width, label);
            Ok((y, Cells::Dense { values, width: width - 1 }))
        }
        Cells::Sparse { labels: Some(y), indptr, indices, values, width } => {
            Ok((y, Cells::Sparse { labels: None, indptr, indices, values, width }))
        }
        Cells::Sparse { labels: None, .. } => Err(Error::invalid("the rows have no labels")),
    }
}

impl Loaded {
    /// Reads a file that has labels. `width` is that of the training file where this is another set.
    pub(super) fn read(path: &Path, settings: &Settings, width: Option<usize>) -> Result<Self> {
        let file = read_numbers(path, settings.flag("header")?)?;
        Self::of(file, path, settings, width).map_err(|e| e.in_file(path))
    }

    fn of(file: NumbersFile, path: &Path, settings: &Settings, width: Option<usize>) -> Result<Self> {
        let roles = Roles::read(settings, file.names.as_deref())?;
        let rows = file.rows();
        let (y, mut cells) = split_label(file.cells, roles.label_at())?;
        let width = roles.width(cells.width(), matches!(cells, Cells::Sparse { .. }), width)?;
        cells.widen(width);
        let names = roles.names(file.names, width);
        roles.check(width)?;
        let column = |c: usize| (0..rows).map(|r| cells.get(r, c)).collect::<Vec<f64>>();
        let side = Side::read(path, roles.weight.map(column), roles.group.map(column))?;
        roles.unused().for_each(|c| cells.clear(c));
        let Side { weight, group, init } = side;
        Ok(Self { names, categories: roles.categories, cells, y, weight, group, init })
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.y.len()
    }

    /// Features as numbers; categories keep the whole numbers of the file as their codes.
    pub(super) fn features(&self) -> Features {
        let highest = |c: usize| {
            let own = (0..self.rows()).map(|r| self.cells.get(r, c)).filter(|x| *x >= 0.0);
            self.categories.contains(&c).then(|| own.fold(0.0, f64::max))
        };
        features(&self.names, highest)
    }

    /// The rows for training.
    pub(super) fn examples(&self) -> Result<Examples<'_>> {
        Ok(Examples {
            x: self.cells.matrix()?.into(),
            y: Cow::Borrowed(&self.y),
            weight: self.weight.as_deref().map(Cow::Borrowed),
            group: self.group.as_deref().map(Cow::Borrowed),
            init_score: self.init.as_deref().map(Cow::Borrowed),
        })
    }
}

impl Roles {
    pub(super) fn label_at(&self) -> usize {
        self.label.unwrap_or(0)
    }

    /// Columns that no tree may split on.
    pub(super) fn unused(&self) -> impl Iterator<Item = usize> {
        self.weight.into_iter().chain(self.group).chain(self.ignore.iter().copied())
    }

    /// Feature columns of a set, which has `own`, beside training data of `width`.
    pub(super) fn width(&self, own: usize, sparse: bool, width: Option<usize>) -> Result<usize> {
        match width {
            // Sparse rows may end before the last column.
            Some(w) if sparse && w > own => Ok(w),
            Some(w) if w != own => {
                Err(Error::invalid(format!("has {own} feature columns, the training data {w}")))
            }
            _ => Ok(own),
        }
    }

    /// Names of the features.
    pub(super) fn names(&self, header: Option<Vec<String>>, width: usize) -> Vec<String> {
        match header {
            Some(mut names) if names.len() == width + 1 && self.label_at() < names.len() => {
                names.remove(self.label_at());
                names
            }
            _ => (0..width).map(|i| format!("Column_{i}")).collect(),
        }
    }

    pub(super) fn read(settings: &Settings, header: Option<&[String]>) -> Result<Self> {
        let label = column(settings, "label_column", header, None)?.first().copied();
        let at = label.unwrap_or(0);
        let one = |name| Ok::<_, Error>(column(settings, name, header, Some(at))?.first().copied());
        Ok(Self {
            label,
            weight: one("weight_column")?,
            group: one("group_column")?,
            ignore: column(settings, "ignore_column", header, Some(at))?,
            categories: column(settings, "categorical_feature", header, Some(at))?,
        })
    }

    pub(super) fn check(&self, width: usize) -> Result<()> {
        let named = [("weight_column", self.weight), ("group_column", self.group)];
        let mut all = named.into_iter().filter_map(|(k, c)| Some((k, c?))).collect::<Vec<_>>();
        all.extend(self.ignore.iter().map(|c| ("ignore_column", *c)));
        all.extend(self.categories.iter().map(|c| ("categorical_feature", *c)));
        match all.into_iter().find(|(_, c)| *c >= width) {
            Some((key, c)) => {
                let message = format!("names column {c}; the last one is {}", width.saturating_sub(1));
                Err(Error::invalid(message).at_key(key))
            }
            None => Ok(()),
        }
    }
}

/// Columns named by index or `name:a,b`; numbers do not count the label column, names are looked up in the header.
fn column(
    settings: &Settings,
    name: &'static str,
    header: Option<&[String]>,
    label: Option<usize>,
) -> Result<Vec<usize>> {
    let Some(text) = settings.get(name) else { return Ok(Vec::new()) };
    let by_name = text.strip_prefix("name:");
    let one = |word: &str| match (by_name, header) {
        (None, _) => word.parse::<usize>().map_err(|_| {
            Error::invalid(format!("expected a column's number or name:…, got `{word}`")).at_key(name)
        }),
        (Some(_), None) => {
            let e = Error::invalid("columns have names only where the file has a header");
            Err(e.at_key(name).hint("set header=true"))
        }
        (Some(_), Some(header)) => {
            let found = header.iter().position(|h| h == word);
            let missing = || {
                let e = Error::invalid(format!("the file has no column `{word}`")).at_key(name);
                e.did_you_mean(word, header.iter().map(String::as_str))
            };
            // The label stands before or after; features are counted without it.
            found.map(|at| at - usize::from(label.is_some_and(|l| at > l))).ok_or_else(missing)
        }
    };
    by_name.unwrap_or(text).split(',').map(|w| one(w.trim())).collect()
}

/// One column, and the rest.
pub(super) fn take_column(values: &[f64], width: usize, column: usize) -> (Vec<f64>, Vec<f64>) {
    let rows = values.len() / width.max(1);
    let (mut own, mut rest) = (Vec::with_capacity(rows), Vec::with_capacity(values.len() - rows));
    for row in values.chunks_exact(width) {
        let (before, after) = row.split_at(column);
        rest.extend_from_slice(before);
        if let Some((x, after)) = after.split_first() {
            own.push(*x);
            rest.extend_from_slice(after);
        }
    }
    (own, rest)
}

/// What is asked of the cells of a file here.
pub(super) trait CellsExt {
    fn get(&self, row: usize, column: usize) -> f64;
    /// Makes room for more columns, which are 0.
    fn widen(&mut self, to: usize);
    /// Sets a column to 0, so that no tree splits on it.
    fn clear(&mut self, column: usize);
    fn matrix(&self) -> Result<Matrix<'_>>;
}

impl CellsExt for Cells {
    fn get(&self, row: usize, column: usize) -> f64 {
        match self {
            Self::Dense { values, width } => values.get(row * width + column).copied().unwrap_or(f64::NAN),
            Self::Sparse { indptr, indices, values, .. } => {
                let range = indptr.get(row).zip(indptr.get(row + 1)).map_or(0..0, |(a, b)| *a..*b);
                let from = range.start;
                let at = indices.get(range).and_then(|i| i.binary_search(&(column as u32)).ok());
                at.and_then(|i| values.get(from + i)).copied().unwrap_or(0.0)
            }
        }
    }

    fn widen(&mut self, to: usize) {
        if let Self::Sparse { width, .. } = self {
            *width = to;
        }
    }

    fn clear(&mut self, column: usize) {
        match self {
            Self::Dense { values, width } => {
                values.chunks_exact_mut(*width).filter_map(|r| r.get_mut(column)).for_each(|x| *x = 0.0);
            }
            Self::Sparse { indices, values, .. } => {
                let own = indices.iter().zip(values).filter(|(c, _)| **c as usize == column);
                own.for_each(|(_, x)| *x = 0.0);
            }
        }
    }

    fn matrix(&self) -> Result<Matrix<'_>> {
        Ok(match self {
            Self::Dense { values, width } => Matrix::Rows64 { values, width: *width },
            Self::Sparse { indptr, indices, values, width, .. } => {
                Matrix::Sparse(Csr::new(indptr.as_slice(), indices.as_slice(), values.as_slice(), *width)?)
            }
        })
    }
}
