//! Laws: what any implementation of a trait must keep, as functions that a test calls. Each returns the first law
//! that is broken, as an error that names it.

mod engine;
mod estimator;
mod runnable;

pub use engine::engine;
pub use estimator::{ESTIMATOR, EstimatorCase, EstimatorLaw, estimator};
pub use runnable::runnable;

use crate::{Error, Result};

fn law(kept: bool, name: &str, detail: impl FnOnce() -> String) -> Result<()> {
    if kept { Ok(()) } else { Err(Error::internal(format!("law broken: {name}: {}", detail()))) }
}
