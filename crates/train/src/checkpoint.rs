//! Checkpoints from which a killed run goes on to the same result: the step, what was seen so far, and every trained
//! number with the optimiser's memory, exactly.
//!
//! One folder `step-N`, made under a temporary name and renamed when whole; older ones go after that.

use crate::Parameters;
use lyceum_core::{Error, Result, write_atomic};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

const STATE: &str = "state.json";
const PARAMETERS: &str = "parameters.safetensors";

/// Writes a checkpoint into `folder` and removes older ones.
pub(crate) fn save<S: Serialize>(folder: &Path, step: u64, state: &S, parameters: &Parameters) -> Result<()> {
    let partial = folder.join(format!("partial-{step}"));
    remove(&partial)?;
    std::fs::create_dir_all(&partial).map_err(|e| Error::io(&partial, "create", e))?;
    parameters.save(&partial.join(PARAMETERS))?;
    let text = serde_json::to_vec(state).map_err(|e| Error::internal(format!("checkpoint state: {e}")))?;
    write_atomic(partial.join(STATE), &text)?;
    let whole = folder.join(format!("step-{step}"));
    remove(&whole)?;
    std::fs::rename(&partial, &whole).map_err(|e| Error::io(&whole, "rename the checkpoint to", e))?;
    for (n, path) in steps(folder) {
        if n != step {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Reads the newest checkpoint, if there is one: its state, and the parameters in place.
pub(crate) fn load<S: DeserializeOwned>(folder: &Path, parameters: &mut Parameters) -> Result<Option<S>> {
    let Some((_, newest)) = steps(folder).into_iter().max_by_key(|(n, _)| *n) else { return Ok(None) };
    let path = newest.join(STATE);
    let text = std::fs::read(&path).map_err(|e| Error::io(&path, "read", e))?;
    let state = serde_json::from_slice(&text).map_err(|e| Error::corrupt(format!("{e}")).in_file(&path))?;
    parameters.load(&newest.join(PARAMETERS))?;
    Ok(Some(state))
}

/// Removes a folder and all in it, if it is there.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder, "remove", e)),
        _ => Ok(()),
    }
}

fn steps(folder: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok();
    entries.flatten().filter_map(|e| Some((number(&e.path())?, e.path()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parameter;
    use lyceum_tensor::tape::Tensor;

    #[test]
    fn a_checkpoint_comes_back_exactly_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut p = Parameters::default();
        p.push(Parameter::new("w", Tensor::new(vec![1, 3], vec![0.1, f32::MIN_POSITIVE, -3.0])));
        p.0[0].moments = vec![vec![1.0, 2.0, 3.0]; 2];
        save(folder.path(), 1, &"one".to_string(), &p).unwrap();
        save(folder.path(), 2, &"two".to_string(), &p).unwrap();
        assert_eq!(steps(folder.path()).len(), 1);
        let mut back = Parameters::default();
        back.push(Parameter::new("w", Tensor::zeros(vec![1, 3])));
        assert_eq!(load::<String>(folder.path(), &mut back).unwrap().as_deref(), Some("two"));
        assert_eq!(back.0[0].value, p.0[0].value);
        assert_eq!(back.0[0].moments, p.0[0].moments);
    }
}
