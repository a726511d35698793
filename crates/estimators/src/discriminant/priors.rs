//! Chances of the classes before anything is seen of a row.

use super::groups::Groups;
use lyceum_core::{Error, Result};

/// The chances that are given, divided by their sum; where none are, the classes' shares of the rows.
///
/// # Errors
/// Not one a class, or one that is not a finite number above 0.
pub(super) fn priors(given: &[f64], groups: &Groups) -> Result<Vec<f64>> {
    if given.is_empty() {
        return Ok(groups.totals.iter().map(|t| t / groups.total()).collect());
    }
    if given.len() != groups.len() {
        let message = format!("expected {} numbers, one a class, got {}", groups.len(), given.len());
        return Err(Error::invalid(message).at_key("priors"));
    }
    if given.iter().any(|p| !(*p > 0.0 && p.is_finite())) {
        return Err(Error::invalid("expected numbers above 0").at_key("priors"));
    }
    let sum: f64 = given.iter().sum();
    Ok(given.iter().map(|p| p / sum).collect())
}
