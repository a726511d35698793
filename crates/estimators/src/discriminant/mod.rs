//! Discriminant analysis: classes as normal distributions, of one covariance (linear) or of one each (quadratic).

mod covariance;
mod groups;
mod linear;
mod one_row;
mod priors;
mod quadratic;
mod quadratic_model;

pub use covariance::Shrinkage;
pub use linear::{LinearDiscriminant, Solver};
pub use quadratic::QuadraticDiscriminant;
pub use quadratic_model::QuadraticModel;
