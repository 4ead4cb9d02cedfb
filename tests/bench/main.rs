//! `impasto bench`, the real binary with a server of its own.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod load;
mod overload;
mod photo;

use std::process::{Command, Output, Stdio};

/// What a bench says under these flags.
fn bench(kind: &str, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_impasto"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .args(["bench", kind])
        .args(flags)
        .output()
        .unwrap()
}
