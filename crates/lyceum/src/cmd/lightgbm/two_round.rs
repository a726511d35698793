//! `two_round=true`: a file that need not fit into memory. Its rows are counted; a second reading takes the rows that
//! bins are learnt from, a third turns all rows into bins. What comes out equals a reading at once, bit for bit.

use super::data::{CellsExt, Roles, Side, split_label};
use super::settings::Settings;
use lyceum_core::{Error, FitContext, Result};
use lyceum_data::numbers::{Cells, Format, NumberStream};
use lyceum_estimators::Features;
use lyceum_estimators::boosting::data::Dataset;
use lyceum_estimators::boosting::{BoostingParams, Csr, DatasetBuilder, Matrix, Saved, Targets};
use lyceum_tensor::Pool;
use std::borrow::Cow;
use std::path::Path;

/// Reads a file that has labels straight into bins, with `like`'s where this is another set.
pub(super) fn read(
    path: &Path,
    settings: &Settings,
    params: &BoostingParams,
    like: Option<&Saved<'_>>,
    fit: &FitContext,
) -> Result<Saved<'static>> {
    let stream = NumberStream::open(path, settings.flag("header")?)?;
    let reading = Reading::new(&stream, settings, like);
    reading.and_then(|r| r.run(path, params, like, fit)).map_err(|e| e.in_file(path))
}

/// A file with what is known of its columns.
struct Reading<'a> {
    stream: &'a NumberStream,
    roles: Roles,
    /// Feature columns of the file, and of the data set.
    width: usize,
    names: Vec<String>,
    pool: Pool,
}

impl<'a> Reading<'a> {
    fn new(stream: &'a NumberStream, settings: &Settings, like: Option<&Saved<'_>>) -> Result<Self> {
        let roles = Roles::read(settings, stream.names.as_deref())?;
        let sparse = stream.format == Format::LibSvm;
        let own = if sparse { stream.width } else { stream.width.saturating_sub(1) };
        let width = roles.width(own, sparse, like.map(|l| l.features.len()))?;
        let names = roles.names(stream.names.clone(), width);
        roles.check(width)?;
        Ok(Self { stream, roles, width, names, pool: Pool::new(1) })
    }

    fn run(
        mut self,
        path: &Path,
        params: &BoostingParams,
        like: Option<&Saved<'_>>,
        fit: &FitContext,
    ) -> Result<Saved<'static>> {
        self.pool = Pool::new(fit.threads);
        let mut builder = match like {
            Some(saved) => DatasetBuilder::like(saved.data(), self.stream.rows)?,
            None => self.learn(params, fit)?,
        };
        let mut beside = Beside::default();
        let mut highest = vec![0.0f64; self.roles.categories.len()];
        self.stream.each(None, |cells| {
            fit.cx.check()?;
            let (y, mut cells) = split_label(cells, self.roles.label_at())?;
            cells.widen(self.width);
            beside.y.extend(y);
            let rows = cells.rows();
            let column = |c: usize| (0..rows).map(|r| cells.get(r, c)).collect::<Vec<f64>>();
            if let Some(c) = self.roles.weight {
                beside.weight.extend(column(c));
            }
            if let Some(c) = self.roles.group {
                beside.group.extend(column(c));
            }
            self.roles.unused().for_each(|c| cells.clear(c));
            for (category, highest) in self.roles.categories.iter().zip(&mut highest) {
                let own = (0..rows).map(|r| cells.get(r, *category)).filter(|x| *x >= 0.0);
                *highest = own.fold(*highest, f64::max);
            }
            builder.push(&cells.matrix()?, &self.pool)
        })?;
        let data = builder.finish()?;
        self.finish(path, params, like, data, beside, &highest)
    }

    /// Learns the bins from the rows that a reading at once would look at.
    fn learn(&self, params: &BoostingParams, fit: &FitContext) -> Result<DatasetBuilder> {
        let rows = self.stream.rows;
        let only = DatasetBuilder::sample(rows, &params.bins);
        let mut sample = Sample::new(self.width);
        self.stream.each(only.as_deref(), |cells| {
            fit.cx.check()?;
            let (_, mut cells) = split_label(cells, self.roles.label_at())?;
            cells.widen(self.width);
            self.roles.unused().for_each(|c| cells.clear(c));
            sample.push(&cells);
            Ok(())
        })?;
        // What a category is called matters to the names of its levels only, which come later.
        let category = |c: usize| self.roles.categories.contains(&c).then(|| Vec::new().into());
        let features = Features {
            names: self.names.iter().map(|n| n.as_str().into()).collect(),
            levels: (0..self.width).map(category).collect(),
        };
        let min = params.tree.min_data_in_leaf;
        DatasetBuilder::fit(&sample.matrix()?, rows, &features, &params.bins, min, &self.pool)
    }

    fn finish(
        self,
        path: &Path,
        params: &BoostingParams,
        like: Option<&Saved<'_>>,
        data: Dataset,
        beside: Beside,
        highest: &[f64],
    ) -> Result<Saved<'static>> {
        let side = Side::read(
            path,
            self.roles.weight.map(|_| beside.weight),
            self.roles.group.map(|_| beside.group),
        )?;
        let targets = Targets {
            y: Cow::Owned(beside.y),
            weight: side.weight.map(Cow::Owned),
            group: side.group.map(Cow::Owned),
            init_score: side.init.map(Cow::Owned),
        };
        match like {
            Some(saved) => saved.with(data, targets),
            None => {
                let categories = &self.roles.categories;
                let highest =
                    |c| categories.iter().position(|k| *k == c).and_then(|at| highest.get(at).copied());
                let features = super::data::features(&self.names, highest);
                Saved::of(features, data, targets, params)
            }
        }
    }
}

/// What the file's rows have beside their features.
#[derive(Default)]
struct Beside {
    y: Vec<f64>,
    weight: Vec<f64>,
    group: Vec<f64>,
}

/// Rows that bins are learnt from, dense or sparse as the file is.
struct Sample {
    width: usize,
    values: Vec<f64>,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    sparse: bool,
}

impl Sample {
    fn new(width: usize) -> Self {
        Self { width, values: Vec::new(), indptr: vec![0], indices: Vec::new(), sparse: false }
    }

    fn push(&mut self, cells: &Cells) {
        match cells {
            Cells::Dense { values, .. } => self.values.extend_from_slice(values),
            Cells::Sparse { indptr, indices, values, .. } => {
                self.sparse = true;
                let at = self.indices.len();
                self.indptr.extend(indptr.iter().skip(1).map(|end| at + end));
                self.indices.extend_from_slice(indices);
                self.values.extend_from_slice(values);
            }
        }
    }

    fn matrix(&self) -> Result<Matrix<'_>> {
        if self.values.is_empty() && !self.sparse {
            return Err(Error::invalid("the file has no rows"));
        }
        Ok(match self.sparse {
            false => Matrix::Rows64 { values: &self.values, width: self.width },
            true => Matrix::Sparse(Csr::new(
                self.indptr.as_slice(),
                self.indices.as_slice(),
                self.values.as_slice(),
                self.width,
            )?),
        })
    }
}
