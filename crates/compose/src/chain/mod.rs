//! Runnables made of runnables: what LangChain's expression language calls sequences, parallels, assignments, branches,
//! retries and fallbacks; and prompts, expressions and parsers to put between models. Each streams where its parts do.

mod assign;
mod branch;
mod each;
mod expression;
mod fallbacks;
mod function;
mod parallel;
mod parse;
mod partial_json;
mod pipe;
mod prompt;
mod retry;
mod template;

pub use assign::{Assign, Pick};
pub use branch::Branch;
pub(crate) use branch::is_true;
pub use each::Each;
pub use expression::Expression;
pub use fallbacks::Fallbacks;
pub use function::Lambda;
pub use parallel::Parallel;
pub use parse::{JsonParser, TextParser};
pub use pipe::{Pipe, pipe};
pub use prompt::{ChatPrompt, PromptPart, TextPrompt};
pub use retry::Retry;
pub use template::{Syntax, Template};

use lyceum_core::{Value, ValueStream};

/// A stream of one value.
pub(crate) fn once<'a>(value: Value) -> ValueStream<'a> {
    use futures_util::stream::{self, StreamExt};
    stream::iter([Ok(value)]).boxed()
}
