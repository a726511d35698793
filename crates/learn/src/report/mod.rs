//! A run as one page: HTML with its style and its SVG pictures inside, light and dark as the reader's system is.

mod axes;
mod charts;
mod page;
mod search;

pub(crate) use page::page;
pub(crate) use search::page as search_page;
