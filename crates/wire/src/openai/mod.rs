//! The OpenAI dialect: chat, completions, embeddings, models and errors, as the official clients write and read them.

mod chat;
mod chat_answer;
mod completions;
mod embeddings;
mod error;
mod models;
mod sampling;
mod usage;

pub use chat::{ChatMessage, ChatRequest, ContentPart, ImageUrl, MessageContent};
pub use chat_answer::{
    AnswerMessage, ChatAnswer, ChatChoice, ChatChunk, ChatLogProbs, ChunkChoice, Delta, TokenLogProb,
    TopLogProb,
};
pub use completions::{Completion, CompletionChoice, CompletionLogProbs, CompletionRequest, PromptInput};
pub use embeddings::{Embedding, EmbeddingData, EmbeddingList, EmbeddingRequest, EmbeddingUsage};
pub use error::{ErrorBody, ErrorDetail};
pub use models::{ModelCard, ModelList};
pub use sampling::{AnswerKeys, SamplingKeys, Stop, StreamOptions};
pub use usage::{CompletionDetails, PromptDetails, Usage};
