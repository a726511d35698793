//! `compose` of the project file: graphs, chains, documents, checked with line and column.

use super::names::{Named, Toolless};
use crate::project::Project;
use lyceum_compose::file::{self, GraphFile};
use lyceum_compose::retrieve::{Cut, LANGUAGES, Options};
use lyceum_core::{Error, Result};
use lyceum_data::yaml::{Entry, Node, Section};
use std::path::PathBuf;

/// Something composed.
pub(crate) struct ComposeItem {
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: ComposeKind,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Line and column of its name.
    place: (usize, usize),
}

/// What an item is.
pub(crate) enum ComposeKind {
    /// A state graph in a file, relative to the project.
    Graph(PathBuf),
    /// Steps one after another.
    Chain(Node),
    /// A folder that is searched.
    Documents {
        /// The folder, relative to the project.
        folder: PathBuf,
        /// How it is read.
        options: Options,
        /// The model that embeds, for search by meaning.
        embeddings: Option<String>,
    },
}

const KINDS: [&str; 3] = ["graph", "chain", "documents"];
const KEYS: [&str; 8] =
    ["graph", "chain", "documents", "description", "embeddings", "language", "size", "overlap"];

/// Reads the section.
pub(crate) fn items(top: &Section<'_>, name: impl Fn(&Entry) -> Result<String>) -> Result<Vec<ComposeItem>> {
    top.entries("compose")?.iter().map(|e| item(e, name(e)?)).collect()
}

fn item(entry: &Entry, name: String) -> Result<ComposeItem> {
    let path = format!("compose.{name}");
    let s = Section::new(&entry.node, &path, &KEYS)?;
    let given: Vec<&str> = KINDS.into_iter().filter(|k| s.get(k).is_some()).collect();
    let kind = match given[..] {
        ["graph"] => ComposeKind::Graph(s.need_text("graph")?.into()),
        ["chain"] => ComposeKind::Chain(s.need("chain")?.clone()),
        ["documents"] => documents(&s)?,
        _ => {
            let message = format!("expected one of {}", KINDS.join(", "));
            return Err(Error::invalid(message).on_line_column(entry.line, entry.column).at_key(path));
        }
    };
    if !matches!(kind, ComposeKind::Documents { .. }) {
        for key in ["embeddings", "language", "size", "overlap"] {
            if let Some(node) = s.get(key) {
                return Err(s.wrong(node, key, "this key goes with `documents`"));
            }
        }
    }
    Ok(ComposeItem { name, kind, description: s.text("description")?, place: (entry.line, entry.column) })
}

fn documents(s: &Section<'_>) -> Result<ComposeKind> {
    let language = s.text("language")?;
    if let Some(given) = language.as_deref().filter(|l| !LANGUAGES.contains(l)) {
        let e = s.wrong(s.need("language")?, "language", &format!("unknown language `{given}`"));
        return Err(e.did_you_mean(given, LANGUAGES).hint(format!("languages are {}", LANGUAGES.join(", "))));
    }
    let default = Cut::default();
    let cut = Cut {
        size: s.count_from("size", 50)?.map_or(default.size, |n| n as usize),
        overlap: s.count_from("overlap", 0)?.map_or(default.overlap, |n| n as usize),
    };
    if cut.overlap >= cut.size {
        let node = s.get("overlap").or(s.get("size")).map_or_else(|| s.need("documents"), Ok)?;
        return Err(s.wrong(
            node,
            "overlap",
            &format!("{} characters do not fit twice into {}", cut.overlap, cut.size),
        ));
    }
    Ok(ComposeKind::Documents {
        folder: s.need_text("documents")?.into(),
        options: Options { cut, language, ..Options::default() },
        embeddings: s.text("embeddings")?,
    })
}

/// Models that embed documents.
pub(crate) fn embeddings(items: &[ComposeItem]) -> impl Iterator<Item = String> + '_ {
    items.iter().filter_map(|i| match &i.kind {
        ComposeKind::Documents { embeddings, .. } => embeddings.clone(),
        _ => None,
    })
}

/// Checks every item against the project: files that are there, graphs and chains that name what there is.
pub(crate) fn check(project: &Project) -> Result<()> {
    for item in &project.compose {
        let key = format!("compose.{}", item.name);
        let here = |e: Error| e.on_line_column(item.place.0, item.place.1).at_key(key.as_str());
        if project.item(&item.name).is_some() {
            return Err(here(Error::invalid(format!(
                "`{}` is learnt already; give this another name",
                item.name
            ))));
        }
        let parts = Named(project);
        match &item.kind {
            ComposeKind::Graph(path) => {
                let path = project.path(path);
                if !path.is_file() {
                    return Err(here(Error::not_found(format!("no graph {}", path.display()))));
                }
                GraphFile::read(&path, &parts)?;
            }
            ComposeKind::Chain(node) => drop(file::chain(node, &format!("{key}.chain"), &Toolless(&parts))?),
            ComposeKind::Documents { folder, .. } => {
                let folder = project.path(folder);
                if !folder.is_dir() {
                    return Err(here(Error::not_found(format!("no folder {}", folder.display()))));
                }
            }
        }
    }
    Ok(())
}
