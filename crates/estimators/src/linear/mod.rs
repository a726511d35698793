//! Linear models: least squares, ridge, logistic regression. All want complete numbers; categories become one column
//! a value. Intercepts are never penalised.

mod design;
mod least_squares;
mod logistic;
mod model;
mod solve;

pub use least_squares::{LeastSquares, Ridge};
pub use logistic::Logistic;
pub use model::LinearModel;
