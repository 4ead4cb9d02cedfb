//! The command line, as processes: what is wrong is told in one line with exit code 2.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

use std::process::{Command, Output};

fn impasto(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_impasto"))
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = impasto(arguments, environment);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    text
}

fn one_line(text: &str) -> &str {
    let last = text.trim_end().lines().last().unwrap();
    assert!(
        !text.contains("panicked") && !text.contains("backtrace"),
        "{text}"
    );
    last
}

#[test]
fn a_model_folder_that_is_missing_or_empty_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_str().unwrap();
    for model in [folder, "/no/such/model"] {
        let text = refused(&["serve", "--listen", "127.0.0.1:0", "--model", model], &[]);
        assert!(one_line(&text).contains(model), "{text}");
        let text = refused(&["model", "check", model], &[]);
        assert!(one_line(&text).contains(model), "{text}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = refused(&["--listen", &address], &[]);
    assert!(one_line(&text).contains(&address), "{text}");
    assert!(one_line(&text).contains("in use"), "{text}");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let data = file.join("data");
    let text = refused(
        &["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()],
        &[],
    );
    assert!(one_line(&text).contains("cannot be written"), "{text}");
}

#[test]
fn flags_and_variables_that_make_no_sense_are_named() {
    assert!(refused(&["serve", "--listen", "nowhere"], &[]).contains("--listen"));
    assert!(refused(&["serve", "--colour"], &[]).contains("--colour"));
    assert!(refused(&["paint"], &[]).contains("paint"));
    let text = refused(&[], &[("IMPASTO_LISTEN", "nowhere")]);
    assert!(one_line(&text).contains("listen"), "{text}");
    let text = refused(&["--config", "/no/such/impasto.toml"], &[]);
    assert!(one_line(&text).contains("/no/such/impasto.toml"), "{text}");
    let text = refused(&["--log", "=="], &[]);
    assert!(one_line(&text).contains("=="), "{text}");
}

#[test]
fn a_flag_comes_before_its_variable() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [
        ("IMPASTO_LISTEN", "nowhere"),
        ("IMPASTO_MODEL", "/no/such/model"),
    ];
    let text = refused(&["--listen", &address], &variables);
    assert!(one_line(&text).contains("/no/such/model"), "{text}");
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [
        vec!["--help"],
        vec!["--version"],
        vec!["generate", "--help"],
    ] {
        assert!(impasto(&arguments, &[]).status.success());
    }
}
