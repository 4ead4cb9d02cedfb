//! Builds the web app in `web/` where its sources are newer than `web/dist`.
//!
//! The binary embeds `web/dist`. Without Node the server is built all the
//! same: it serves the `web/dist` that is there, or a page that says how to
//! make one. `IMPASTO_SKIP_WEB=1` leaves `web/dist` as it is.

#![allow(
    clippy::print_stdout,
    reason = "cargo reads the standard output of build scripts"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
    time::SystemTime,
};

/// Everything that the output depends on, below `web/`.
const SOURCES: [&str; 9] = [
    "client/src",
    "index.html",
    "package.json",
    "package-lock.json",
    "public",
    "src",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
];

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=IMPASTO_SKIP_WEB");
    let web = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("web");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", web.join(source).display());
    }
    if env::var_os("IMPASTO_SKIP_WEB").is_some_and(|value| value != "0")
        || env::var_os("DOCS_RS").is_some()
    {
        return ExitCode::SUCCESS;
    }
    // A missing or removed output makes cargo run this again.
    println!(
        "cargo::rerun-if-changed={}",
        web.join("dist/index.html").display()
    );
    let built = modified(&web.join("dist/index.html"));
    let newest = SOURCES
        .iter()
        .filter_map(|source| newest_in(&web.join(source)))
        .max();
    if built.is_some() && built >= newest {
        return ExitCode::SUCCESS;
    }
    match build(&web) {
        Ok(()) => {
            // As old as its sources: cargo would take anything younger than
            // this run for a change, and build the crate a second time.
            if let (Some(newest), Ok(index)) = (
                newest,
                fs::File::options()
                    .append(true)
                    .open(web.join("dist/index.html")),
            ) {
                index.set_modified(newest).ok();
            }
            ExitCode::SUCCESS
        }
        Err(Trouble::Unavailable(what)) => {
            let instead = match built {
                Some(_) => "the web app of an earlier build is used",
                None => "the server will have no web app, only its API",
            };
            println!(
                "cargo::warning={what}; {instead}. Install Node 20.19 or newer with npm and \
                 build again, or set IMPASTO_SKIP_WEB=1 to build without it"
            );
            ExitCode::SUCCESS
        }
        Err(Trouble::Broken(output)) => {
            for line in output.lines().filter(|line| !line.trim().is_empty()) {
                println!("cargo::warning={line}");
            }
            println!("cargo::error=the web app does not build: run `npm run build` in web/");
            ExitCode::FAILURE
        }
    }
}

enum Trouble {
    /// Node or its packages are not to be had: the server can do without.
    Unavailable(String),
    /// The sources are wrong: nobody should get an old app by surprise.
    Broken(String),
}

fn build(web: &Path) -> Result<(), Trouble> {
    let lock = modified(&web.join("package-lock.json"));
    let installed = modified(&web.join("node_modules/.package-lock.json"));
    if installed.is_none() || installed < lock {
        let output = npm(web, &["ci", "--no-audit", "--no-fund"])?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            let reason = reason
                .lines()
                .find(|line| line.contains("error"))
                .unwrap_or_default();
            return Err(Trouble::Unavailable(format!(
                "`npm ci` failed in web/ ({reason})"
            )));
        }
    }
    let output = npm(web, &["run", "--silent", "build"])?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    Err(Trouble::Broken(String::from_utf8_lossy(&text).into_owned()))
}

fn npm(web: &Path, arguments: &[&str]) -> Result<Output, Trouble> {
    let name = if cfg!(windows) { "npm.cmd" } else { "npm" };
    Command::new(name)
        .args(arguments)
        .current_dir(web)
        .output()
        .map_err(|error| Trouble::Unavailable(format!("npm could not be started ({error})")))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

fn newest_in(path: &Path) -> Option<SystemTime> {
    let own = modified(path)?;
    let Ok(entries) = fs::read_dir(path) else {
        return Some(own);
    };
    entries
        .flatten()
        .filter_map(|entry| newest_in(&entry.path()))
        .chain([own])
        .max()
}
