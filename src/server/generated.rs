//! The documents of the API, committed in `docs`: as they are made here, whole, and with examples that
//! are what they say. `IMPASTO_WRITE_GENERATED=1 cargo test generated` writes them.

use std::collections::BTreeSet;

use boon::{Compiler, Draft, Schemas};
use serde_json::{Value, json};

use super::asyncapi::asyncapi;
use super::calls::JSON;
use super::openapi::openapi;
use super::routes::calls;
use crate::protocol::generated::{Files, write_or_compare};
use crate::protocol::{ServerMessage, decode_client_message};

#[test]
fn generated_documents_are_what_the_calls_and_messages_say() {
    let text = |document: &Value| serde_json::to_string_pretty(document).unwrap() + "\n";
    let files = Files::from([
        ("asyncapi.json".to_owned(), text(&asyncapi())),
        ("openapi.json".to_owned(), text(&openapi(&calls()))),
    ]);
    write_or_compare("docs", "json", &files);
}

/// What is wrong with a value, by a schema of a document.
fn flaw(document: &Value, draft: Draft, schema: &Value, value: &Value) -> Option<String> {
    const PLACE: &str = "http://impasto.example/schema.json";
    // References of the schema lead to the document's components.
    let whole = json!({"allOf": [schema], "components": document["components"]});
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.set_default_draft(draft);
    compiler.add_resource(PLACE, whole).unwrap();
    let compiled = compiler.compile(PLACE, &mut schemas);
    let compiled = compiled.unwrap_or_else(|error| panic!("{error:#}\n{schema}"));
    let checked = schemas.validate(value, compiled);
    checked.err().map(|error| format!("{error:#}"))
}

/// Every media type object under a value.
fn media_types<'a>(value: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("content", Value::Object(contents)) => {
                        let contents = contents.iter();
                        found.extend(contents.map(|(kind, media)| (kind.as_str(), media)));
                    }
                    // An example may have any fields.
                    ("example" | "schemas", _) => {}
                    _ => media_types(field, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| media_types(value, found)),
        _ => {}
    }
}

#[test]
fn examples_of_calls_are_what_their_schemas_say() {
    let document = openapi(&calls());
    let mut found = Vec::new();
    media_types(&document, &mut found);
    let mut checked = 0;
    for (kind, media) in found {
        let Some(schema) = media.get("schema") else {
            assert!(kind != JSON || media.get("example").is_none());
            continue;
        };
        let example = media.get("example");
        let example = example.unwrap_or_else(|| panic!("no example of {schema}"));
        let flaw = flaw(&document, Draft::V2020_12, schema, example);
        assert_eq!(flaw, None, "{example}");
        checked += 1;
    }
    assert!(checked > 15, "{checked} examples are checked");
    let request = json!({"$ref": "#/components/schemas/ImageRequest"});
    for wrong in [
        json!({"prompt": 7}),
        json!({"prompt": "sea", "strength": 2}),
        json!({"prompt": "sea", "colour": "red"}),
        json!({"seed": 7}),
    ] {
        let flaw = flaw(&document, Draft::V2020_12, &request, &wrong);
        assert!(flaw.is_some(), "{wrong} is no request");
    }
}

#[test]
fn every_message_has_an_example_that_is_what_its_schema_says() {
    let document = asyncapi();
    let messages = document["components"]["messages"].as_object().unwrap();
    let of = |side: &str| {
        messages
            .keys()
            .filter(move |name| name.starts_with(side))
            .count()
    };
    assert_eq!((of("client-"), of("server-")), (18, 12));
    for (name, message) in messages {
        if name == "server-frame" {
            continue;
        }
        let example = &message["examples"][0]["payload"];
        let flaw = flaw(&document, Draft::V7, &message["payload"], example);
        assert_eq!(flaw, None, "{name}");
        let text = example.to_string();
        match name.starts_with("client-") {
            true => drop(decode_client_message(&text).unwrap()),
            false => drop(serde_json::from_str::<ServerMessage>(&text).unwrap()),
        }
    }
    let ack = &messages["server-ack"]["payload"];
    let wrong = json!({"type": "ack", "seq": "one"});
    assert!(flaw(&document, Draft::V7, ack, &wrong).is_some());
}

#[test]
fn every_reference_leads_somewhere_and_every_call_has_a_name_of_its_own() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    for document in [openapi(&calls()), asyncapi()] {
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 20);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
    let calls = calls();
    let names: BTreeSet<&str> = calls.iter().map(|call| call.id).collect();
    assert_eq!(names.len(), calls.len());
}
