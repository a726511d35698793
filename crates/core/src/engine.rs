//! The seam between the server and whatever runs language models.

use crate::{Error, ErrorKind, Message, Result};
use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;

/// What a served model is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name under which it is served.
    pub name: String,
    /// Architecture, as GGUF and Hugging Face name it: `llama`, `bert`.
    pub architecture: String,
    /// Number of parameters.
    pub parameters: u64,
    /// Bytes of the weights in memory.
    pub weight_bytes: u64,
    /// Weight format: `Q4_1`, `BF16`, …
    pub format: String,
    /// Longest sequence, prompt and output together, in tokens.
    pub context_length: usize,
    /// Size of the vocabulary.
    pub vocab_size: usize,
    /// Width of a hidden state (and of an embedding).
    pub hidden_size: usize,
    /// Whether it generates text.
    pub generates: bool,
    /// Whether it embeds text.
    pub embeds: bool,
    /// Hash of weights and adapter format, for cache keys.
    pub fingerprint: String,
}

/// How a chat template is to be rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderOptions {
    /// End with the header of the assistant's turn.
    pub add_generation_prompt: bool,
    /// Tools offered to the model, as JSON Schema objects.
    pub tools: Vec<serde_json::Value>,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, tools: Vec::new() }
    }
}

/// Text to tokens and back; the chat template belongs here too.
pub trait TextCodec: Send + Sync {
    /// Token ids of a text. `special`: names of control tokens in the text become those tokens, and the ids that
    /// the model wants at the start (BOS) are added.
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>>;

    /// Bytes of one token; control tokens give their name only when `special`. A token may end within a character.
    fn token_bytes(&self, id: u32, special: bool) -> Result<Vec<u8>>;

    /// A conversation as the text that the model was trained on.
    fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String>;

    /// Token ids that end a turn.
    fn end_ids(&self) -> &[u32];

    /// Text of ids; bytes that are not UTF-8 become U+FFFD, control tokens are left out.
    fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut bytes = Vec::new();
        for id in ids {
            bytes.extend(self.token_bytes(*id, false)?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What the model reads first.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// Text, tokenised as it is.
    Text(String),
    /// Token ids, as they are.
    Tokens(Vec<u32>),
    /// A conversation, rendered by the chat template.
    Chat(Vec<Message>, RenderOptions),
}

/// How tokens are chosen. Order of the steps and formulas: repetition penalty, frequency and presence, bias,
/// temperature, top-k, top-p, min-p, typical; then one draw. Log-probabilities are of the raw logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 is greedy; otherwise logits are divided by it. 0 to 2 by custom; any finite number from 0 is taken.
    pub temperature: f32,
    /// Keep the k best; absent or 0 keeps all.
    pub top_k: Option<usize>,
    /// Keep the smallest set whose mass reaches p, in (0, 1].
    pub top_p: f32,
    /// Drop tokens below this share of the best one's probability, in [0, 1).
    pub min_p: f32,
    /// Locally typical sampling, in (0, 1]; 1 is off.
    pub typical_p: f32,
    /// Over 1 makes seen tokens (prompt and output) less likely; 1 is off.
    pub repetition_penalty: f32,
    /// Subtracted times the count in the output.
    pub frequency_penalty: f32,
    /// Subtracted once if in the output.
    pub presence_penalty: f32,
    /// Added to the logit of a token.
    pub logit_bias: Vec<(u32, f32)>,
    /// Fixes the draws: (seed, position) decides, whatever else is in the batch.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
        }
    }
}

impl Sampling {
    /// Always the likeliest token.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Fails with the parameter's name when a value cannot be used.
    pub fn check(&self) -> Result<()> {
        let within = |name: &str, x: f32, ok: bool, range: &str| {
            if ok {
                Ok(())
            } else {
                Err(Error::invalid(format!("{name} is {x}, expected {range}")).at_key(name))
            }
        };
        let t = self.temperature;
        within("temperature", t, t.is_finite() && t >= 0.0, "a finite number from 0")?;
        within("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "over 0 and at most 1")?;
        within("min_p", self.min_p, (0.0..1.0).contains(&self.min_p), "from 0 to below 1")?;
        within(
            "typical_p",
            self.typical_p,
            self.typical_p > 0.0 && self.typical_p <= 1.0,
            "over 0 and at most 1",
        )?;
        let r = self.repetition_penalty;
        within("repetition_penalty", r, r.is_finite() && r > 0.0, "over 0")?;
        let f = self.frequency_penalty;
        within("frequency_penalty", f, (-2.0..=2.0).contains(&f), "from -2 to 2")?;
        let p = self.presence_penalty;
        within("presence_penalty", p, (-2.0..=2.0).contains(&p), "from -2 to 2")
    }
}

/// One generation.
#[derive(Debug, Clone)]
pub struct GenerateRequest {
    /// What the model reads first.
    pub prompt: Prompt,
    /// Most tokens to generate; absent means up to the context's end.
    pub max_tokens: Option<usize>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Texts that end the output; they are not part of it.
    pub stop: Vec<String>,
    /// Go on after the end token.
    pub ignore_eos: bool,
    /// Log-probabilities of this many alternatives a token; `Some(0)` is of the chosen token alone.
    pub logprobs: Option<usize>,
    /// Report log-probabilities of the prompt's tokens too.
    pub prompt_logprobs: bool,
    /// Name of a loaded adapter; absent is the base model.
    pub adapter: Option<String>,
    /// When the answer is no longer wanted.
    pub deadline: Option<Instant>,
}

impl GenerateRequest {
    /// A request with the usual defaults.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            max_tokens: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
            ignore_eos: false,
            logprobs: None,
            prompt_logprobs: false,
            adapter: None,
            deadline: None,
        }
    }
}

/// A token with its log-probability (natural logarithm, of the raw logits).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogProb {
    /// The token.
    pub id: u32,
    /// Its log-probability.
    pub logprob: f32,
}

/// One generated token.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenEvent {
    /// The token.
    pub id: u32,
    /// Text that became certain with this token; may be empty (half a character, a possible stop string).
    pub text: String,
    /// Log-probability of the token, when asked for.
    pub logprob: Option<f32>,
    /// The likeliest alternatives, best first, when asked for.
    pub top: Vec<LogProb>,
}

/// Why the output ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The model ended its turn.
    EndOfSequence,
    /// A stop string came.
    StopString(String),
    /// `max_tokens` or the context's end.
    Length,
}

/// Tokens read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the prompt that a cache held.
    pub cached_tokens: usize,
    /// Tokens generated, the end token included.
    pub completion_tokens: usize,
}

/// What a generation tells, in this order: `Started`, any number of `Token`, `Done`.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerateEvent {
    /// The prompt is read.
    Started {
        /// Its ids.
        prompt: Vec<u32>,
        /// Of each prompt token after the first, when asked for.
        prompt_logprobs: Vec<LogProb>,
    },
    /// A token.
    Token(TokenEvent),
    /// The end.
    Done {
        /// Why.
        finish: Finish,
        /// Held-back text that is certain now that nothing more comes.
        text: String,
        /// Tokens read and written.
        usage: Usage,
    },
}

/// Events of one generation. Dropping it cancels the generation at the next step.
pub type TokenStream = BoxStream<'static, Result<GenerateEvent>>;

/// Where an adapter comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum AdapterSource {
    /// A PEFT folder.
    Folder(PathBuf),
    /// A name that [`FetchAdapter`] gets a folder for.
    Remote(String),
    /// Other adapters, merged.
    Merge(AdapterMerge),
}

/// How adapters are merged into one.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterMerge {
    /// The adapters by name, each with its weight.
    pub parts: Vec<(String, f32)>,
    /// How their numbers are joined.
    pub strategy: MergeStrategy,
    /// Share of the numbers that TIES and DARE keep, in (0, 1].
    pub density: f32,
    /// How TIES elects the sign of a number.
    pub sign: MajoritySign,
    /// What DARE draws are fixed by.
    pub seed: u64,
}

/// How the factors of adapters are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MergeStrategy {
    /// Weighted sums of A and of B.
    Linear,
    /// The sum of the products, exactly; ranks add up.
    Cat,
    /// Trimmed to the largest, one sign elected, the mean of those that agree (Yadav et al. 2023).
    Ties,
    /// Random numbers dropped, the others divided by the density, then summed (Yu et al. 2024).
    DareLinear,
    /// Random numbers dropped, then as TIES.
    DareTies,
    /// Trimmed to the largest, then summed.
    MagnitudePrune,
}

/// How the sign of a number is elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MajoritySign {
    /// The sign of the sum.
    #[default]
    Total,
    /// The sign of more of them.
    Frequency,
}

/// Gets adapters that are not on this machine. It may take its time: it is asked on a thread of its own.
pub trait FetchAdapter: Send + Sync + std::fmt::Debug {
    /// Whether a name is one that it would fetch.
    fn is_mine(&self, id: &str) -> bool;
    /// The folder of an adapter, complete.
    fn fetch(&self, id: &str) -> Result<PathBuf>;
}

/// Where an adapter is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterState {
    /// Its name and source are known; the first request loads it.
    Known,
    /// On its way into memory.
    Loading,
    /// In memory.
    #[default]
    Resident,
}

/// A known adapter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AdapterInfo {
    /// Name by which requests choose it.
    pub name: String,
    /// Hash of its files; changes whenever its content does. Empty until it was loaded once.
    pub generation: String,
    /// Largest rank.
    pub rank: usize,
    /// Modules that it changes.
    pub modules: usize,
    /// Bytes in memory, when it is there.
    pub bytes: u64,
    /// Where it is.
    #[serde(default)]
    pub state: AdapterState,
    /// Whether it stays in memory.
    #[serde(default)]
    pub pinned: bool,
    /// Requests that chose it.
    #[serde(default)]
    pub uses: u64,
}

/// The adapters of an engine.
#[async_trait]
pub trait Adapters: Send + Sync {
    /// Loads one, or replaces it at once; running requests keep the generation that they began with. Fails, naming the
    /// tensor, when anything in it does not fit the base; what had the name before then stays.
    async fn load(&self, name: &str, source: AdapterSource) -> Result<AdapterInfo>;
    /// Forgets one.
    async fn unload(&self, name: &str) -> Result<()>;
    /// All known, by name.
    fn list(&self) -> Vec<AdapterInfo>;

    /// As [`Adapters::load`], if the name's generation is still `expected` when the new one is ready; a conflict
    /// otherwise.
    async fn replace(&self, name: &str, source: AdapterSource, expected: &str) -> Result<AdapterInfo> {
        let _ = (source, expected);
        Err(Error::unsupported(format!("adapter `{name}` cannot be replaced on a condition here")))
    }

    /// Makes a name known without loading it. A name that is known with the same source stays as it is.
    fn know(&self, name: &str, source: AdapterSource) -> Result<()> {
        let _ = source;
        Err(Error::unsupported(format!("adapter `{name}` cannot be made known without loading it here")))
    }

    /// Whether requests may choose a name: known, or a folder or remote name that may be loaded.
    fn knows(&self, name: &str) -> bool {
        self.list().iter().any(|a| a.name == name)
    }

    /// One known adapter.
    fn info(&self, name: &str) -> Option<AdapterInfo> {
        self.list().into_iter().find(|a| a.name == name)
    }

    /// What a place means that a request names: a folder below those that are allowed, or something to fetch. Fails where
    /// requests may name no places, and outside the allowed ones.
    fn resolve(&self, place: &str) -> Result<AdapterSource> {
        Err(Error::new(
            ErrorKind::Forbidden,
            format!("adapters cannot be loaded from `{place}` by requests here"),
        ))
    }

    /// Whether requests may load adapters and make names forgotten.
    fn takes_changes(&self) -> bool {
        false
    }

    /// Begins to load a known adapter that a request is likely to choose soon.
    fn prefetch(&self, _name: &str) {}

    /// Keeps an adapter in memory, or lets it go when room is needed.
    fn pin(&self, name: &str, _pinned: bool) -> Result<()> {
        Err(Error::unsupported(format!("adapter `{name}` cannot be pinned here")))
    }
}

/// What an engine is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineStats {
    /// Requests waiting.
    pub waiting: usize,
    /// Requests in the batch.
    pub running: usize,
    /// Prompt tokens read since the start.
    pub prompt_tokens: u64,
    /// Tokens generated since the start.
    pub generation_tokens: u64,
    /// Requests ended since the start.
    pub finished: u64,
    /// Bytes of the key-value cache in use.
    pub kv_bytes: u64,
}

/// Runs a language model. The laws are in [`crate::laws::engine`].
#[async_trait]
pub trait Engine: Send + Sync {
    /// What it serves.
    fn model(&self) -> &ModelInfo;

    /// Its tokenizer and chat template.
    fn text(&self) -> &dyn TextCodec;

    /// Begins a generation. Errors of the request come at once; later ones in the stream.
    fn generate(&self, request: GenerateRequest) -> Result<TokenStream>;

    /// One vector of `hidden_size` for each text.
    async fn embed(&self, _texts: &[String]) -> Result<Vec<Vec<f32>>> {
        Err(Error::unsupported(format!("model `{}` does not make embeddings", self.model().name)))
    }

    /// Natural-log probability of each token after the first, given those before it.
    async fn score(&self, _tokens: &[u32], _adapter: Option<&str>) -> Result<Vec<f32>> {
        Err(Error::unsupported(format!("model `{}` does not score text", self.model().name)))
    }

    /// Its adapters, if it takes any.
    fn adapters(&self) -> Option<&dyn Adapters> {
        None
    }

    /// What it is doing now.
    fn stats(&self) -> EngineStats {
        EngineStats::default()
    }
}
