//! Numbers that say how good predictions are. Pure functions over slices of one length; nothing here reads a file.
//!
//! Where a value is not defined (an AUC of one class, an R² of a constant), the answer is NaN, never a made-up number.

mod binary;
mod calibration;
mod curves;
mod multiclass;
mod regression;

pub use binary::{BinaryCounts, brier, log_loss};
pub use calibration::{Bin, calibration_bins, expected_calibration_error};
pub use curves::{Curve, average_precision, precision_recall_curve, roc_auc, roc_curve};
pub use multiclass::{Confusion, multi_log_loss, roc_auc_one_vs_rest, top_k_accuracy};
pub use regression::{
    explained_variance, max_error, mean_absolute_error, mean_absolute_percentage_error, mean_squared_error,
    median_absolute_error, r2, root_mean_squared_error,
};

fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { f64::NAN } else { a / b }
}

/// The mean of `f` over two slices; NaN when there is nothing.
fn mean_of(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    ratio(a.iter().zip(b).map(|(x, y)| f(*x, *y)).sum(), a.len().min(b.len()) as f64)
}
