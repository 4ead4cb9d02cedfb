//! What a client sends, and what is sent to it.

use bytes::Bytes;
use impasto::protocol::{
    ClientMessage, ErrorCode, MAX_ID_CHARS, MAX_POINTS, MAX_TEXT_BYTES, decode_client_message,
    decode_frame, encode_frame, validate_client_message,
};

/// A message that is read keeps to the limits, and is the same once it was written and read again;
/// a refusal has a code of this layer.
pub fn client_message(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match decode_client_message(text) {
        Ok(message) => {
            assert!(text.len() <= MAX_TEXT_BYTES);
            assert_eq!(validate_client_message(&message), Ok(()));
            if let ClientMessage::Stroke(chunk) = &message {
                assert!(chunk.points.len() <= MAX_POINTS);
                assert!(chunk.points.iter().flatten().all(|value| value.is_finite()));
            }
            let written = serde_json::to_string(&message).unwrap();
            assert_eq!(decode_client_message(&written), Ok(message), "{written}");
        }
        Err(error) => {
            let codes = [
                ErrorCode::TooLarge,
                ErrorCode::MalformedMessage,
                ErrorCode::UnknownType,
                ErrorCode::InvalidValue,
            ];
            assert!(codes.contains(&error.code), "{error:?}");
            assert!(!error.message.is_empty());
            let id = error.id.unwrap_or_default();
            assert!(id.chars().count() <= MAX_ID_CHARS);
        }
    }
}

/// A frame that is read gives its image to the byte, and is the same once it was written again.
pub fn frame(bytes: &[u8]) {
    let frame = Bytes::copy_from_slice(bytes);
    let Ok((header, image)) = decode_frame(&frame) else {
        return;
    };
    assert!(bytes.ends_with(&image));
    let written = encode_frame(&header, &image).unwrap();
    let (header_again, image_again) = decode_frame(&written).unwrap();
    assert_eq!((header_again, image_again), (header, image));
}
