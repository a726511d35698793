//! The rock on which every floor stands: what flows through the house ([`Value`], [`Message`], [`Table`]),
//! what may go wrong ([`Error`]), and the traits that the floors above implement.
//!
//! Nothing here does input or output (whole files aside: [`write_atomic`]), knows a protocol, or names an algorithm. A
//! type comes in when two floors need it, never before.

mod atomic;
mod chat_model;
mod checkpoint;
mod context;
mod engine;
mod error;
mod estimator;
pub mod laws;
mod message;
mod progress;
mod run_id;
mod runnable;
mod schema;
mod span;
mod table;
mod threads;
mod traced;
mod tracer;
mod value;

pub use atomic::{sync_folder, write_atomic, write_atomic_with};
pub use chat_model::ChatModel;
pub use checkpoint::{Checkpoint, CheckpointSource, Checkpointer, TaskWrites, ThreadKey};
pub use context::{Budget, Context};
pub use engine::{
    AdapterInfo, AdapterMerge, AdapterSource, AdapterState, Adapters, Engine, EngineStats, FetchAdapter,
    Finish, GenerateEvent, GenerateRequest, LogProb, MajoritySign, MergeStrategy, ModelInfo, Prompt,
    RenderOptions, Sampling, TextCodec, TokenEvent, TokenStream, Usage,
};
pub use error::{At, Error, ErrorKind, Result, nearest};
pub use estimator::{
    Contributions, Estimator, FitContext, Model, Params, Prediction, RowPredictor, Target, TrainingSet,
};
pub use message::{Content, Message, Part, Role, ToolCall};
pub use progress::{NoProgress, Progress};
pub use run_id::RunId;
pub use runnable::{Runnable, ValueStream, gather, stream_owned};
pub use schema::{Schema, Signature};
pub use span::Span;
pub use table::{Column, Table};
pub use threads::{Hold, ThreadFilter, ThreadInfo, ThreadStatus, Threads, find_thread};
pub use traced::{Traced, generate};
pub use tracer::{NoTracer, Run, RunKind, RunOutcome, RunStatus, Tracer, facts};
pub use value::{Map, Value};
