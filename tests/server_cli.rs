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
        .env("IMPASTO_DATA", "none")
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

fn serve_in(data: &std::path::Path) -> String {
    let data = data.to_str().unwrap();
    refused(&["--listen", "127.0.0.1:0", "--data", data], &[])
}

#[test]
fn a_data_folder_that_another_server_holds_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let held = impasto::room::RoomStore::open(folder.path()).unwrap();
    let text = serve_in(folder.path());
    assert!(one_line(&text).contains("another server holds"), "{text}");
    let name = folder.path().to_str().unwrap();
    assert!(one_line(&text).contains(name), "{text}");
    drop(held);
}

#[test]
fn a_journal_of_another_version_is_refused_and_stays_as_it_is() {
    use redb::ReadableDatabase;

    const FORMAT: redb::TableDefinition<&str, u64> = redb::TableDefinition::new("format");
    let folder = tempfile::tempdir().unwrap();
    drop(impasto::room::RoomStore::open(folder.path()).unwrap());
    let file = folder.path().join("journal.redb");
    let database = redb::Database::open(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut format = transaction.open_table(FORMAT).unwrap();
    format.insert("version", 7).unwrap();
    drop(format);
    transaction.commit().unwrap();
    drop(database);
    let text = serve_in(folder.path());
    assert!(one_line(&text).contains("format version 7"), "{text}");
    let database = redb::Database::open(&file).unwrap();
    let reading = database.begin_read().unwrap();
    let format = reading.open_table(FORMAT).unwrap();
    assert_eq!(format.get("version").unwrap().unwrap().value(), 7);
}

#[cfg(unix)]
#[test]
fn a_limit_of_files_that_is_too_low_is_named() {
    for files in [5, 8, 16, 63] {
        let output = Command::new("sh")
            .args([
                "-c",
                "ulimit -n \"$1\" && exec \"$2\" serve --listen 127.0.0.1:0 --data none",
            ])
            .args(["sh", &files.to_string(), env!("CARGO_BIN_EXE_impasto")])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{files}: {text}");
        assert!(one_line(&text).contains("ulimit -n"), "{files}: {text}");
    }
}

/// Not even root makes folders there.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_without_the_right_to_write_is_named() {
    let text = serve_in(std::path::Path::new("/sys/impasto"));
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

fn fixture(name: &str) -> String {
    format!(
        "{}/tests/parity/fixtures/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

#[test]
fn generate_adds_loras_with_their_weights() {
    let folder = tempfile::tempdir().unwrap();
    let picture = |name: &str, loras: &[String]| {
        let out = folder.path().join(name);
        let model = fixture("networks/sd15");
        let mut arguments = vec!["generate", "--prompt", "red apple", "--model", &model];
        arguments.extend(["--width", "64", "--height", "64", "--steps", "2", "--out"]);
        arguments.push(out.to_str().unwrap());
        for lora in loras {
            arguments.extend(["--lora", lora]);
        }
        let output = impasto(&arguments, &[]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        std::fs::read(out).unwrap()
    };
    let (ink, peft) = (fixture("loras/ink.safetensors"), fixture("loras/peft"));
    let plain = picture("plain.png", &[]);
    let both = picture("both.png", &[format!("{ink}:0.8"), peft.clone()]);
    assert_ne!(plain, both);
    assert_ne!(both, picture("one.png", &[format!("{ink}:0.8")]));
    let off = picture("off.png", &[format!("{ink}:0"), format!("{peft}:0")]);
    assert_eq!(plain, off);
}

#[test]
fn loras_that_cannot_be_used_are_named() {
    let model = fixture("networks/sd15");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--model", &model];
    let refused_lora = |lora: &str| refused(&[&serve[..], &["--lora", lora]].concat(), &[]);
    let text = refused_lora("no/ink.safetensors:0.5");
    assert!(one_line(&text).contains("no/ink.safetensors"), "{text}");
    let text = refused_lora("ink.safetensors:much");
    assert!(text.contains("much"), "{text}");
    let text = refused(&serve, &[("IMPASTO_LORA", "no/lcm.safetensors:1")]);
    assert!(one_line(&text).contains("no/lcm.safetensors"), "{text}");
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
