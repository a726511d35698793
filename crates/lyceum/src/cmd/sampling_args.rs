//! The flags by which tokens are chosen.

use clap::Args;
use lyceum_core::{Error, GenerateRequest, Result, Sampling};

/// How tokens are chosen.
#[derive(Args)]
pub(crate) struct SamplingArgs {
    /// Most tokens to generate [default: up to the context's end]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_tokens: Option<i64>,
    /// 0 is greedy
    #[arg(long, default_value_t = 0.7, allow_negative_numbers = true)]
    temperature: f32,
    /// Keep the k likeliest tokens
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Keep the smallest set of tokens whose probability reaches P
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    top_p: f32,
    /// Drop tokens below P times the likeliest one's probability
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    min_p: f32,
    /// Over 1 makes tokens seen before less likely
    #[arg(long, value_name = "R", default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Fixes the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A text that ends the output (may be given several times)
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Go on after the model's end token
    #[arg(long)]
    ignore_eos: bool,
}

impl SamplingArgs {
    /// Sets a request's sampling; refuses what cannot be used, by the flag's name.
    pub(crate) fn apply(&self, request: &mut GenerateRequest) -> Result<()> {
        request.max_tokens = match self.max_tokens {
            None => None,
            Some(n) => Some(usize::try_from(n).map_err(|_| {
                Error::invalid(format!("max_tokens is {n}, expected a whole number from 0"))
                    .at_key("max_tokens")
            })?),
        };
        request.sampling = Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
            ..Sampling::default()
        };
        request.sampling.check()?;
        request.stop.clone_from(&self.stop);
        request.ignore_eos = self.ignore_eos;
        Ok(())
    }
}
