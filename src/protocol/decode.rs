//! Text frames from clients, with a stable error code for each way to be wrong.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Brush, ClientMessage, ErrorCode, ErrorMessage, Hello, LayerChange, MAX_TEXT_BYTES, Placement,
    Presence, RenderRequest, Role, SettingsPatch, StrokeChunk, StrokePoint,
    validate_client_message,
};

/// The fields of a [`Brush`] that make a chunk the first of a stroke.
const BRUSH_FIELDS: [&str; 5] = ["tool", "size", "hardness", "opacity", "color"];

/// Reads and validates one text frame.
///
/// # Errors
/// `too_large` over [`MAX_TEXT_BYTES`]; `malformed_message` when it is not a JSON object of the
/// right shape; `unknown_type`; `invalid_value` when a number is not finite or out of its range,
/// or a text is too long. An error about a stroke carries the stroke's id.
pub fn decode_client_message(text: &str) -> Result<ClientMessage, ErrorMessage> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(ErrorMessage::new(
            ErrorCode::TooLarge,
            format!("A message may have {MAX_TEXT_BYTES} bytes at most; send it in parts."),
        ));
    }
    let mut fields = object_from_text(text)?;
    let Some(Value::String(name)) = fields.remove("type") else {
        return Err(malformed("The message needs a text field `type`."));
    };
    let message = message_from_fields(&name, fields)?;
    validate_client_message(&message)?;
    Ok(message)
}

/// Reads the JSON object that an HTTP call was sent, with the codes of [`decode_client_message`];
/// how long it may be and what its values may be is the caller's to judge.
///
/// # Errors
/// `malformed_message` when it is not a JSON object of the right shape, `invalid_value` when a value
/// is of the right kind and none of those that there are.
pub fn decode_body<T: DeserializeOwned>(body: &str) -> Result<T, ErrorMessage> {
    from_fields(object_from_text(body)?)
}

fn object_from_text(text: &str) -> Result<Map<String, Value>, ErrorMessage> {
    match serde_json::from_str(text) {
        Ok(Value::Object(mut fields)) => {
            fields.values_mut().for_each(whole_numbers);
            Ok(fields)
        }
        Ok(_) => Err(malformed("A message is one JSON object.")),
        // serde_json has no public kind for this one error.
        Err(error) if error.to_string().starts_with("number out of range") => Err(invalid(
            "A number in the message is too large to be finite.",
        )),
        Err(error) => Err(malformed(format!("The message is not JSON: {error}."))),
    }
}

/// Writes `4.0` as `4`: one number in JSON, and what Lua, C# and others write for whole numbers.
fn whole_numbers(value: &mut Value) {
    /// The largest number up to which all whole numbers are floats.
    const LARGEST: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Array(values) => values.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or(f64::NAN);
            if float.fract() == 0.0 && (0.0..=LARGEST).contains(&float) {
                *value = Value::from(float as u64);
            }
        }
        _ => {}
    }
}

fn message_from_fields(
    name: &str,
    fields: Map<String, Value>,
) -> Result<ClientMessage, ErrorMessage> {
    Ok(match name {
        "hello" => ClientMessage::Hello(from_fields::<Hello>(fields)?),
        "stroke" => ClientMessage::Stroke(stroke_from_fields(fields)?),
        "settings" => ClientMessage::Settings(from_fields::<SettingsPatch>(fields)?),
        "layer" => ClientMessage::Layer(from_fields::<LayerChange>(fields)?),
        "render" => ClientMessage::Render(from_fields::<RenderRequest>(fields)?),
        "apply" => ClientMessage::Apply {},
        "place" => ClientMessage::Place(from_fields::<Placement>(fields)?),
        "cancel" => ClientMessage::Cancel {},
        "undo" => ClientMessage::Undo {},
        "redo" => ClientMessage::Redo {},
        "revert" => ClientMessage::Revert {
            seq: field::<u64>(&fields, "seq")?,
        },
        "presence" => ClientMessage::Presence(from_fields::<Presence>(fields)?),
        "chat" => ClientMessage::Chat {
            text: field::<String>(&fields, "text")?,
        },
        "role" => ClientMessage::Role {
            client: field::<Uuid>(&fields, "client")?,
            role: field::<Role>(&fields, "role")?,
        },
        "remove" => ClientMessage::Remove {
            client: field::<Uuid>(&fields, "client")?,
        },
        "admit" => ClientMessage::Admit {
            client: field::<Uuid>(&fields, "client")?,
        },
        "lock" => ClientMessage::Lock {
            locked: field::<bool>(&fields, "locked")?,
        },
        "ping" => ClientMessage::Ping {
            t: field::<f64>(&fields, "t")?,
        },
        _ => {
            let shown: String = name.chars().take(40).collect();
            return Err(ErrorMessage::new(
                ErrorCode::UnknownType,
                format!("`{shown}` is not a message of protocol version 1; see docs/protocol.md."),
            ));
        }
    })
}

/// A chunk by hand: serde's flattened `Option<Brush>` would turn a wrong brush into none.
fn stroke_from_fields(fields: Map<String, Value>) -> Result<StrokeChunk, ErrorMessage> {
    let id: String = field(&fields, "id")?;
    let chunk = || -> Result<StrokeChunk, ErrorMessage> {
        Ok(StrokeChunk {
            id: id.clone(),
            points: field::<Vec<StrokePoint>>(&fields, "points")?,
            done: match fields.get("done") {
                Some(_) => field::<bool>(&fields, "done")?,
                None => false,
            },
            brush: if BRUSH_FIELDS.iter().any(|name| fields.contains_key(*name)) {
                Some(from_fields::<Brush>(fields.clone())?)
            } else {
                None
            },
        })
    };
    chunk().map_err(|error| error.about(id.chars().take(super::MAX_ID_CHARS).collect::<String>()))
}

fn field<T: DeserializeOwned>(fields: &Map<String, Value>, name: &str) -> Result<T, ErrorMessage> {
    let value = fields
        .get(name)
        .ok_or_else(|| malformed(format!("The field `{name}` is missing.")))?;
    serde_json::from_value(value.clone())
        .map_err(|error| refusal_from_serde(&error, &format!("The field `{name}` is wrong: ")))
}

fn from_fields<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, ErrorMessage> {
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| refusal_from_serde(&error, "The message is wrong: "))
}

/// A value of the right kind that is out of range (a negative size, `null` for a number: what
/// JavaScript writes for NaN, an unknown tool) is `invalid_value`; another shape is malformed.
fn refusal_from_serde(error: &serde_json::Error, before: &str) -> ErrorMessage {
    let told = error.to_string();
    let wrong_number = told.starts_with("invalid type: null")
        || told.starts_with("invalid type: integer")
        || told.starts_with("invalid type: floating point");
    let number_expected = [
        "expected f32",
        "expected f64",
        "expected i32",
        "expected u32",
        "expected u64",
    ]
    .iter()
    .any(|end| told.contains(end));
    let out_of_range = told.starts_with("invalid value")
        || told.starts_with("unknown variant")
        || told.starts_with("UUID parsing failed")
        || (wrong_number && number_expected);
    let message = format!("{before}{told}.");
    if out_of_range {
        invalid(message)
    } else {
        malformed(message)
    }
}

fn malformed(message: impl Into<String>) -> ErrorMessage {
    ErrorMessage::new(ErrorCode::MalformedMessage, message)
}

fn invalid(message: impl Into<String>) -> ErrorMessage {
    ErrorMessage::new(ErrorCode::InvalidValue, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        for (written, plain) in [
            (
                r#"{"type":"settings","steps":4.0,"seed":7.0,"spread":8.0}"#,
                r#"{"type":"settings","steps":4,"seed":7,"spread":8}"#,
            ),
            (
                r#"{"type":"render","rect":[0.0,0.0,64.0,1e2],"steps":2.0}"#,
                r#"{"type":"render","rect":[0,0,64,100],"steps":2}"#,
            ),
            (
                r#"{"type":"revert","seq":3.0}"#,
                r#"{"type":"revert","seq":3}"#,
            ),
        ] {
            let read = |text| decode_client_message(text).unwrap();
            assert_eq!(read(written), read(plain));
        }
        for text in [
            r#"{"type":"settings","steps":4.5}"#,
            r#"{"type":"settings","seed":-7.0}"#,
            r#"{"type":"revert","seq":1e300}"#,
        ] {
            assert!(decode_client_message(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_number_comes_out_as_it_was_written() {
        // The nearest of two floats is a hair away for the first ones: readers that take a short
        // cut find the other.
        let hard = [
            1.1,
            0.30000000000000004,
            2.225073858507201e-308,
            5e-324,
            1.7976931348623157e308,
            123456789.12345679,
            -0.1,
        ];
        let many = (1..2000u64).map(|seed| {
            let bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (seed << 52);
            f64::from_bits(bits)
        });
        for t in hard.into_iter().chain(many.filter(|t| t.is_finite())) {
            let text = format!(r#"{{"type":"ping","t":{t:e}}}"#);
            let message = decode_client_message(&text).unwrap();
            assert_eq!(message, ClientMessage::Ping { t }, "{text}");
            let pong = crate::protocol::ServerMessage::Pong { t };
            let written = serde_json::to_string(&pong).unwrap();
            let read: crate::protocol::ServerMessage = serde_json::from_str(&written).unwrap();
            assert_eq!(read, pong, "{written}");
        }
    }
}
