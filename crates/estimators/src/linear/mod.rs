//! Linear models: least squares, ridge, lasso, elastic net, logistic regression, Poisson, gamma and Tweedie regression,
//! regression with Huber's loss and of quantiles. All want complete numbers; categories become one column a value. Intercepts are never penalised.

mod centred;
mod choice;
mod cross_validated;
mod descent;
mod design;
mod distributions;
mod elastic_net;
mod glm;
mod huber;
mod lars;
mod least_squares;
mod logistic;
mod model;
mod newton;
mod numerics;
mod one_row;
mod path;
mod pinball;
mod quantile;
mod ridge_cv;
mod solve;
mod standard;
mod summary;

pub use choice::Rule;
pub use cross_validated::{ElasticNetCv, LassoCv};
pub use elastic_net::{ElasticNet, Lasso};
pub use glm::Glm;
pub use huber::Huber;
pub use lars::{Lars, LarsPath, LassoLars, lars_path};
pub use least_squares::{LeastSquares, Ridge};
pub use logistic::{ClassWeight, Logistic, Penalty};
pub use model::LinearModel;
pub use path::{Path, enet_path, lasso_path};
pub use quantile::Quantile;
pub use ridge_cv::RidgeCv;
pub use summary::{Coefficient, Summary};

pub(crate) use centred::weights;
pub(crate) use design::Design;
pub(crate) use distributions::normal_quantile;
pub(crate) use elastic_net::params;
pub(crate) use logistic::classes;
pub(crate) use model::Link;
pub(crate) use numerics::{gram, right_singular};
pub(crate) use solve::{cholesky_solve, explained};
