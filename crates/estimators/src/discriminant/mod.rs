//! Discriminant analysis: classes as normal distributions of one covariance.

mod linear;

pub use linear::LinearDiscriminant;
