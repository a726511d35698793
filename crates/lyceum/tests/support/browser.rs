//! A real browser, headless, driven over the WebDriver protocol: Chromium through chromedriver, found by
//! `LYCEUM_TEST_CHROMEDRIVER` or on the path.

#![allow(dead_code, reason = "each test file uses its part")]

use base64::Engine as _;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long a page may take to come to what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A browser with one window. Dropping it ends it.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Client,
    session: String,
    driver: Child,
    shots: PathBuf,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one, with an empty profile; `None` where there is no chromedriver. Pictures go into `shots`.
    pub(crate) fn start(shots: &Path) -> Option<Self> {
        let program = std::env::var("LYCEUM_TEST_CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
        let started = Command::new(&program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = started else {
            println!("SKIPPED: no chromedriver (LYCEUM_TEST_CHROMEDRIVER, or on the path)");
            return None;
        };
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|l| {
            let (_, port) = l.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_string())
        });
        let port = port.expect("chromedriver tells its port");
        lyceum_store::ensure_tls_provider();
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            client: Client::builder().no_proxy().timeout(PATIENCE * 2).build().unwrap(),
            session: format!("http://127.0.0.1:{port}/session"),
            driver,
            shots: shots.to_path_buf(),
            _profile: profile,
        };
        std::fs::create_dir_all(shots).unwrap();
        let mut flags: Vec<String> = FLAGS.map(String::from).to_vec();
        flags.push(format!("--user-data-dir={}", browser._profile.path().display()));
        flags.push("--window-size=1280,860".into());
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let made = browser.call(Method::POST, "", &wanted);
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().unwrap());
        browser.viewport(1280, 860);
        Some(browser)
    }

    fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        self.ask(method, path, body).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.session));
        if method == Method::POST {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let text = self.runtime.block_on(async { request.send().await?.text().await });
        let text = text.map_err(|e| e.to_string())?;
        let answer: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
        match answer["value"]["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", answer["value"]["message"])),
            None => Ok(answer["value"].clone()),
        }
    }

    /// A command of the browser's own protocol.
    fn cdp(&self, name: &str, parameters: Value) {
        self.call(Method::POST, "/goog/cdp/execute", &json!({ "cmd": name, "params": parameters }));
    }

    /// Opens a page.
    pub(crate) fn go(&self, url: &str) {
        self.call(Method::POST, "/url", &json!({ "url": url }));
    }

    /// What a script returns: `return document.title`.
    pub(crate) fn js(&self, script: &str) -> Value {
        self.call(Method::POST, "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true, and gives its value.
    #[track_caller]
    pub(crate) fn wait(&self, expression: &str) -> Value {
        let start = Instant::now();
        loop {
            let script = format!("return ({expression})");
            let value = self
                .ask(Method::POST, "/execute/sync", &json!({ "script": script, "args": [] }))
                .unwrap_or(Value::Null);
            if !matches!(value, Value::Null | Value::Bool(false)) && value != "" && value != 0 {
                return value;
            }
            if start.elapsed() > PATIENCE {
                self.shot("failed");
                let page = self.js("return document.body.innerText");
                panic!(
                    "never true: {expression}\nthe log: {:?}\nthe page:\n{}",
                    self.log(),
                    page.as_str().unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a text is to be read on the page.
    #[track_caller]
    pub(crate) fn reads(&self, text: &str) {
        self.wait(&format!("document.body.innerText.includes({})", json!(text)));
    }

    /// The text of the first element that a selector finds.
    #[track_caller]
    pub(crate) fn text(&self, css: &str) -> String {
        let value = self.wait(&format!("document.querySelector({})?.innerText", json!(css)));
        value.as_str().unwrap_or_default().to_string()
    }

    fn element(&self, css: &str) -> String {
        let found = self.call(Method::POST, "/element", &json!({ "using": "css selector", "value": css }));
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_string()
    }

    /// Clicks as a mouse does.
    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.wait(&format!("!!document.querySelector({})", json!(css)));
        let path = format!("/element/{}/click", self.element(css));
        self.call(Method::POST, &path, &json!({}));
    }

    /// Types into a field, in place of what is there; a line's end is the Enter key.
    #[track_caller]
    pub(crate) fn fill(&self, css: &str, text: &str) {
        let field = format!("document.querySelector({})", json!(css));
        self.wait(&format!("!!{field}"));
        self.js(&format!("{field}.focus(); {field}.select?.()"));
        let keys: Vec<String> =
            text.chars().map(|c| if c == '\n' { "Enter".into() } else { c.to_string() }).collect();
        self.press(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Presses keys one after the other, wherever the focus is. Special keys by name.
    pub(crate) fn press(&self, keys: &[&str]) {
        let code = |key: &str| match key {
            "Tab" => "\u{e004}".to_string(),
            "Enter" => "\u{e007}".to_string(),
            "Escape" => "\u{e00c}".to_string(),
            "ArrowLeft" => "\u{e012}".to_string(),
            "Space" => " ".to_string(),
            other => other.to_string(),
        };
        let strokes: Vec<Value> = keys
            .iter()
            .flat_map(|k| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": code(k) })))
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.call(Method::POST, "/actions", &actions);
    }

    /// Presses Tab until the focus is on what a selector matches; fails when it never is.
    #[track_caller]
    pub(crate) fn tab_to(&self, css: &str) {
        for _ in 0..80 {
            self.press(&["Tab"]);
            if self.js(&format!("return document.activeElement.matches({})", json!(css))) == true {
                return;
            }
        }
        panic!("the keyboard does not reach {css}");
    }

    /// Keeps a picture of what is seen.
    pub(crate) fn shot(&self, name: &str) {
        let picture = self.call(Method::GET, "/screenshot", &Value::Null);
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
        std::fs::write(self.shots.join(format!("{name}.png")), bytes).unwrap();
    }

    /// What the browser logged as an error since the last call.
    pub(crate) fn log(&self) -> Vec<String> {
        let all = self.call(Method::POST, "/se/log", &json!({ "type": "browser" }));
        let all = all.as_array().cloned().unwrap_or_default();
        let severe = all.iter().filter(|l| l["level"] == "SEVERE" || l["level"] == "WARNING");
        severe.map(|l| l["message"].as_str().unwrap_or_default().to_string()).collect()
    }

    /// Sets the size of what is seen.
    pub(crate) fn viewport(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 800 });
        self.cdp("Emulation.setDeviceMetricsOverride", size);
    }

    /// Whether the system would rather have dark pages.
    pub(crate) fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.cdp("Emulation.setEmulatedMedia", features);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.ask(Method::DELETE, "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
