//! Preprocessing: learned from the training rows only, then applied to any rows, saved as plain JSON.

mod binary;
mod category;
mod missing;
mod number;
mod text;

pub use binary::{BinaryRule, FittedBinary, boolean};
pub use category::{CategoryRule, FittedCategory};
pub use missing::Missing;
pub use number::{FittedNumber, Normalization, NumberRule, number};
pub use text::{FittedText, TextRule, Tokenizer, Tokens};

use crate::Raw;
use lyceum_core::{Error, Result};

/// Refuses a column of which no training row has a cell.
fn refuse_all_missing(raw: &Raw, column: &str, there: usize) -> Result<()> {
    if there > 0 {
        return Ok(());
    }
    let e =
        Error::invalid("every cell of the training rows is missing").at_key(format!("column \"{column}\""));
    Err(raw.place(e).hint("leave the column out of the features"))
}
