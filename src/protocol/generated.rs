//! What is generated from the wire types and committed: TypeScript in `web/client/src/protocol`,
//! JSON Schemas in `docs/schemas`; `server/generated.rs` does the same for the documents of the API. `IMPASTO_WRITE_GENERATED=1 cargo test generated` writes them;
//! without the variable the same tests fail where the committed files drift.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, schema_for};
use ts_rs::TS;

use super::{
    CanvasSize, ClientMessage, ErrorCode, FrameHeader, ModelInfo, PROTOCOL_VERSION, SUBPROTOCOL,
    ServerMessage,
};

/// Names and texts of generated files.
pub(crate) type Files = BTreeMap<String, String>;

fn committed(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn files_in(folder: &Path, extension: &str) -> Files {
    let Ok(entries) = fs::read_dir(folder) else {
        return Files::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Writes all files of a folder with an ending, or fails where they are others than those.
pub(crate) fn write_or_compare(folder: &str, extension: &str, generated: &Files) {
    let folder = committed(folder);
    let found = files_in(&folder, extension);
    if std::env::var_os("IMPASTO_WRITE_GENERATED").is_some() {
        fs::create_dir_all(&folder).unwrap();
        // A file that is written anew makes cargo build the page and the crate again.
        for name in found.keys().filter(|name| !generated.contains_key(*name)) {
            fs::remove_file(folder.join(name)).unwrap();
        }
        for (name, text) in generated {
            if found.get(name) != Some(text) {
                fs::write(folder.join(name), text).unwrap();
            }
        }
        return;
    }
    let again = "run `IMPASTO_WRITE_GENERATED=1 cargo test generated` and commit what it wrote";
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        generated.keys().collect::<Vec<_>>(),
        "other files in {}: {again}",
        folder.display()
    );
    for (name, text) in generated {
        assert_eq!(&found[name], text, "{name} has drifted: {again}");
    }
}

#[test]
fn generated_typescript_is_what_the_wire_types_say() {
    let scratch = tempfile::tempdir().unwrap();
    // As Node wants it: the types are part of a package.
    let config = ts_rs::Config::new()
        .with_out_dir(scratch.path())
        .with_import_extension(Some("js"));
    ClientMessage::export_all(&config).unwrap();
    ServerMessage::export_all(&config).unwrap();
    FrameHeader::export_all(&config).unwrap();
    ModelInfo::export_all(&config).unwrap();
    CanvasSize::export_all(&config).unwrap();
    ErrorCode::export_all(&config).unwrap();
    let mut files = files_in(scratch.path(), "ts");
    // ts-rs calls a struct by its tag's value.
    if let Some(text) = files.remove("frame.ts") {
        let text = text.replace("export type frame =", "export type FrameHeader =");
        files.insert("FrameHeader.ts".to_owned(), text);
    }
    let mut index = String::from("// Generated from src/protocol; do not edit.\n");
    for name in files.keys() {
        let stem = name.trim_end_matches(".ts");
        index.push_str(&format!("export type {{ {stem} }} from \"./{stem}.js\";\n"));
    }
    index.push_str(&format!(
        "\nexport const PROTOCOL_VERSION = {PROTOCOL_VERSION};\n"
    ));
    index.push_str(&format!("export const SUBPROTOCOL = \"{SUBPROTOCOL}\";\n"));
    files.insert("index.ts".to_owned(), index);
    write_or_compare("web/client/src/protocol", "ts", &files);
}

#[test]
fn generated_schemas_are_what_the_wire_types_say() {
    fn schema<T: JsonSchema>() -> String {
        serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n"
    }
    let files = Files::from([
        ("client-message.json".to_owned(), schema::<ClientMessage>()),
        ("server-message.json".to_owned(), schema::<ServerMessage>()),
        ("frame-header.json".to_owned(), schema::<FrameHeader>()),
        ("model.json".to_owned(), schema::<ModelInfo>()),
    ]);
    write_or_compare("docs/schemas", "json", &files);
}
