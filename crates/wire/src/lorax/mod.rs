//! The LoRAX dialect: generation, streams, server facts and errors, as `lorax-client` writes and reads them.

mod answer;
mod info;
mod request;
mod tokenize;

pub use answer::{BestOf, Details, Generated, LoraxError, PrefillToken, StreamDetails, StreamEvent, Token};
pub use info::Info;
pub use request::{EmbedRequest, GenerateRequest, MergedAdapters, Parameters};
pub use tokenize::{TokenizeRequest, TokenizedPiece};
