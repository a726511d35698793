//! The Studio in a real browser, before the real program. Pictures of every page lie in the target folder, under
//! `studio`. Needs chromedriver (`LYCEUM_TEST_CHROMEDRIVER`, or on the path).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

#[path = "support/browser.rs"]
mod browser;
mod support;

use browser::Browser;
use serde_json::Value;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use support::lyceum;

/// A server; dropping it ends it.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(dir: &Path, args: &[&str]) -> Self {
        let all = [&["serve", "--listen", "127.0.0.1:0", "--json", "--quiet"], args].concat();
        let mut child = lyceum(dir, &all).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        Self { child, url: ready["url"].as_str().unwrap().to_string() }
    }

    fn at(&self, place: &str) -> String {
        format!("{}/#/{place}", self.url)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn shots() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap_or(tmp).join("studio")
}

fn does(dir: &Path, args: &[&str]) -> Value {
    let out = lyceum(dir, args).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or(Value::Null)
}

const MARKUP: &str = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";

/// A model that has learnt to write markup and nothing else.
fn writer_of_markup(dir: &Path) {
    std::fs::write(dir.join("page.txt"), format!("{MARKUP}\n").repeat(400)).unwrap();
    let shape =
        ["--layers", "2", "--hidden-size", "64", "--heads", "2", "--vocab-size", "300", "--context", "64"];
    let rest = [
        "pretrain",
        "--text",
        "page.txt",
        "--output",
        "writer",
        "--steps",
        "60",
        "--eval-every",
        "60",
        "--json",
    ];
    does(dir, &[&rest[..], &shape[..]].concat());
}

/// A model of a small table, with its report.
fn model_of_flats(dir: &Path) {
    let mut table = String::from("size,colour,price\n");
    for i in 1..=200 {
        let _ = writeln!(table, "{},c{},{}", 20 + i % 80, i % 3, 100 + 3 * (i % 80) + 10 * (i % 3));
    }
    std::fs::write(dir.join("flats.csv"), table).unwrap();
    does(dir, &["init_config", "--dataset", "flats.csv", "--target", "price", "--output", "flats.yaml"]);
    does(
        dir,
        &[
            "train",
            "--config",
            "flats.yaml",
            "--dataset",
            "flats.csv",
            "--output_directory",
            "results",
            "--json",
        ],
    );
}

#[test]
fn what_runs_what_it_says_and_what_it_predicts() {
    let Some(browser) = Browser::start(&shots()) else { return };
    let dir = tempfile::tempdir().unwrap();
    writer_of_markup(dir.path());
    model_of_flats(dir.path());
    let server = Served::start(dir.path(), &["writer", "--model_path", "results/experiment_run/model"]);

    browser.dark(false);
    browser.go(&server.at(""));
    browser.wait("document.querySelector('.model h3')?.innerText.startsWith('writer')");
    browser.reads("experiment_run");
    browser.shot("home");
    let paper = browser.js("return getComputedStyle(document.body).backgroundColor");
    browser.dark(true);
    let night = browser.js("return getComputedStyle(document.body).backgroundColor");
    assert_ne!(paper, night);
    browser.shot("home-dark");
    browser.click("#theme");
    assert_eq!(browser.js("return document.documentElement.dataset.theme"), "light");
    assert_eq!(
        browser.js("return getComputedStyle(document.body).backgroundColor"),
        paper,
        "chosen, not the system's"
    );
    browser.dark(false);

    let words = says_markup_as_text(&browser, &server);
    predicts_a_row(&browser, &server);
    was_recorded(&browser, &server, &words);
    on_a_phone(&browser, &server);
    assert_eq!(browser.log(), [] as [&str; 0]);
}

fn says_markup_as_text(browser: &Browser, server: &Served) -> String {
    browser.go(&server.at("chat"));
    browser.reads("continues your text");
    browser.fill("#temperature", "0");
    browser.fill("#most", "40");
    browser.fill("#prompt", "<img src=x\n");
    browser.wait(
        "document.querySelector('#send').innerText === 'Send' && document.querySelector('.words').innerText",
    );
    let words = browser.text(".words");
    assert!(
        words.contains("<script>") || words.contains("<img") || words.contains("document.title"),
        "{words}"
    );
    assert!(browser.text(".meta").contains("tokens/s") && browser.text(".meta").contains("first token"));
    let made = browser.js("return document.querySelectorAll('#log img, #log script').length");
    assert_eq!(made, 0, "no markup of the model's becomes a part of the page");
    assert!(browser.js("return document.title").as_str().unwrap().starts_with("Chat"));
    assert_eq!(browser.text(".asked"), "<img src=x");
    browser.shot("chat");
    browser.go(&server.at(""));
    browser.go(&server.at("chat"));
    browser.wait("document.querySelector('.asked')");
    words
}

fn predicts_a_row(browser: &Browser, server: &Served) {
    browser.go(&server.at("tables"));
    browser.fill("#row-size", "50");
    browser.click("#predict");
    browser.wait("document.querySelector('#prediction').innerText.includes('price')");
    // From the average to this row, a bar for each input.
    browser.wait("document.querySelectorAll('#prediction .contributions .bar').length === 4");
    browser.fill("#rows", "size,colour\n50,red\n");
    browser.press(&["7", "0", ",", "b", "l", "u", "e"]);
    browser.click("#predict-rows");
    browser.wait("document.querySelectorAll('#answers tbody tr').length === 2");
    assert!(
        browser.js("return document.querySelector('#download').href").as_str().unwrap().starts_with("blob:")
    );
    assert_eq!(browser.js("return document.querySelector('iframe.report').getAttribute('sandbox')"), "");
    browser.wait("document.querySelector('iframe.report').contentDocument === null");
    browser.shot("tables");
}

/// Both the answer and the prediction are among the traces, as they were.
fn was_recorded(browser: &Browser, server: &Served, words: &str) {
    browser.go(&server.at("traces"));
    browser.wait("document.querySelectorAll('.list tbody a').length >= 2");
    browser.shot("traces-of-server");
    let open = "const kinds = [...document.querySelectorAll('.list tbody tr')];
         kinds.find((r) => r.querySelector('.kind').innerText === 'llm').querySelector('a').click()";
    browser.js(open);
    let output = browser.text("[data-side=output]");
    assert!(output.contains(words.trim().lines().next().unwrap()), "{output} holds {words}");
    assert!(browser.text("[data-side=input]").contains("<img src=x"));
    assert_eq!(browser.js("return document.querySelectorAll('main img, main script').length"), 0);
    browser.shot("trace-of-server");
}

fn on_a_phone(browser: &Browser, server: &Served) {
    browser.viewport(390, 844);
    for place in ["", "chat", "traces", "training", "graphs", "tables"] {
        browser.go(&server.at(place));
        browser.wait("document.querySelector('main h1, main .head')");
        let wide = browser.js("return Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)");
        assert!(wide.as_i64().unwrap() <= 390, "{place} is {wide} wide");
        browser.shot(&format!("phone-{}", if place.is_empty() { "home" } else { place }));
    }
    browser.viewport(1280, 860);
}

#[test]
fn one_signs_in_with_a_key_and_out_again() {
    let Some(browser) = Browser::start(&shots()) else { return };
    let dir = tempfile::tempdir().unwrap();
    model_of_flats(dir.path());
    let key = does(dir.path(), &["keys", "create", "desk", "--scope", "admin", "--json"])["key"]
        .as_str()
        .unwrap()
        .to_string();
    let server = Served::start(dir.path(), &["--model_path", "results/experiment_run/model"]);
    browser.go(&server.at(""));
    browser.wait("document.activeElement.id === 'key'");
    browser.shot("login");
    assert_eq!(browser.log(), [] as [&str; 0]);

    browser.fill("#key", "lyc_wrong");
    browser.press(&["Enter"]);
    browser.reads("no live API key");
    assert!(browser.log().iter().all(|l| l.contains("401")), "the refusal alone is logged");

    browser.fill("#key", &key);
    browser.press(&["Enter"]);
    browser.wait("document.querySelector('.rail')");
    assert_eq!(browser.js("return document.cookie"), "", "scripts do not see the session");
    browser.go(&server.at("tables"));
    browser.fill("#row-size", "50");
    browser.click("#predict");
    browser.wait("document.querySelector('#prediction').innerText.includes('price')");
    // The same without the page's token is refused.
    browser.js("fetch('/predict/experiment_run', { method: 'POST', body: '{}' }).then((r) => (window.told = r.status))");
    assert_eq!(browser.wait("window.told"), 403);
    assert!(browser.log().iter().all(|l| l.contains("403")));
    browser.click("#logout");
    browser.wait("document.querySelector('#key')");
    assert_eq!(browser.log(), [] as [&str; 0]);
}

#[test]
fn the_keyboard_reaches_everything() {
    let Some(browser) = Browser::start(&shots()) else { return };
    let dir = tempfile::tempdir().unwrap();
    model_of_flats(dir.path());
    let server = Served::start(dir.path(), &["--model_path", "results/experiment_run/model"]);
    browser.go(&server.at(""));
    browser.wait("document.querySelector('main h1')");
    browser.press(&["Tab"]);
    assert_eq!(browser.js("return document.activeElement.id"), "skip", "the first stop");
    browser.press(&["Enter"]);
    assert_eq!(browser.js("return document.activeElement.id"), "main");
    browser.go(&server.at(""));
    browser.tab_to("a[data-at=tables]");
    let ring = browser.js("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(ring, "solid", "the focus is seen");
    browser.press(&["Enter"]);
    browser.wait("document.querySelector('#row-size')");
    browser.tab_to("#row-size");
    browser.press(&["5", "0", "Enter"]);
    browser.wait("document.querySelector('#prediction').innerText.includes('price')");
    assert_eq!(browser.log(), [] as [&str; 0]);
}

#[test]
fn two_answers_stream_side_by_side_and_stop_when_told() {
    let Ok(model) = std::env::var("LYCEUM_TEST_SMOLLM2") else {
        println!("SKIPPED: LYCEUM_TEST_SMOLLM2 names no model");
        return;
    };
    let Some(browser) = Browser::start(&shots()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Served::start(dir.path(), &[&model]);
    browser.go(&server.at("chat"));
    browser.click("#side");
    browser.fill("#temperature", "0");
    browser.fill("#most", "12");
    browser.fill("#prompt", "Which city is the capital of Japan?\n");
    browser.wait("document.querySelector('#send').innerText === 'Send' && document.querySelectorAll('.words').length === 2");
    let said = browser.js("return [...document.querySelectorAll('.words')].map((w) => w.innerText)");
    assert!(said[0].as_str().unwrap().contains("Tokyo"), "{said}");
    assert_eq!(said[0], said[1], "without chance both say the same");
    browser.shot("chat-side-by-side");

    browser.fill("#most", "2000");
    browser.fill("#prompt", "Write a very long story.\n");
    browser.wait(
        "[...document.querySelectorAll('.turn:last-child .words')].every((w) => w.innerText.length > 20)",
    );
    browser.press(&["Escape"]);
    browser.reads("stopped");
    browser.wait("document.querySelector('#send').innerText === 'Send'");
    // The server stops too.
    browser
        .wait("fetch('/studio/api/overview').then((r) => r.json()).then((o) => o.models[0].running === 0)");
    browser.go(&server.at(""));
    browser.wait("/requests\\s+4/.test(document.querySelector('.figures')?.innerText)");
    assert_eq!(browser.log(), [] as [&str; 0]);
}
