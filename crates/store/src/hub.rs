//! Files of a Hugging Face repository. `HF_ENDPOINT` chooses the hub, `HF_TOKEN` (or the token file of its own
//! command line) opens what is closed.

use crate::download::{self, Wanted};
use crate::http::{self, Redirects};
use crate::pick::{Choice, pick};
use crate::pull::Staged;
use crate::{Alias, hash};
use lyceum_core::{Context, Error, ErrorKind, Progress, Result};
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use std::path::{Path, PathBuf};

const LIST_LIMIT: usize = 16 << 20;
const FILE_LIMIT: u64 = 1 << 40;

/// Where the hub is and how we are let in.
pub(crate) struct Hub {
    endpoint: String,
    token: Option<String>,
}

/// One file of a plan: its name in the repository and the hash it must have.
type Wish = (String, Option<&'static str>);

impl Hub {
    pub(crate) fn from_env() -> Self {
        let set = |key: &str| std::env::var(key).ok().map(|v| v.trim().to_string()).filter(|v| !v.is_empty());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let token = set("HF_TOKEN").or_else(|| {
            let folder = set("HF_HOME")
                .map(PathBuf::from)
                .or(set("HOME").map(|h| Path::new(&h).join(".cache/huggingface")));
            let text = std::fs::read_to_string(folder?.join("token")).ok()?;
            Some(text.trim().to_string()).filter(|t| !t.is_empty())
        });
        Self { endpoint: endpoint.trim_end_matches('/').into(), token }
    }

    /// Downloads a file or folder of a repository. With an alias, exactly its pinned files.
    pub(crate) async fn fetch(
        &self,
        repo: &str,
        file: Option<&str>,
        alias: Option<&'static Alias>,
        partial: &Path,
        progress: &dyn Progress,
        cx: &Context,
    ) -> Result<Vec<Staged>> {
        let (wishes, prefix) = match alias {
            Some(alias) => {
                (alias.pins.iter().map(|p| (p.path.to_string(), Some(p.sha256))).collect(), String::new())
            }
            None => self.plan(repo, file, cx).await?,
        };
        let mut staged = Vec::new();
        for (name, pinned) in wishes {
            let path = self.file(repo, &name, pinned, partial, progress, cx).await?;
            let relative = name.strip_prefix(&prefix).unwrap_or(&name).to_string();
            staged.push(Staged::taken(relative, path));
        }
        Ok(staged)
    }

    async fn plan(&self, repo: &str, file: Option<&str>, cx: &Context) -> Result<(Vec<Wish>, String)> {
        if let Some(gguf) = file.filter(|f| f.ends_with(".gguf")) {
            let folder = gguf.rsplit_once('/').map_or(String::new(), |(f, _)| format!("{f}/"));
            return Ok((vec![(gguf.into(), None)], folder));
        }
        let names = self.names(repo, cx).await?;
        Ok(match pick(&names, file, |p| format!("hf:{repo}:{p}"))? {
            Choice::File(name) => {
                let folder = name.rsplit_once('/').map_or(String::new(), |(f, _)| format!("{f}/"));
                (vec![(name, None)], folder)
            }
            Choice::Folder { prefix, files } => (files.into_iter().map(|f| (f, None)).collect(), prefix),
        })
    }

    /// Names of all files of a repository.
    async fn names(&self, repo: &str, cx: &Context) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Info {
            siblings: Vec<Sibling>,
        }
        #[derive(Deserialize)]
        struct Sibling {
            rfilename: String,
        }
        let url = http::parse_url(&format!("{}/api/models/{repo}", self.endpoint))?;
        let request = http::client(Redirects::Follow)?.get(url.clone()).headers(self.headers()?);
        let body = cx
            .run(async {
                let mut response = request.send().await.map_err(|e| http::failed(&url, &e))?;
                if !response.status().is_success() {
                    return Err(self.explain(repo, http::refused(&url, response.status())));
                }
                let mut body = Vec::new();
                while let Some(piece) = response.chunk().await.map_err(|e| http::failed(&url, &e))? {
                    body.extend_from_slice(&piece);
                    if body.len() > LIST_LIMIT {
                        return Err(Error::new(ErrorKind::TooLarge, "the hub's list of files is too long"));
                    }
                }
                Ok(body)
            })
            .await?;
        let info: Info = serde_json::from_slice(&body)
            .map_err(|e| Error::corrupt(format!("the hub's list of files of {repo} cannot be read: {e}")))?;
        Ok(info.siblings.into_iter().map(|s| s.rfilename).filter(|n| safe(n)).collect())
    }

    async fn file(
        &self,
        repo: &str,
        name: &str,
        pinned: Option<&str>,
        partial: &Path,
        progress: &dyn Progress,
        cx: &Context,
    ) -> Result<PathBuf> {
        let url = http::parse_url(&format!("{}/{repo}/resolve/main/{name}", self.endpoint))?;
        let said = self.announced(&url, cx).await.map_err(|e| self.explain(repo, e))?;
        if let (Some(pinned), Some(said)) = (pinned, &said)
            && pinned != said
        {
            return Err(Error::corrupt(format!("{name} there has sha256 {said}, expected {pinned}")));
        }
        let wanted = Wanted {
            url,
            headers: self.headers()?,
            label: name,
            sha256: pinned.or(said.as_deref()),
            limit: FILE_LIMIT,
        };
        let client = http::client(Redirects::Follow)?;
        download::fetch(&client, &wanted, partial, progress, cx).await.map_err(|e| self.explain(repo, e))
    }

    /// The hash that the hub announces of a large file, told before anything is downloaded.
    async fn announced(&self, url: &Url, cx: &Context) -> Result<Option<String>> {
        let request = http::client(Redirects::Stop)?.head(url.clone()).headers(self.headers()?);
        let response = cx.run(async { request.send().await.map_err(|e| http::failed(url, &e)) }).await?;
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            return Err(http::refused(url, status));
        }
        let tag = response.headers().get("x-linked-etag").and_then(|v| v.to_str().ok()).unwrap_or_default();
        Ok(Some(tag.trim_matches('"').to_string()).filter(|t| hash::is_sha256(t)))
    }

    fn headers(&self) -> Result<HeaderMap> {
        self.token.as_deref().map_or(Ok(HeaderMap::new()), http::bearer)
    }

    fn explain(&self, repo: &str, e: Error) -> Error {
        match e.kind() {
            ErrorKind::Unauthorized | ErrorKind::Forbidden if self.token.is_none() => {
                e.hint(format!("{repo} does not exist, or is closed: then set HF_TOKEN"))
            }
            ErrorKind::Unauthorized | ErrorKind::Forbidden => e.hint(format!(
                "the token may not read {repo}: accept its licence on its page, or use another token"
            )),
            _ => e,
        }
    }
}

/// A listed name that stays within the folder.
fn safe(name: &str) -> bool {
    !name.contains(['\\', '\0', '?', '#', '%', ':']) && name.split('/').all(|p| !matches!(p, "" | "." | ".."))
}
