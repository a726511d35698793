//! From logits to events: scores, the chosen token, its text, the end.

use super::Scheduler;
use crate::request::{Chosen, Generation, Kind, Sequence};
use lyceum_core::TextCodec;
use lyceum_core::{Error, Finish, GenerateEvent, LogProb, TokenEvent, Usage};
use lyceum_models::Text;
use lyceum_tensor::kernels;
use std::sync::atomic::Ordering::Relaxed;

impl Sequence {
    /// Takes the logits of one of its tokens.
    pub(super) fn read_logits(&mut self, position: usize, logits: &mut [f32]) {
        let successor = self.tokens.get(position + 1).copied();
        if let Some(id) = successor {
            // A sequence that was set back passes here twice.
            if position == self.scored.len() {
                let logprob = at(logits, id) - kernels::log_sum_exp(logits);
                self.scored.push(LogProb { id, logprob });
            }
            return;
        }
        let place = self.generated() as u64;
        if let Kind::Generate(g) = &self.kind {
            self.chosen = Some(choose(g, logits, place));
        }
    }

    /// Ends with an error.
    pub(crate) fn fail(&mut self, e: Error) {
        match &mut self.kind {
            Kind::Score(reply) => {
                let _ = reply.take().map(|r| r.send(Err(e)));
            }
            Kind::Generate(g) => {
                let _ = g.events.send(Err(e));
            }
        }
    }
}

fn at(logits: &[f32], id: u32) -> f32 {
    logits.get(id as usize).copied().unwrap_or(f32::NEG_INFINITY)
}

fn choose(g: &Generation, logits: &mut [f32], place: u64) -> Chosen {
    let Some(alternatives) = g.logprobs else {
        return Chosen { id: g.sampler.choose(logits, place), logprob: None, top: Vec::new() };
    };
    let z = kernels::log_sum_exp(logits);
    let top = best(logits, alternatives, z);
    let raw = if g.sampler.is_plain_greedy() { Vec::new() } else { logits.to_vec() };
    let id = g.sampler.choose(logits, place);
    let raw = if raw.is_empty() { &*logits } else { &raw };
    Chosen { id, logprob: Some(at(raw, id) - z), top }
}

/// The `n` likeliest, best first, the lower id of equals first.
fn best(logits: &[f32], n: usize, z: f32) -> Vec<LogProb> {
    let mut top: Vec<LogProb> = Vec::with_capacity(n + 1);
    for (id, logit) in logits.iter().enumerate() {
        let worst = top.last().map_or(f32::NEG_INFINITY, |t| t.logprob);
        if top.len() < n || *logit > worst {
            let place = top.partition_point(|t| t.logprob >= *logit);
            top.insert(place, LogProb { id: id as u32, logprob: *logit });
            top.truncate(n);
        }
    }
    top.iter_mut().for_each(|t| t.logprob -= z);
    top
}

/// Whether a sequence goes on.
enum Next {
    Goes,
    Ended,
}

impl Scheduler {
    /// Tells every chosen token and ends what is done.
    pub(super) fn tell(&mut self) {
        let mut running = std::mem::take(&mut self.running);
        running.retain_mut(|s| {
            let next = match &s.kind {
                Kind::Score(_) => score(s),
                Kind::Generate(_) => generate(s, &self.text, self.decoder.spec().context),
            };
            if let Some(1) = s.chosen.take().map(|_| 1) {
                self.stats.generation_tokens.fetch_add(1, Relaxed);
            }
            let ended = matches!(next, Next::Ended);
            if ended {
                self.blocks.release(&s.table);
                self.stats.finished.fetch_add(1, Relaxed);
            }
            !ended
        });
        self.running = running;
    }
}

fn score(s: &mut Sequence) -> Next {
    if s.computed < s.tokens.len() {
        return Next::Goes;
    }
    let scores = s.scored.iter().map(|l| l.logprob).collect();
    if let Kind::Score(reply) = &mut s.kind {
        let _ = reply.take().map(|r| r.send(Ok(scores)));
    }
    Next::Ended
}

fn generate(s: &mut Sequence, text: &Text, context: usize) -> Next {
    let Some(chosen) = &s.chosen else { return Next::Goes };
    let id = chosen.id;
    let event = |text: String, c: &Chosen| TokenEvent { id, text, logprob: c.logprob, top: c.top.clone() };
    let generated = s.tokens.len() - s.prompt;
    let usage =
        |completion_tokens| Usage { prompt_tokens: s.prompt, cached_tokens: s.cached, completion_tokens };
    let Kind::Generate(g) = &mut s.kind else { return Next::Goes };
    let send = |e: GenerateEvent| g.events.send(Ok(e)).is_ok();
    if !s.started {
        s.started = true;
        let prompt = s.tokens.get(..s.prompt).unwrap_or_default().to_vec();
        send(GenerateEvent::Started { prompt, prompt_logprobs: std::mem::take(&mut s.scored) });
    }
    if g.limit == 0 {
        send(GenerateEvent::Done { finish: Finish::Length, text: String::new(), usage: usage(0) });
        return Next::Ended;
    }
    g.sampler.saw(id);
    let usage = usage(generated + 1);
    if !g.ignore_eos && text.end_ids().contains(&id) {
        send(GenerateEvent::Token(event(String::new(), chosen)));
        let rest = g.emitter.finish();
        send(GenerateEvent::Done { finish: Finish::EndOfSequence, text: rest, usage });
        return Next::Ended;
    }
    let bytes = text.token_bytes(id, false).unwrap_or_default();
    let emitted = g.emitter.push(&bytes);
    let heard = send(GenerateEvent::Token(event(emitted.text, chosen)));
    let finish = match emitted.stop {
        Some(stop) => Some(Finish::StopString(stop)),
        None if generated + 1 >= g.limit || s.tokens.len() + 1 >= context => Some(Finish::Length),
        None => None,
    };
    if let Some(finish) = finish {
        let text = if finish == Finish::Length { g.emitter.finish() } else { String::new() };
        send(GenerateEvent::Done { finish, text, usage });
        return Next::Ended;
    }
    s.tokens.push(id);
    if heard { Next::Goes } else { Next::Ended }
}
