//! The AsyncAPI 3.0 document of the websocket, made of the protocol's types.
//!
//! AsyncAPI reads schemas as of JSON Schema's draft 07, so they are written so.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::calls::JSON;
use crate::protocol::{ClientMessage, FrameHeader, PROTOCOL_VERSION, SUBPROTOCOL, ServerMessage};

/// Where the document keeps its schemas.
const SCHEMAS: &str = "/components/schemas";
/// The channel, as references name it.
const CHANNEL: &str = "#/channels/room";
/// The message that is no JSON.
const FRAME: &str = "server-frame";

/// The document.
pub fn asyncapi() -> Value {
    let mut generator = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = SCHEMAS.into())
        .into_generator();
    let mut messages = Map::new();
    let said = add_messages::<ClientMessage>("client", &mut generator, &mut messages);
    let mut told = add_messages::<ServerMessage>("server", &mut generator, &mut messages);
    let frame_header = generator.subschema_for::<FrameHeader>();
    messages.insert(FRAME.to_owned(), frame(&frame_header.to_value()));
    told.push(FRAME.to_owned());
    let in_channel: Map<String, Value> = messages
        .keys()
        .map(|name| {
            let reference = json!({"$ref": format!("#/components/messages/{name}")});
            (name.clone(), reference)
        })
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Impasto's websocket",
            "version": PROTOCOL_VERSION.to_string(),
            "description": "A room is painted in over one websocket: a client says `hello` and is \
                answered with `welcome`. What each message means is in docs/protocol.md; the HTTP \
                calls are in /openapi.json.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": JSON,
        "servers": {
            "local": {
                "host": "localhost:7860",
                "protocol": "ws",
                "description": "A server on this machine, with the default port.",
            },
        },
        "channels": {
            "room": {
                "address": "/v1/rooms/{room}/ws",
                "description": format!(
                    "The websocket of a room, with the subprotocol `{SUBPROTOCOL}`. Texts are JSON, \
                     pixels are binary. A token, where the server wants one, goes into `hello`."
                ),
                "parameters": {
                    "room": {"description": "The room's name: 1 to 64 letters, digits, `-` or `_`."},
                },
                "messages": in_channel,
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            },
        },
        "operations": {
            "listen": operation("receive", "What clients say.", &said),
            "tell": operation("send", "What the server tells.", &told),
        },
        "components": {
            "messages": messages,
            "schemas": generator.take_definitions(true),
        },
    })
}

/// Seen from the server.
fn operation(action: &str, summary: &str, messages: &[String]) -> Value {
    let messages: Vec<Value> = messages
        .iter()
        .map(|name| json!({"$ref": format!("{CHANNEL}/messages/{name}")}))
        .collect();
    json!({
        "action": action,
        "summary": summary,
        "channel": {"$ref": CHANNEL},
        "messages": messages,
    })
}

/// Adds a message for each variant of a type that its `type` tells apart; answers their names. Both
/// sides have a `render`, so the names say whose they are.
fn add_messages<T: JsonSchema>(
    side: &str,
    generator: &mut SchemaGenerator,
    messages: &mut Map<String, Value>,
) -> Vec<String> {
    let mut schema = T::json_schema(generator);
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    let variants = schema.get("oneOf").and_then(Value::as_array).cloned();
    let mut names = Vec::new();
    for variant in variants.unwrap_or_default() {
        let kind = variant.pointer("/properties/type/const");
        let Some(kind) = kind.and_then(Value::as_str).map(str::to_owned) else {
            continue;
        };
        let name = format!("{side}-{kind}");
        let mut message = json!({"name": kind, "title": kind, "payload": variant});
        if let Some(summary) = variant.get("description") {
            message["summary"] = summary.clone();
        }
        if let Some(example) = example(&name) {
            message["examples"] = json!([{"payload": example}]);
        }
        messages.insert(name.clone(), message);
        names.push(name);
    }
    names
}

fn frame(header: &Value) -> Value {
    json!({
        "name": "frame",
        "title": "frame",
        "summary": "Pixels of a rectangle of a layer.",
        "description": "The length of a JSON header as a `u32` with the low byte first, the header, \
            and an encoded image as large as its `rect`.",
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary"},
        "x-frame-header": header,
    })
}

/// One of each message.
fn example(name: &str) -> Option<Value> {
    let client = "b3d1e8a2-7c44-4f0e-9f0a-5d1c2b3a4e5f";
    Some(match name {
        "client-hello" => json!({
            "type": "hello", "protocol": 1, "client": "6f9c0f0a-2b1d-4c3e-8a5f-0e1d2c3b4a59",
            "name": "Ada",
        }),
        "client-stroke" => json!({
            "type": "stroke", "id": "s1", "tool": "brush", "size": 24.0, "hardness": 0.8,
            "opacity": 1.0, "color": "#c81e2b", "points": [[120.0, 96.0, 0.5], [124.0, 99.0, 0.6]],
            "done": true,
        }),
        "client-settings" => {
            json!({"type": "settings", "prompt": "a harbour at night", "steps": 2})
        }
        "client-layer" => {
            json!({"type": "layer", "action": "set", "layer": 12, "blend": "multiply", "opacity": 0.8})
        }
        "client-render" => json!({"type": "render", "rect": [0, 0, 256, 256], "steps": 4}),
        "client-apply" => json!({"type": "apply"}),
        "client-place" => json!({"type": "place", "image": "5c2f1d9e", "mode": "plain"}),
        "client-cancel" => json!({"type": "cancel"}),
        "client-undo" => json!({"type": "undo"}),
        "client-redo" => json!({"type": "redo"}),
        "client-revert" => json!({"type": "revert", "seq": 12}),
        "client-presence" => json!({"type": "presence", "x": 120.5, "y": 96.0, "tool": "brush"}),
        "client-chat" => json!({"type": "chat", "text": "The sky is yours."}),
        "client-role" => json!({"type": "role", "client": client, "role": "viewer"}),
        "client-remove" => json!({"type": "remove", "client": client}),
        "client-admit" => json!({"type": "admit", "client": client}),
        "client-lock" => json!({"type": "lock", "locked": true}),
        "client-ping" => json!({"type": "ping", "t": 1234.5}),
        "server-welcome" => json!({
            "type": "welcome", "protocol": 1, "room": "studio", "client": client, "role": "editor",
            "seq": 12, "canvas": {"width": 512, "height": 512},
            "settings": {
                "prompt": "a harbour at night", "negative_prompt": "", "guidance_scale": 1.0,
                "steps": 2, "strength": 1.0, "seed": 0, "variation": 0.0, "sampler": "lcm",
                "timestep_spacing": "default", "sigmas": "default", "spread": 16, "live": true, "method": "ddim", "finish": "oil",
                "finish_strength": 0.6, "control": "", "control_preprocess": "xdog",
                "control_scale": 1.0, "control_start": 0.0, "control_end": 1.0,
                "ip_adapter": "", "reference": "", "reference_scale": 0.6,
                "reference_start": 0.0, "reference_end": 1.0,
            },
            "model": {
                "id": "storybook", "family": "sketch", "native_size": 256, "largest_zoom": 2,
                "device": "cpu", "dtype": "f32", "max_steps": 50, "guidance_free": false,
                "samplers": ["lcm", "ddim"],
                "schedules": {
                    "lcm": {"timestep_spacing": [], "sigmas": [], "largest_timestep": 999},
                    "ddim": {"timestep_spacing": ["leading", "linspace", "trailing"], "sigmas": []},
                },
                "defaults": {
                    "sampler": "lcm", "steps": 2, "guidance_scale": 1.0, "strength": 1.0,
                    "variation": 0.0, "finish": "oil", "finish_strength": 0.6,
                    "photo": {"guidance_scale": 3.0, "strength": 0.7, "finish": "none"},
                },
            },
            "members": [{"client": client, "name": "Ada", "role": "editor", "hue": 210}],
            "layers": [{
                "id": 0, "name": "Layer 1", "visible": true, "opacity": 1.0, "blend": "normal",
                "locked": false, "alpha_locked": false, "seen": true,
            }],
            "kept": true, "locked": false, "removed": [], "chat": [],
        }),
        "server-ack" => json!({"type": "ack", "id": "s1", "seq": 13}),
        "server-op" => json!({
            "type": "op", "seq": 14, "client": client, "op": {"type": "undo", "target": 13},
            "switches": [{"entry": 13, "active": false}],
        }),
        "server-render" => json!({
            "type": "render", "state": "done", "rev": 13, "rect": [64, 32, 128, 128], "steps": 2,
            "timings_ms": {"queue": 0.2, "encode": 24.0, "denoise": 86.0, "total": 140.0},
        }),
        "server-member" => {
            json!({
                "type": "member", "event": "joined", "client": client, "name": "Ada",
                "role": "editor", "hue": 210,
            })
        }
        "server-room" => json!({"type": "room", "locked": true, "removed": [], "by": client}),
        "server-chat" => json!({
            "type": "chat", "number": 1, "client": client, "name": "Ada", "hue": 210,
            "text": "The sky is yours.", "age_ms": 0,
        }),
        "server-strain" => json!({"type": "strain", "level": "fewer_steps"}),
        "server-error" => json!({
            "type": "error", "code": "rate_limited",
            "message": "Too many messages came at once; send fewer.", "retry_after_ms": 500,
        }),
        "server-pong" => json!({"type": "pong", "t": 1234.5}),
        "server-goaway" => {
            json!({"type": "goaway", "reason": "the server stops", "retry_after_ms": 2000})
        }
        _ => return None,
    })
}
