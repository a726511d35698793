//! From a request's keys to checked sampling settings, and the checks that all generating routes share.

use lyceum_core::{Error, Result, Sampling};
use lyceum_wire::openai::{SamplingKeys, Stop};
use std::collections::BTreeMap;

/// Checked settings; without a seed, a fresh one.
pub(crate) fn sampling(keys: &SamplingKeys, vocab: usize, seed: u64) -> Result<Sampling> {
    let default = Sampling::default();
    let checked = Sampling {
        temperature: number("temperature", keys.temperature, default.temperature)?,
        top_k: top_k(keys.top_k)?,
        top_p: number("top_p", keys.top_p, default.top_p)?,
        min_p: number("min_p", keys.min_p, default.min_p)?,
        typical_p: number("typical_p", keys.typical_p, default.typical_p)?,
        repetition_penalty: number(
            "repetition_penalty",
            keys.repetition_penalty,
            default.repetition_penalty,
        )?,
        frequency_penalty: number("frequency_penalty", keys.frequency_penalty, default.frequency_penalty)?,
        presence_penalty: number("presence_penalty", keys.presence_penalty, default.presence_penalty)?,
        logit_bias: keys.logit_bias.as_ref().map_or(Ok(Vec::new()), |b| bias(b, vocab))?,
        // Any 64 bits are a seed; a negative one is as good as another.
        seed: keys.seed.map_or(seed, i64::cast_unsigned),
    };
    checked.check()?;
    Ok(checked)
}

fn number(key: &str, given: Option<f64>, default: f32) -> Result<f32> {
    match given.map(|x| x as f32) {
        None => Ok(default),
        Some(x) if x.is_finite() => Ok(x),
        Some(x) => Err(Error::invalid(format!("{key} is {x}, expected a finite number")).at_key(key)),
    }
}

/// -1 and 0 switch it off, as vLLM has it.
fn top_k(given: Option<i64>) -> Result<Option<usize>> {
    match given {
        None | Some(-1 | 0) => Ok(None),
        Some(k) => usize::try_from(k)
            .map(Some)
            .map_err(|_| Error::invalid(format!("top_k is {k}, expected a number over 0")).at_key("top_k")),
    }
}

fn bias(given: &BTreeMap<String, f64>, vocab: usize) -> Result<Vec<(u32, f32)>> {
    let wrong = |text: String| Error::invalid(text).at_key("logit_bias");
    let one = |(id, bias): (&String, &f64)| {
        let token = id.parse::<u32>().ok().filter(|t| (*t as usize) < vocab);
        let token = token.ok_or_else(|| wrong(format!("\"{id}\" is not a token id below {vocab}")))?;
        if !(-100.0..=100.0).contains(bias) {
            return Err(wrong(format!("the bias of {id} is {bias}, expected -100 to 100")));
        }
        Ok((token, *bias as f32))
    };
    given.iter().map(one).collect()
}

/// A whole number within bounds, or the default.
pub(crate) fn count(key: &str, given: Option<i64>, default: usize, least: i64, most: usize) -> Result<usize> {
    let Some(n) = given else { return Ok(default) };
    match usize::try_from(n) {
        Ok(count) if n >= least && count <= most => Ok(count),
        _ => Err(Error::invalid(format!("{key} is {n}, expected {least} to {most}")).at_key(key)),
    }
}

/// Tokens to generate at most; `None` is up to the end of the context, which -1 asks for (LM Studio's clients send it).
pub(crate) fn max_tokens(
    key: &str,
    given: Option<i64>,
    least: i64,
    default: Option<usize>,
) -> Result<Option<usize>> {
    let Some(n) = given else { return Ok(default) };
    match usize::try_from(n) {
        Ok(count) if n >= least => Ok(Some(count)),
        _ if n == -1 => Ok(None),
        _ => Err(Error::invalid(format!("{key} is {n}, expected a number from {least}, or -1 for no limit"))
            .at_key(key)),
    }
}

/// Stop strings: not too many, none empty.
pub(crate) fn stops(given: Option<Stop>, most: usize) -> Result<Vec<String>> {
    let list = given.map(Stop::into_list).unwrap_or_default();
    if list.len() > most {
        return Err(Error::invalid(format!("stop has {} strings, at most {most} are taken", list.len()))
            .at_key("stop"));
    }
    if list.iter().any(String::is_empty) {
        return Err(Error::invalid("a stop string is empty").at_key("stop"));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_numbers_are_refused_by_name() {
        let key_of = |keys: SamplingKeys| sampling(&keys, 10, 0).unwrap_err().at().key.clone().unwrap();
        let none = SamplingKeys::default();
        assert_eq!(key_of(SamplingKeys { temperature: Some(f64::NAN), ..none.clone() }), "temperature");
        assert_eq!(key_of(SamplingKeys { temperature: Some(1e300), ..none.clone() }), "temperature");
        assert_eq!(key_of(SamplingKeys { temperature: Some(-1.0), ..none.clone() }), "temperature");
        assert_eq!(key_of(SamplingKeys { top_p: Some(0.0), ..none.clone() }), "top_p");
        assert_eq!(key_of(SamplingKeys { top_k: Some(-2), ..none.clone() }), "top_k");
        let far = BTreeMap::from([("10".to_string(), 1.0)]);
        assert_eq!(key_of(SamplingKeys { logit_bias: Some(far), ..none.clone() }), "logit_bias");
        assert_eq!(sampling(&none, 10, 7).unwrap().seed, 7);
        let most = |given| max_tokens("max_tokens", given, 1, Some(16)).map_err(|e| e.to_string());
        assert_eq!((most(None), most(Some(-1)), most(Some(3))), (Ok(Some(16)), Ok(None), Ok(Some(3))));
        let told = "max_tokens: max_tokens is -2, expected a number from 1, or -1 for no limit";
        assert_eq!((most(Some(-2)), most(Some(0)).is_err()), (Err(told.to_string()), true));
        assert!(count("n", Some(17), 1, 1, 16).is_err());
        assert!(stops(Some(Stop::One(String::new())), 4).is_err());
    }
}
