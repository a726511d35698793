//! What a project composes: graphs, chains and documents of `lyceum.yaml`, wired to its models.

mod names;
mod open;
mod parts;
mod section;
mod served;

pub(crate) use open::{Opened, Source};
pub(crate) use parts::ProjectParts;
pub(crate) use section::{ComposeItem, ComposeKind, check, embeddings, items};
pub(crate) use served::serve;
