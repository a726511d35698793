//! The Studio's pages of what was recorded, in a real browser: ten thousand traces, a tree, an output of five megabytes,
//! a training while it runs. Needs chromedriver, as `studio.rs` does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]

#[path = "support/browser.rs"]
mod browser;

use browser::Browser;
use lyceum_core::{Context, Error, Map, RunKind, Value, facts};
use lyceum_serve::{Limits, Server};
use lyceum_store::db::{TraceReader, TraceSettings, Traces};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const MANY: usize = 10_000;
const LARGE: usize = 5 << 20;
const MARKUP: &str = "<img src=x onerror=\"document.title='owned'\">";

fn map<const N: usize>(entries: [(&str, Value); N]) -> Map {
    entries.into_iter().map(|(k, v)| (k.into(), v)).collect()
}

/// Ten thousand roots, the newest with runs below it.
fn record(traces: &Traces, cx: &Context) {
    for i in 0..MANY {
        let name = if i % 100 == 0 { "rare" } else { "answer" };
        let about = || (Value::Int(i as i64), map([(facts::THREAD, format!("t{}", i % 7).into())]));
        let root = cx.span(RunKind::Chain, name, about);
        match i % 10 {
            0 => root.finish(Err(&Error::invalid("no such order")), Map::new),
            _ => root.finish(Ok(&"fine".into()), Map::new),
        }
        if i % 500 == 0 {
            assert!(traces.flush());
        }
    }
    let root = cx.span(RunKind::Chain, "newest", || (MARKUP.into(), Map::new()));
    let model = root.cx().span(RunKind::Model, "smollm2", || ("why?".into(), Map::new()));
    let told = || map([(facts::PROMPT_TOKENS, Value::Int(3)), (facts::COMPLETION_TOKENS, Value::Int(5))]);
    model.finish(Ok(&Value::from("x".repeat(LARGE))), told);
    let tool = root.cx().span(RunKind::Tool, "refund", || (Value::Null, Map::new()));
    tool.finish(Err(&Error::invalid("larger than the order")), Map::new);
    root.finish(Ok(&"done".into()), Map::new);
}

fn serve(path: &Path) -> String {
    let server = Server::new(Limits::default()).traces(Arc::new(TraceReader::open(path).unwrap()));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let bound = server.bind("127.0.0.1:0").await.unwrap();
            tell.send(bound.url()).unwrap();
            bound.serve(std::future::pending()).await.unwrap();
        });
    });
    told.recv().unwrap()
}

#[test]
fn ten_thousand_traces_one_of_five_megabytes_and_a_training_under_way() {
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("studio");
    let Some(browser) = Browser::start(&shots) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lyceum.db");
    let settings = TraceSettings { max_content_bytes: 8 << 20, ..TraceSettings::default() };
    let traces = Arc::new(Traces::open(&path, settings).unwrap());
    let cx = Context::new().with_tracer(traces.clone());
    record(&traces, &cx);
    assert!(traces.flush());
    let url = serve(&path);
    pages_of_traces(&browser, &url);
    one_trace(&browser, &url);
    a_training(&browser, &url, &traces, &cx);
    assert_eq!(browser.log(), [] as [&str; 0]);
}

fn pages_of_traces(browser: &Browser, url: &str) {
    browser.go(&format!("{url}/#/traces"));
    browser.wait("document.querySelector('.list tbody a')?.innerText === 'newest'");
    let rows = "document.querySelectorAll('.list tbody tr').length";
    assert_eq!(browser.wait(rows), 50, "one page and no more");
    browser.shot("traces");
    let first = browser.text(".list tbody tr:nth-child(2) a");
    assert_eq!(first, "answer");
    browser.click("#older");
    browser.reads("page 2");
    browser.wait("document.querySelector('.list tbody a')?.innerText !== 'newest'");
    browser.click("#newer");
    browser.wait("document.querySelector('.list tbody a')?.innerText === 'newest'");
    browser.fill("#filter-name", "rare\n");
    browser.wait("[...document.querySelectorAll('.list tbody a')].every((a) => a.innerText === 'rare')");
    browser.reads("no such order");
    browser.js("const s = document.querySelector('#filter-status'); s.value = 'success'; s.dispatchEvent(new Event('change'))");
    browser.reads("No runs here.");
    browser.js("const s = document.querySelector('#filter-status'); s.value = ''; s.dispatchEvent(new Event('change'))");
    browser.fill("#filter-name", "newest\n");
    browser.wait("document.querySelectorAll('.list tbody a').length === 1");
}

fn one_trace(browser: &Browser, url: &str) {
    browser.click(".list tbody a");
    browser.wait("document.querySelectorAll('.tree a').length === 3");
    browser.wait("document.querySelector('[data-side=output]')?.innerText === 'done'");
    assert_eq!(browser.text("[data-side=input]"), MARKUP, "what was asked is text");
    assert_eq!(browser.js("return document.querySelectorAll('main img').length"), 0);
    browser.click(".tree a:nth-child(2)");
    browser.wait("document.querySelector('.cut')");
    let shown = browser.js("return document.querySelector('[data-side=output]').textContent.length");
    assert!(shown.as_i64().unwrap() <= 64 << 10, "{shown}");
    assert!(browser.text(".cut").contains("5.24 MB"));
    browser.shot("trace");
    browser.js("fetch(document.querySelector('.cut a').href).then(async (r) => (window.whole = (await r.text()).length))");
    assert_eq!(browser.wait("window.whole"), LARGE + 2, "all of it, with its quotes");
    browser.click(".tree a:nth-child(3)");
    browser.wait("document.querySelector('.detail .fault')?.innerText.includes('larger than the order')");
    let red = browser.js("return getComputedStyle(document.querySelector('.tree .failed .label')).color");
    assert_ne!(red, browser.js("return getComputedStyle(document.body).color"));
    browser.go(&format!("{url}/#/traces/00000000-0000-7000-8000-000000000000"));
    browser.reads("no run");
    assert!(browser.log().iter().all(|l| l.contains("404")));
}

fn a_training(browser: &Browser, url: &str, traces: &Traces, cx: &Context) {
    let training = cx.span(RunKind::Training, "triage", || (Value::Null, map([("steps", Value::Int(200))])));
    let step = |i: i64| {
        let loss = 3.0 / (1.0 + i as f64 / 20.0) + 0.1 * (i as f64).sin();
        let data = json!({ "step": i, "loss": loss, "lr": 2e-4, "tokens_per_second": 900.0 });
        training.event("step", || Value::from_json(data));
        if i % 25 == 0 {
            training.event("validation", || Value::from_json(json!({ "step": i, "loss": loss + 0.1 })));
        }
    };
    (1..=120).for_each(step);
    assert!(traces.flush());
    browser.go(&format!("{url}/#/"));
    browser.wait("document.querySelector('#work')?.innerText.includes('step 120 of 200')");
    browser.click("#work a");
    browser.wait("document.querySelector('#now')?.innerText.includes('120 of 200')");
    (121..=160).for_each(step);
    assert!(traces.flush());
    browser.wait("document.querySelector('#now')?.innerText.includes('160 of 200')");
    assert_eq!(browser.js("return document.querySelectorAll('.plot .line').length"), 2);
    browser.js("[...document.querySelectorAll('.choice button')].find((b) => b.innerText === 'log').click()");
    browser.tab_to(".plot");
    browser.press(&["ArrowLeft"]);
    browser.reads("step 159");
    browser.shot("training");
    training.finish(Ok(&Value::Null), Map::new);
    assert!(traces.flush());
    browser.wait("document.querySelector('.head')?.innerText.includes('ok')");
}
