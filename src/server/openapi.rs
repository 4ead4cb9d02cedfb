//! The OpenAPI 3.1 document of the HTTP calls, made of what the router is made of.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::calls::{Answer, Call, Content, JSON, Who};
use super::error::ErrorBody;
use crate::protocol::PROTOCOL_VERSION;

/// Where the document keeps its schemas.
const SCHEMAS: &str = "/components/schemas";
/// The refusal that any call may answer.
const REFUSAL: &str = "#/components/responses/Refusal";

/// The document.
pub fn openapi(calls: &[Call]) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = SCHEMAS.into())
        .into_generator();
    let mut paths = Map::new();
    for call in calls {
        let path = paths
            .entry(call.path)
            .or_insert_with(|| json!({"parameters": path_parameters(call.path)}));
        let method = call.method.as_str().to_ascii_lowercase();
        path[method] = operation(call, &mut generator);
    }
    let refusal = generator.subschema_for::<ErrorBody>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Impasto",
            "version": PROTOCOL_VERSION.to_string(),
            "summary": "A server on which people paint with a diffusion model.",
            "description": "Rooms are painted in over a websocket, which /asyncapi.json describes. \
                What each call means is in docs/protocol.md.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server"}],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": {
                "Refusal": {
                    "description": "A refusal; nothing has changed.",
                    "headers": {
                        "Retry-After": {
                            "description": "Seconds after which to try again, where that helps.",
                            "schema": {"type": "integer", "minimum": 0},
                        },
                    },
                    "content": {
                        JSON: {
                            "schema": refusal,
                            "example": {
                                "error": {
                                    "code": "unknown_room",
                                    "message": "There is no room of that name; create it first.",
                                },
                            },
                        },
                    },
                },
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An invite of the room, or the operator's token. A server \
                        without auth, as on a loopback address, needs none.",
                },
            },
        },
    })
}

fn operation(call: &Call, generator: &mut SchemaGenerator) -> Value {
    let mut answers = Map::new();
    for answer in &call.answers {
        let told = answer_of(answer, generator);
        answers.insert(answer.status.to_string(), told);
    }
    answers.insert("default".to_owned(), json!({"$ref": REFUSAL}));
    let mut operation = json!({
        "operationId": call.id,
        "summary": call.summary,
        "responses": answers,
        "security": security(call.who),
    });
    if let Some(may) = who_may(call.who) {
        operation["description"] = json!(may);
    }
    if let Some(query) = call.query {
        let schema = query(generator);
        operation["parameters"] = json!(query_parameters(schema.as_value()));
    }
    if !call.body.is_empty() {
        let content = contents(&call.body, generator);
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    operation
}

fn who_may(who: Who) -> Option<&'static str> {
    match who {
        Who::Anyone => None,
        Who::Viewer => Some("With auth: for everybody with an invite of the room."),
        Who::Editor => Some("With auth: for the room's editors and owners."),
        Who::Owner => Some("With auth: for the room's owners."),
        Who::Operator => Some("With auth: for the operator."),
    }
}

fn security(who: Who) -> Value {
    match who {
        Who::Anyone => json!([]),
        _ => json!([{"token": []}, {}]),
    }
}

fn answer_of(answer: &Answer, generator: &mut SchemaGenerator) -> Value {
    let mut told = json!({"description": answer.description});
    if !answer.contents.is_empty() {
        told["content"] = contents(&answer.contents, generator);
    }
    for (name, description) in &answer.headers {
        told["headers"][*name] = json!({"description": description, "schema": {"type": "string"}});
    }
    told
}

/// By media type; a file has no schema.
fn contents(contents: &[Content], generator: &mut SchemaGenerator) -> Value {
    let mut told = Map::new();
    for content in contents {
        let mut media = json!({});
        if let Some(schema) = content.schema {
            media["schema"] = schema(generator).to_value();
        }
        if let Some(example) = &content.example {
            media["example"] = example.clone();
        }
        told.insert(content.media_type.to_owned(), media);
    }
    Value::Object(told)
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?;
        name.strip_suffix('}')
    });
    names
        .map(|name| {
            json!({
                "name": name,
                "in": "path",
                "required": true,
                "description": match name {
                    "room" => "The room's name: 1 to 64 letters, digits, `-` or `_`.",
                    "layer" => "The id that `welcome` and ops tell of the layer; 0 for the lowest.",
                    _ => "The id that the list of invites tells.",
                },
                "schema": {"type": "string"},
            })
        })
        .collect()
}

/// The properties of an object as parameters of a query, which has no `null`.
fn query_parameters(schema: &Value) -> Vec<Value> {
    let required = schema["required"].as_array();
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|it| it == name));
    let properties = schema["properties"].as_object();
    properties
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let mut schema = without_null(property.clone());
            let description = schema
                .as_object_mut()
                .and_then(|fields| fields.remove("description"));
            let mut parameter = json!({
                "name": name,
                "in": "query",
                "required": is_required(name),
                "schema": schema,
            });
            if let Some(description) = description {
                parameter["description"] = description;
            }
            parameter
        })
        .collect()
}

fn without_null(mut schema: Value) -> Value {
    let Some(fields) = schema.as_object_mut() else {
        return schema;
    };
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            fields.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(choices)) = fields.remove("anyOf") {
        let is_null = |choice: &Value| choice["type"] == "null";
        let mut choices: Vec<Value> = choices.into_iter().filter(|it| !is_null(it)).collect();
        match choices.len() {
            1 => {
                if let Some(Value::Object(only)) = choices.pop() {
                    fields.extend(only);
                }
            }
            _ => drop(fields.insert("anyOf".to_owned(), Value::Array(choices))),
        }
    }
    schema
}
