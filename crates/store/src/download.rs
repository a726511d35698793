//! Downloads that survive a cut line: what has come stays in `partial/`, the next try asks for the rest
//! (`Range` with `If-Range`), and only a whole file leaves this room.

use crate::{hash, http, lock::Lock};
use futures_util::StreamExt;
use lyceum_core::{Context, Error, ErrorKind, Progress, Result, write_atomic};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TRIES: u32 = 5;

/// What to fetch and what is known of it.
pub(crate) struct Wanted<'a> {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    /// What the progress bar says.
    pub(crate) label: &'a str,
    /// SHA-256 that the file must have.
    pub(crate) sha256: Option<&'a str>,
    /// More bytes than this are refused.
    pub(crate) limit: u64,
}

/// What must stay the same for a part to be continued.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    url: String,
    etag: Option<String>,
    total: Option<u64>,
}

/// Fetches a whole file into `folder` and gives its path there, its hash checked where one is known. On failure what
/// has come stays for the next try, unless the hash is wrong.
pub(crate) async fn fetch(
    client: &Client,
    wanted: &Wanted<'_>,
    folder: &Path,
    progress: &dyn Progress,
    cx: &Context,
) -> Result<PathBuf> {
    let key = hash::of_bytes(wanted.url.as_str().as_bytes());
    let stem = folder.join(key.get(..24).unwrap_or(&key));
    let _lock = Lock::acquire(stem.with_extension("lock"), &format!("lyceum pull {}", wanted.label))?;
    let part = stem.with_extension("part");
    with_tries(client, wanted, &part, progress, cx).await?;
    if let Some(expected) = wanted.sha256 {
        let actual = hash::of_file(&part, progress, cx)?;
        if actual != expected {
            forget(&part);
            return Err(wrong_hash(wanted, expected, &actual));
        }
    }
    let whole = stem.with_extension("whole");
    std::fs::rename(&part, &whole).map_err(|e| Error::io(&part, "rename", e))?;
    forget(&part);
    Ok(whole)
}

async fn with_tries(
    client: &Client,
    wanted: &Wanted<'_>,
    part: &Path,
    progress: &dyn Progress,
    cx: &Context,
) -> Result<()> {
    let mut left = TRIES;
    loop {
        let before = size(part);
        let Err(e) = attempt(client, wanted, part, progress, cx).await else { return Ok(()) };
        let moved = size(part) > before;
        // No route at all is told at once; a line that has carried something is tried again.
        let again = moved || (e.is_transient() && e.code() == "try_again");
        left = if moved { TRIES } else { left - 1 };
        if !again || left == 0 || matches!(e.kind(), ErrorKind::Cancelled | ErrorKind::TooLarge) {
            return Err(e);
        }
        progress.note(&format!("{}: {}; going on", wanted.label, e.message()));
        cx.sleep(Duration::from_millis(200 << (TRIES - left))).await?;
    }
}

async fn attempt(
    client: &Client,
    wanted: &Wanted<'_>,
    path: &Path,
    progress: &dyn Progress,
    cx: &Context,
) -> Result<()> {
    let known = known_part(wanted, path);
    let have = if known.is_some() { size(path) } else { 0 };
    let mut request = client.get(wanted.url.clone()).headers(wanted.headers.clone());
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
        if let Some(etag) = known.as_ref().and_then(|p| p.etag.as_deref()) {
            request = request.header(IF_RANGE, etag);
        }
    }
    let send = async { request.send().await.map_err(|e| http::failed(&wanted.url, &e)) };
    let response = cx.run(send).await?;
    let (from, total) = match response.status() {
        StatusCode::PARTIAL_CONTENT => range_start(&response, have)?,
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
            if known.and_then(|p| p.total) == Some(have) {
                return Ok(());
            }
            forget(path);
            return Err(again("the file has changed over there"));
        }
        s if s.is_success() => (0, response.content_length()),
        s if s.is_server_error() || s == StatusCode::TOO_MANY_REQUESTS => {
            return Err(http::refused(&wanted.url, s).with_code("try_again"));
        }
        s => return Err(http::refused(&wanted.url, s)),
    };
    check_limit(wanted, total.unwrap_or(0))?;
    remember(wanted, path, &response, total)?;
    let file = open_at(path, from)?;
    progress.begin(wanted.label, total);
    let done = receive(wanted, response, file, from, progress, cx).await;
    progress.end();
    let done = done?;
    match total {
        Some(total) if done < total => Err(again(&format!("the line was cut after {done} of {total} bytes"))),
        Some(total) if done > total => {
            forget(path);
            Err(Error::corrupt(format!("{} sent {done} bytes where it had promised {total}", wanted.label)))
        }
        _ => Ok(()),
    }
}

async fn receive(
    wanted: &Wanted<'_>,
    response: Response,
    mut file: File,
    mut done: u64,
    progress: &dyn Progress,
    cx: &Context,
) -> Result<u64> {
    let mut body = response.bytes_stream();
    progress.at(done);
    loop {
        let next = async { body.next().await.transpose().map_err(|e| http::failed(&wanted.url, &e)) };
        let Some(piece) = cx.run(next).await.map_err(retryable)? else { break };
        done += piece.len() as u64;
        check_limit(wanted, done)?;
        file.write_all(&piece).map_err(|e| Error::io(wanted.label, "write", e))?;
        progress.at(done);
    }
    file.sync_all().map_err(|e| Error::io(wanted.label, "flush", e))?;
    Ok(done)
}

fn retryable(e: Error) -> Error {
    if e.is_transient() { e.with_code("try_again") } else { e }
}

fn again(why: &str) -> Error {
    Error::new(ErrorKind::Unavailable, why).with_code("try_again")
}

/// A part that may be continued: of the same address, and either strongly tagged or checked by hash in the end.
fn known_part(wanted: &Wanted<'_>, path: &Path) -> Option<Part> {
    let part: Part = serde_json::from_slice(&std::fs::read(path.with_extension("json")).ok()?).ok()?;
    let same = part.url == wanted.url.as_str() && (part.etag.is_some() || wanted.sha256.is_some());
    same.then_some(part)
}

fn remember(wanted: &Wanted<'_>, path: &Path, response: &Response, total: Option<u64>) -> Result<()> {
    let tag = response.headers().get(ETAG).and_then(|v| v.to_str().ok());
    let etag = tag.filter(|t| !t.starts_with("W/")).map(str::to_string);
    let part = Part { url: wanted.url.to_string(), etag, total };
    let text = serde_json::to_vec(&part).map_err(|e| Error::internal(e.to_string()))?;
    write_atomic(path.with_extension("json"), &text)
}

fn range_start(response: &Response, have: u64) -> Result<(u64, Option<u64>)> {
    let header = response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let parsed = header.strip_prefix("bytes ").and_then(|r| {
        let (range, total) = r.split_once('/')?;
        Some((range.split_once('-')?.0.parse::<u64>().ok()?, total.parse::<u64>().ok()))
    });
    match parsed {
        Some((start, total)) if start == have => Ok((have, total)),
        _ => {
            Err(Error::corrupt(format!("the server answered with the range \"{header}\", asked for {have}-")))
        }
    }
}

fn open_at(path: &Path, from: u64) -> Result<File> {
    let io = |e| Error::io(path, "write", e);
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(path).map_err(io)?;
    file.set_len(from).map_err(io)?;
    drop(file);
    OpenOptions::new().append(true).open(path).map_err(io)
}

fn check_limit(wanted: &Wanted<'_>, bytes: u64) -> Result<()> {
    if bytes <= wanted.limit {
        return Ok(());
    }
    let (label, limit) = (wanted.label, wanted.limit);
    Err(Error::new(ErrorKind::TooLarge, format!("{label} is larger than {limit} bytes")))
}

fn wrong_hash(wanted: &Wanted<'_>, expected: &str, actual: &str) -> Error {
    let from = http::bare(wanted.url.as_str());
    Error::corrupt(format!("{from} has sha256 {actual}, expected {expected}"))
        .hint("the file there is another one or was damaged on the way; nothing of it was kept")
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |m| m.len())
}

fn forget(path: &Path) {
    let _ = std::fs::remove_file(path);
    let _ = std::fs::remove_file(path.with_extension("json"));
}
