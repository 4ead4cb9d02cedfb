//! The web canvas: its types, its unit tests, and a real browser against the real server.
//!
//! What is missing on a machine (Node, Chromium) is said on standard error,
//! past the test harness's capture: a skipped browser test is always visible.

#![allow(
    clippy::unwrap_used,
    clippy::explicit_write,
    reason = "a test that cannot go on fails; the harness hides what print macros say"
)]

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The exit code of `e2e/run.mjs` where Chromium is missing.
const SKIPPED: i32 = 75;

fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web")
}

fn say(text: &str) {
    // Written directly: the harness hides what passing tests print.
    writeln!(std::io::stderr(), "web tests: {text}").unwrap();
}

fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.args(arguments).current_dir(web());
    command
}

/// Installs the packages where that was not done; false where there is no Node.
fn node_is_ready() -> bool {
    if npm(&["--version"]).output().is_err() {
        say("SKIPPED: npm is not here, so nothing of the web canvas was tested; install Node 20");
        return false;
    }
    if !web().join("node_modules/.package-lock.json").exists() {
        succeeds(&mut npm(&["ci", "--no-audit", "--no-fund"]));
    }
    true
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs browser scenarios and passes their report on.
fn browse(arguments: &[&str]) {
    let mut command = npm(&["run", "--silent", "e2e", "--"]);
    command.args(arguments);
    let output = command.output().unwrap();
    let report = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.code() == Some(SKIPPED) {
        say(report.trim());
        return;
    }
    assert!(output.status.success(), "browser tests failed:\n{report}");
    say(&format!("in a real browser\n{}", report.trim()));
}

/// The server on a free port, stopped when dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_impasto"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data", "none"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("no address in the server's first line: {line:?}"));
        Self {
            url: url.trim_end_matches(['/', '.', ',']).to_owned(),
            process,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn the_web_canvas_is_sound() {
    if !node_is_ready() {
        return;
    }
    succeeds(&mut npm(&["run", "--silent", "check"]));
    succeeds(&mut npm(&["test", "--silent"]));
}

#[test]
fn a_person_can_paint_in_a_browser() {
    if !node_is_ready() {
        return;
    }
    if !web().join("dist/index.html").exists() {
        say("SKIPPED: web/dist is not built (IMPASTO_SKIP_WEB?), so no browser test ran");
        return;
    }
    let server = Server::start();
    let binary = env!("CARGO_BIN_EXE_impasto");
    browse(&["--url", &server.url, "--binary", binary]);
    // Only the stand-in can cut a browser's line for real.
    browse(&["--mock", "--only", "line is cut"]);
}
