//! Preprocessing of all features together: fitted on the training rows, saved with the model, applied to any table.

use crate::config::{Config, Input, InputKind, Output, OutputKind};
use lyceum_core::{Column, Error, Result, Table};
use lyceum_data::Raw;
use lyceum_data::prepare::{FittedBinary, FittedCategory, FittedNumber, FittedText, Missing, Tokens};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What was learned of one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FittedInput {
    /// A number.
    Number(FittedNumber),
    /// A truth value.
    Binary(FittedBinary),
    /// A category.
    Category(FittedCategory),
    /// Text.
    Text(FittedText),
}

/// What was learned of one output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum FittedOutput {
    /// A number.
    Number {
        /// Its preprocessing.
        #[serde(flatten)]
        fitted: FittedNumber,
        /// Least and greatest prediction.
        clip: Option<(f64, f64)>,
    },
    /// A truth value.
    Binary {
        /// Its preprocessing.
        #[serde(flatten)]
        fitted: FittedBinary,
        /// From here up a probability is called true.
        threshold: f64,
    },
    /// A category.
    Category {
        /// Its preprocessing.
        #[serde(flatten)]
        fitted: FittedCategory,
        /// How many of the likeliest classes count as a hit.
        top_k: usize,
    },
}

/// A feature's name and column with what was learned of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Named<T> {
    /// The feature.
    pub name: String,
    /// The table's column.
    pub column: String,
    /// What was learned.
    #[serde(flatten)]
    pub fitted: T,
}

/// The whole preprocessing of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// Inputs in the configuration's order.
    pub inputs: Vec<Named<FittedInput>>,
    /// Outputs in the configuration's order.
    pub outputs: Vec<Named<FittedOutput>>,
}

/// One input of many rows.
#[derive(Debug, Clone, PartialEq)]
pub enum EncodedInput {
    /// Numbers: missing ones NaN in `raw`, filled and scaled in `scaled`. Truth values likewise, as 0 and 1.
    Number {
        /// As they are.
        raw: Vec<f64>,
        /// Filled and scaled.
        scaled: Vec<f64>,
    },
    /// Codes; [`Column::MISSING`] is unknown.
    Category(Vec<u32>),
    /// Token ids.
    Text(Tokens),
}

/// The inputs of many rows, in the configuration's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// Number of rows.
    pub rows: usize,
    /// One entry an input.
    pub inputs: Vec<EncodedInput>,
}

/// The wanted outputs of many rows; absent where the cell is missing or a class that training had not.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// Numbers.
    Number(Vec<Option<f64>>),
    /// Truth values.
    Binary(Vec<Option<bool>>),
    /// Codes of classes.
    Category(Vec<Option<u32>>),
}

impl Prepared {
    /// Learns from the training rows of a table.
    ///
    /// # Errors
    /// A missing column, a cell of the wrong type, an input of which every cell is missing, an output of which all
    /// training rows say the same.
    pub fn fit(config: &Config, raw: &Raw, training: &[usize]) -> Result<Self> {
        let inputs = config.inputs.iter().map(|f| fit_input(f, raw, training)).collect::<Result<_>>()?;
        let outputs = config.outputs.iter().map(|f| fit_output(f, raw, training)).collect::<Result<_>>()?;
        Ok(Self { inputs, outputs })
    }

    /// Encodes the inputs of every row.
    pub fn encode(&self, raw: &Raw) -> Result<Encoded> {
        let inputs = self.inputs.iter().map(|f| encode(f, raw)).collect::<Result<_>>()?;
        Ok(Encoded { rows: raw.rows(), inputs })
    }

    /// The wanted outputs of every row, in the outputs' order.
    pub fn wanted(&self, raw: &Raw) -> Result<Vec<Wanted>> {
        self.outputs.iter().map(|f| wanted(f, raw)).collect()
    }

    /// Names of the input columns that a table lacks.
    pub fn missing_inputs(&self, raw: &Raw) -> Vec<String> {
        self.inputs.iter().filter(|f| raw.get(&f.column).is_none()).map(|f| f.column.clone()).collect()
    }
}

/// Rows that can be learned from: no missing output, and no missing input whose strategy is to drop the row.
pub fn usable_rows(config: &Config, raw: &Raw) -> Result<Vec<usize>> {
    let drops = |kind: &InputKind| match kind {
        InputKind::Number(rule, _) => rule.missing == Missing::DropRow,
        InputKind::Binary(rule, _) => rule.missing == Missing::DropRow,
        InputKind::Category(rule, _) => rule.missing == Missing::DropRow,
        InputKind::Text(rule, _) => rule.missing == Missing::DropRow,
    };
    let dropping = |kind: &OutputKind| match kind {
        OutputKind::Number(o) => o.rule.missing == Missing::DropRow,
        OutputKind::Binary(o) => o.rule.missing == Missing::DropRow,
        OutputKind::Category(o) => o.rule.missing == Missing::DropRow,
    };
    let mut columns = Vec::new();
    for input in config.inputs.iter().filter(|f| drops(&f.kind)) {
        columns.push(raw.column(&input.column)?);
    }
    for output in &config.outputs {
        let column = raw.column(&output.column)?;
        if dropping(&output.kind) {
            columns.push(column);
        }
    }
    Ok((0..raw.rows()).filter(|row| columns.iter().all(|c| c.get(*row).is_some())).collect())
}

fn fit_input(f: &Input, raw: &Raw, rows: &[usize]) -> Result<Named<FittedInput>> {
    let c = &f.column;
    let fitted = match &f.kind {
        InputKind::Number(rule, _) => FittedInput::Number(FittedNumber::fit(rule.clone(), raw, c, rows)?),
        InputKind::Binary(rule, _) => FittedInput::Binary(FittedBinary::fit(rule.clone(), raw, c, rows)?),
        InputKind::Category(rule, _) => {
            FittedInput::Category(FittedCategory::fit(rule.clone(), raw, c, rows)?)
        }
        InputKind::Text(rule, _) => FittedInput::Text(FittedText::fit(rule.clone(), raw, c, rows)?),
    };
    Ok(Named { name: f.name.clone(), column: c.clone(), fitted })
}

fn fit_output(f: &Output, raw: &Raw, rows: &[usize]) -> Result<Named<FittedOutput>> {
    let c = &f.column;
    let one_class = |label: &str| {
        let e =
            Error::invalid(format!("every training row says \"{label}\": there is nothing to tell apart"));
        Err(raw.place(e.at_key(format!("column \"{c}\""))))
    };
    let fitted = match &f.kind {
        OutputKind::Number(o) => {
            FittedOutput::Number { fitted: FittedNumber::fit(o.rule.clone(), raw, c, rows)?, clip: o.clip }
        }
        OutputKind::Binary(o) => {
            let fitted = FittedBinary::fit(o.rule.clone(), raw, c, rows)?;
            match fitted.counts {
                [0, _] => return one_class(&fitted.true_label),
                [_, 0] => return one_class(&fitted.false_label),
                _ => FittedOutput::Binary { fitted, threshold: o.threshold },
            }
        }
        OutputKind::Category(o) => {
            let fitted = FittedCategory::fit(o.rule.clone(), raw, c, rows)?;
            if let [only] = fitted.levels.as_slice() {
                return one_class(only);
            }
            FittedOutput::Category { fitted, top_k: o.top_k }
        }
    };
    Ok(Named { name: f.name.clone(), column: c.clone(), fitted })
}

fn encode(f: &Named<FittedInput>, raw: &Raw) -> Result<EncodedInput> {
    let c = &f.column;
    Ok(match &f.fitted {
        FittedInput::Number(n) => EncodedInput::Number { raw: n.raw(raw, c)?, scaled: n.encode(raw, c)? },
        FittedInput::Binary(b) => {
            let number = |b: bool| f64::from(u8::from(b));
            let cells = b.cells(raw, c)?.into_iter().map(|b| b.map_or(f64::NAN, number)).collect();
            EncodedInput::Number { raw: cells, scaled: b.encode(raw, c)?.into_iter().map(number).collect() }
        }
        FittedInput::Category(k) => EncodedInput::Category(k.encode(raw, c)?),
        FittedInput::Text(t) => EncodedInput::Text(t.encode(raw, c)?),
    })
}

fn wanted(f: &Named<FittedOutput>, raw: &Raw) -> Result<Wanted> {
    let c = &f.column;
    Ok(match &f.fitted {
        FittedOutput::Number { fitted, .. } => {
            Wanted::Number(fitted.raw(raw, c)?.into_iter().map(|x| Some(x).filter(|x| !x.is_nan())).collect())
        }
        FittedOutput::Binary { fitted, .. } => Wanted::Binary(fitted.cells(raw, c)?),
        FittedOutput::Category { fitted, .. } => {
            let codes = fitted.encode(raw, c)?;
            Wanted::Category(codes.into_iter().map(|c| Some(c).filter(|c| *c != Column::MISSING)).collect())
        }
    })
}

/// Which numbers a table of features holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// As they are, missing ones NaN: for trees.
    Raw,
    /// Filled and scaled: for linear models.
    Scaled,
}

impl Prepared {
    /// The input (its place) that each column of [`Prepared::table`] belongs to.
    pub fn owners(&self, words: usize) -> Vec<usize> {
        let columns = |f: &FittedInput| match f {
            FittedInput::Text(t) => t.vocab.len().saturating_sub(2).min(words),
            _ => 1,
        };
        let inputs = self.inputs.iter().enumerate();
        inputs.flat_map(|(i, f)| std::iter::repeat_n(i, columns(&f.fitted))).collect()
    }

    /// Some rows as a table of numbers and categories; text becomes counts of its commonest tokens, at most `words` of
    /// them, in columns called `feature=token`.
    pub fn table(&self, encoded: &Encoded, rows: &[usize], scale: Scale, words: usize) -> Result<Table> {
        let mut table = Table::default();
        for (feature, input) in self.inputs.iter().zip(&encoded.inputs) {
            match (input, &feature.fitted) {
                (EncodedInput::Number { raw, scaled }, _) => {
                    let from = if scale == Scale::Raw { raw } else { scaled };
                    let cells = rows.iter().map(|r| from.get(*r).copied().unwrap_or(f64::NAN)).collect();
                    table.push(feature.name.as_str(), Column::Number(cells))?;
                }
                (EncodedInput::Category(codes), FittedInput::Category(fitted)) => {
                    let codes =
                        rows.iter().map(|r| codes.get(*r).copied().unwrap_or(Column::MISSING)).collect();
                    let levels = fitted.levels.clone().into();
                    table.push(feature.name.as_str(), Column::Category { codes, levels })?;
                }
                (EncodedInput::Text(tokens), FittedInput::Text(fitted)) => {
                    for (word, column) in counts(tokens, rows, &fitted.vocab, words) {
                        table.push(format!("{}={word}", feature.name), Column::Number(column))?;
                    }
                }
                _ => {
                    return Err(Error::internal(format!(
                        "feature {} is encoded as another type",
                        feature.name
                    )));
                }
            }
        }
        Ok(table)
    }
}

fn counts(tokens: &Tokens, rows: &[usize], vocab: &[Arc<str>], words: usize) -> Vec<(Arc<str>, Vec<f64>)> {
    let named = vocab.iter().skip(2).take(words);
    let mut columns: Vec<(Arc<str>, Vec<f64>)> = named.map(|w| (w.clone(), vec![0.0; rows.len()])).collect();
    for (i, row) in rows.iter().enumerate() {
        for id in tokens.row(*row) {
            let column = (*id as usize).checked_sub(2).and_then(|c| columns.get_mut(c));
            if let Some(n) = column.and_then(|(_, c)| c.get_mut(i)) {
                *n += 1.0;
            }
        }
    }
    columns
}
