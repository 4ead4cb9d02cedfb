//! The examples of `docs/embedding.md`, run as they stand there. Needs `sh`, `curl` and `base64`.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::TestServer;
use tokio::task::spawn_blocking;

/// The address that the examples name.
const NAMED: &str = "http://localhost:7860";

/// The blocks of a language in the document.
fn blocks(language: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/embedding.md");
    let text = std::fs::read_to_string(file).unwrap();
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_owned())
        .collect()
}

fn curl_is_ready() -> bool {
    let version = Command::new("curl").arg("--version").output();
    let said = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    // `--json` came with 7.82.
    let numbers = said.unwrap_or_default();
    let mut numbers = numbers
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .split('.')
        .map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < (7, 82) {
        let _ = writeln!(
            std::io::stderr().lock(),
            "SKIPPED: curl 7.82 or newer is not here, so no example of docs/embedding.md was run"
        );
    }
    version >= (7, 82)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calls_by_example_do_what_is_said_of_them() {
    if !curl_is_ready() {
        return;
    }
    let server = TestServer::start_with(|options| options.auth = true).await;
    let scratch = tempfile::tempdir().unwrap();
    let mut answers = Vec::new();
    for block in blocks("sh") {
        if !block.contains("curl") {
            continue;
        }
        let script = block.replace(NAMED, &server.url(""));
        assert!(!script.contains(NAMED));
        let mut command = Command::new("sh");
        command
            .args(["-euc", &script])
            .env("TOKEN", server.operator())
            .env("NO_PROXY", "*")
            .current_dir(scratch.path());
        let output = spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block}{told}");
        answers.push(String::from_utf8(output.stdout).unwrap());
    }
    assert_eq!(answers.len(), 8);
    let json = |at: usize| serde_json::from_str::<Value>(&answers[at]).unwrap();
    let file = |name: &str| std::fs::read(scratch.path().join(name)).unwrap();
    assert_eq!(json(0)["id"], "turner");
    let lighthouse = image::load_from_memory(&file("lighthouse.png")).unwrap();
    assert_eq!((lighthouse.width(), lighthouse.height()), (256, 256));
    let says = |file: &[u8], text: &str| file.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(says(&file("lighthouse.png"), "a lighthouse at dusk\n"));
    let winter = file("winter.jpg");
    assert_eq!(
        image::guess_format(&winter).unwrap(),
        image::ImageFormat::Jpeg
    );
    let headers = String::from_utf8(file("winter.txt"))
        .unwrap()
        .to_lowercase();
    assert!(headers.contains("impasto-seed: ") && headers.contains("server-timing: "));
    assert_eq!(json(3)["room"], "harbour");
    assert_eq!(json(4)["uses"], 5);
    assert_eq!(json(5)["width"], 256);
    let harbour = image::load_from_memory(&file("harbour.webp")).unwrap();
    assert_eq!((harbour.width(), harbour.height()), (1536, 1024));
    assert_eq!(json(7)["error"]["code"], "unknown_room");
}

#[test]
fn the_examples_are_there() {
    // The browser tests run these: `web/e2e/embedding.mjs`.
    assert!(blocks("html")[0].contains("<iframe src=\"http://localhost:7860/?room=studio\""));
    assert!(blocks("js")[0].contains("await impastoIn("));
}
