//! A run as one page: HTML with its style and its SVG pictures inside, light and dark as the reader's system is.

mod axes;
mod bars;
mod charts;
mod dependence;
mod explained;
mod page;
mod residuals;
mod search;
mod style;
mod swarm;
mod thresholds;
mod tree;

pub(crate) use axes::short;
pub(crate) use page::page;
pub(crate) use search::page as search_page;
