//! A file server for tests: plays answers in order, one list a path, and remembers the request headers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One scripted answer.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    status: u16,
    body: Vec<u8>,
    location: Option<String>,
    etag: Option<&'static str>,
    cut: Option<usize>,
    stall: bool,
}

impl Answer {
    pub(crate) fn file(body: &[u8]) -> Self {
        Self { status: 200, body: body.to_vec(), ..Self::default() }
    }
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }
    pub(crate) fn redirect(to: &str) -> Self {
        Self { status: 302, location: Some(to.into()), ..Self::default() }
    }
    pub(crate) fn tagged(self, etag: &'static str) -> Self {
        Self { etag: Some(etag), ..self }
    }
    pub(crate) fn cut_after(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), ..self }
    }
    pub(crate) fn stalling_after(self, bytes: usize) -> Self {
        Self { cut: Some(bytes), stall: true, ..self }
    }
}

type Headers = HashMap<String, String>;

#[derive(Default)]
struct Script {
    answers: Vec<(&'static str, Answer)>,
    seen: Vec<Headers>,
}

/// A running server.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    script: Arc<Mutex<Script>>,
    asked: Arc<Notify>,
}

impl Server {
    pub(crate) async fn start(answers: Vec<(&'static str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script { answers, seen: Vec::new() }));
        let asked = Arc::new(Notify::new());
        let (shared, bell) = (script.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone(), bell.clone()));
            }
        });
        Self { address, script, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Headers> {
        self.script.lock().unwrap().seen.clone()
    }

    pub(crate) async fn first_request(&self) {
        self.asked.notified().await;
    }
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>, asked: Arc<Notify>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let _ = stream.read_line(&mut line).await;
    let path = line.split(' ').nth(1).unwrap_or_default().to_string();
    let mut headers = Headers::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) <= 2 {
            break;
        }
        let (key, value) = line.trim_end().split_once(':').unwrap();
        headers.insert(key.to_lowercase(), value.trim().to_string());
    }
    let answer = {
        let mut script = script.lock().unwrap();
        script.seen.push(headers.clone());
        let place = script.answers.iter().position(|(p, _)| *p == path);
        place.map_or(Answer::status(404), |i| script.answers.remove(i).1)
    };
    asked.notify_one();
    let _ = reply(stream.get_mut(), &answer, &headers).await;
}

async fn reply(stream: &mut TcpStream, answer: &Answer, headers: &Headers) -> std::io::Result<()> {
    let total = answer.body.len();
    let range =
        headers.get("range").and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let valid = headers.get("if-range").is_none_or(|tag| Some(tag.as_str()) == answer.etag);
    let (status, from) = match range {
        Some(from) if answer.status == 200 && valid => (206, from),
        _ => (answer.status, 0),
    };
    let body = answer.body.get(from..).unwrap_or_default();
    let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if status == 206 {
        head += &format!("content-range: bytes {from}-{}/{total}\r\n", total - 1);
    }
    if let Some(tag) = answer.etag {
        head += &format!("etag: {tag}\r\n");
    }
    if let Some(to) = &answer.location {
        head += &format!("location: {to}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    let sent = answer.cut.unwrap_or(body.len()).min(body.len());
    stream.write_all(body.get(..sent).unwrap_or_default()).await?;
    stream.flush().await?;
    if answer.stall {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await
}
