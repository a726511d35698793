//! Which files of many are the model: one `.gguf`, or one folder with a config and safetensors. Works on names
//! alone, so that a hub repository, a wheel and a folder on disk are judged in one way.

use crate::sniff;
use lyceum_core::{Error, Result};

/// The chosen files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// One GGUF file.
    File(String),
    /// The files of a folder: its prefix (`""`, or ending in `/`) and their names with that prefix.
    Folder { prefix: String, files: Vec<String> },
}

/// Endings of files that belong to a model folder.
const BELONGS: [&str; 6] = [".json", ".safetensors", ".txt", ".model", ".jinja", ".jsonl"];

/// Chooses among names (with `/` between parts). `inside` names a file or folder; without it there must be just one
/// model. `spell` shows how the user would name one of several.
pub(crate) fn pick(names: &[String], inside: Option<&str>, spell: impl Fn(&str) -> String) -> Result<Choice> {
    let candidates = candidates(names);
    let Some(inside) = inside else {
        return match candidates.as_slice() {
            [one] => choose(names, one),
            [] => Err(no_model(names)),
            many => {
                let list: Vec<String> = many.iter().map(|c| spell(c)).collect();
                Err(Error::invalid(format!("there are {} models in it", many.len()))
                    .hint(format!("choose one: {}", list.join(", "))))
            }
        };
    };
    if sniff::is_pickle(inside) {
        return Err(sniff::pickle_refused(std::path::Path::new(inside)));
    }
    let folder = format!("{inside}/");
    if names.iter().any(|n| n == inside) || names.iter().any(|n| n.starts_with(&folder)) {
        return choose(names, inside);
    }
    let valid = candidates.iter().map(String::as_str);
    let have =
        if candidates.is_empty() { String::new() } else { format!("; it has {}", candidates.join(", ")) };
    Err(Error::not_found(format!("there is no \"{inside}\" in it{have}")).did_you_mean(inside, valid))
}

fn choose(names: &[String], chosen: &str) -> Result<Choice> {
    if chosen.ends_with(".gguf") {
        return Ok(Choice::File(chosen.into()));
    }
    if names.iter().any(|n| n == chosen) {
        return Err(Error::unsupported(format!("\"{chosen}\" is not a model"))
            .hint("a model is one `.gguf` file, or a folder with config.json and .safetensors files"));
    }
    let prefix = if chosen.is_empty() { String::new() } else { format!("{chosen}/") };
    let files: Vec<String> =
        names.iter().filter(|n| n.strip_prefix(&prefix).is_some_and(belongs)).cloned().collect();
    let has = |what: fn(&str) -> bool| files.iter().any(|f| what(f.strip_prefix(&prefix).unwrap_or(f)));
    if !has(is_config) || !has(|f| f.ends_with(".safetensors")) {
        let inner: Vec<String> =
            names.iter().filter_map(|n| n.strip_prefix(&prefix)).map(str::to_string).collect();
        return Err(no_model(&inner));
    }
    Ok(Choice::Folder { prefix, files })
}

/// A file of the folder itself or one below it (`1_Pooling/config.json`), of a kind that we read.
fn belongs(relative: &str) -> bool {
    relative.split('/').count() <= 2 && BELONGS.iter().any(|end| relative.ends_with(end))
}

fn is_config(name: &str) -> bool {
    matches!(name, "config.json" | "adapter_config.json")
}

/// Every GGUF file and every folder that holds a model; a folder with safetensors hides GGUF files beside them.
fn candidates(names: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for name in names {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let beside =
            |n: &String| n.rsplit_once('/').map_or("", |(f, _)| f) == folder && n.ends_with(".safetensors");
        if is_config(file) && names.iter().any(beside) && !found.iter().any(|f| f == folder) {
            found.push(folder.to_string());
        }
    }
    if found.is_empty() {
        found.extend(names.iter().filter(|n| n.ends_with(".gguf")).cloned());
    }
    found
}

fn no_model(names: &[String]) -> Error {
    if let Some(pickle) = names.iter().find(|n| sniff::is_pickle(n)) {
        return sniff::pickle_refused(std::path::Path::new(pickle));
    }
    Error::not_found("there is no model in it")
        .hint("a model is one `.gguf` file, or a folder with config.json and .safetensors files")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| s.to_string()).collect()
    }

    fn pick_plain(list: &[&str], inside: Option<&str>) -> Result<Choice> {
        pick(&names(list), inside, str::to_string)
    }

    #[test]
    fn finds_the_one_model() {
        assert_eq!(pick_plain(&["p/a.gguf", "p/x.py"], None).unwrap(), Choice::File("p/a.gguf".into()));
        let folder =
            ["m/config.json", "m/model.safetensors", "m/1_Pooling/config.json", "m/README.md", "m/x.bin"];
        let Choice::Folder { prefix, files } = pick_plain(&folder, None).unwrap() else { panic!() };
        assert_eq!((prefix.as_str(), files.len()), ("m/", 3));
        assert!(pick_plain(&["config.json", "model.safetensors"], None).is_ok());
    }

    #[test]
    fn asks_when_there_are_several_and_helps_when_none() {
        let e = pick(&names(&["a.gguf", "b.gguf"]), None, |p| format!("hf:o/r:{p}")).unwrap_err().to_string();
        assert!(e.contains("hf:o/r:a.gguf, hf:o/r:b.gguf"), "{e}");
        let e = pick_plain(&["model-q4.gguf"], Some("model-q5.gguf")).unwrap_err().to_string();
        assert!(e.contains("did you mean `model-q4.gguf`"), "{e}");
        let e = pick_plain(&["config.json", "pytorch_model.bin"], None).unwrap_err().to_string();
        assert!(e.contains("pickle"), "{e}");
        assert!(pick_plain(&["setup.py"], None).unwrap_err().to_string().contains("no model"));
    }
}
