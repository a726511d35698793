//! The README's second command: installs what the tests need, then runs everything and skips nothing silently.

use crate::{readme, sources, tidy};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages that the tests' Python needs: the clients that talk to our server, pyarrow for its tables, and a reader of
/// our tree models.
const PYTHON_PACKAGES: [&str; 6] = [
    "openai==3.54.0",
    "lorax-client==0.6.3",
    "langserve[client]==0.3.3",
    "langgraph-sdk==0.4.14",
    "lightgbm==4.7.0",
    "pyarrow==26.0.1",
];

type Envs = Vec<(String, String)>;

/// Everything, in the order in which a fault is cheapest to find.
pub(crate) fn run() -> Result<(), String> {
    step("house", tidy::run)?;
    step("format", || cargo(&["fmt", "--all", "--check"], &Vec::new()))?;
    step("lints", lints)?;
    let home = cache().join("home");
    let mut envs: Envs =
        vec![("LYCEUM_HOME".into(), home.display().to_string()), ("LYCEUM_TEST_PIP".into(), "1".into())];
    step("python", || {
        envs.push(("LYCEUM_TEST_PYTHON".into(), python()?.display().to_string()));
        Ok(())
    })?;
    step("browser", browser)?;
    // The same selection as the tests', so that nothing is built twice; the program itself comes with them.
    step("build", || cargo(&["test", "--workspace", "--no-run", "--quiet"], &Vec::new()))?;
    let program = target().join("debug").join("lyceum");
    step("models", || {
        for (variable, name) in
            [("LYCEUM_TEST_SMOLLM2", "smollm2-135m-instruct"), ("LYCEUM_TEST_MINILM", "all-minilm-l6-v2")]
        {
            envs.push((variable.into(), pull(&program, name, &envs)?));
        }
        Ok(())
    })?;
    step("tests", || tests(&envs))?;
    step("README", || readme::run(&program, &envs))
}

fn step(name: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let started = std::time::Instant::now();
    eprintln!("== {name}");
    work().map_err(|e| format!("{name}: {e}"))?;
    eprintln!("== {name}: {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn cargo(arguments: &[&str], envs: &Envs) -> Result<(), String> {
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(sources::root())
        .envs(envs.iter().cloned())
        .status()
        .map_err(|e| format!("cargo: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed", arguments.join(" "))) }
}

/// Programs and libraries under every lint; tests may unwrap, index and panic.
fn lints() -> Result<(), String> {
    let strict = ["clippy", "--workspace", "--quiet", "--", "-D", "warnings"];
    cargo(&strict, &Vec::new())?;
    let mut tests = vec!["clippy", "--workspace", "--tests", "--benches", "--quiet", "--", "-D", "warnings"];
    for lint in ["clippy::unwrap_used", "clippy::expect_used", "clippy::panic", "clippy::indexing_slicing"] {
        tests.extend(["-A", lint]);
    }
    cargo(&tests, &Vec::new())
}

/// All tests by nextest where it is installed, else by cargo; the documentation's examples by cargo. What passing tests
/// print is shown at the end: a test that lacks its data says `SKIPPED: …` there.
fn tests(envs: &Envs) -> Result<(), String> {
    let has_nextest =
        Command::new("cargo").args(["nextest", "--version"]).output().is_ok_and(|o| o.status.success());
    if has_nextest {
        cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "--success-output", "final"], envs)?;
        return cargo(&["test", "--workspace", "--doc", "--quiet"], envs);
    }
    cargo(&["test", "--workspace", "--quiet"], envs)
}

/// A virtual environment with the clients; made once for each list of packages.
fn python() -> Result<PathBuf, String> {
    let folder = cache().join("python");
    let python = folder.join("bin").join("python");
    let stamp = folder.join("packages.txt");
    let wanted = PYTHON_PACKAGES.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    command("python3", &["-m", "venv", &folder.display().to_string()])?;
    let mut arguments = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    arguments.extend(PYTHON_PACKAGES);
    command(&python.display().to_string(), &arguments)?;
    std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(python)
}

/// Chromium and its driver, for the Studio's pages. Installed where that is ours to do; else those tests say that they
/// are skipped.
fn browser() -> Result<(), String> {
    let says = |program: &str, arguments: &[&str]| {
        let out = Command::new(program).args(arguments).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&out.stdout).trim().to_string())
    };
    let driver = std::env::var("LYCEUM_TEST_CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
    if says(&driver, &["--version"]).is_some() {
        return Ok(());
    }
    if says("apt-get", &["--version"]).is_none() || says("id", &["-u"]).as_deref() != Some("0") {
        eprintln!(
            "no chromedriver, and no apt-get run by root to install it: the Studio's pages are not tested"
        );
        return Ok(());
    }
    command("apt-get", &["update", "-qq"])?;
    command("apt-get", &["install", "-y", "-qq", "--no-install-recommends", "chromium", "chromium-driver"])
}

fn command(program: &str, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(program).args(arguments).status().map_err(|e| format!("{program}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} {} failed", arguments.join(" "))) }
}

/// Pulls a model with our own program and gives its path.
fn pull(program: &Path, name: &str, envs: &Envs) -> Result<String, String> {
    let out = Command::new(program)
        .args(["pull", name, "--json"])
        .envs(envs.iter().cloned())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let json: serde_json::Value = serde_json::from_str(text.lines().last().unwrap_or_default())
        .map_err(|e| format!("pull {name}: {e}"))?;
    json.get("path")
        .and_then(|p| p.as_str())
        .map(str::to_string)
        .ok_or(format!("pull {name} gave no path: {text}"))
}

/// Where downloads and environments stay from run to run: beside the build's own results.
fn cache() -> PathBuf {
    target().join("test-cache")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| sources::root().join("target"), PathBuf::from)
}
