//! Who a client is to others.
//!
//! What a client says in `hello` is its secret: it is never sent to anybody. Members, the room
//! and the journal know an id that is derived from it.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Separates these hashes from all others.
const PURPOSE: &[u8] = b"impasto member\0";

/// The id of a client in a room, by the client's secret. The same client has another id in
/// another room, so that nobody can follow it; the secret cannot be found from the id.
pub fn member_id(room: &str, secret: Uuid) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(PURPOSE);
    hash.update(room.as_bytes());
    hash.update([0]);
    hash.update(secret.as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// A name as it may be shown to others: without control characters, and without the characters
/// that turn the direction of the text around them.
pub fn shown_text(name: &str) -> String {
    let shown = |letter: &char| !letter.is_control() && !is_invisible_format(*letter);
    name.chars().filter(shown).collect()
}

/// Marks, embeddings, overrides and isolates of the Unicode bidirectional algorithm, line and
/// paragraph separators, and characters of no width that make two names look the same. The joiners
/// U+200C and U+200D stay: scripts and emoji need them.
fn is_invisible_format(letter: char) -> bool {
    matches!(
        letter,
        '\u{061c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_again_and_tells_nothing_of_the_secret() {
        let secret = Uuid::new_v4();
        let id = member_id("studio", secret);
        assert_eq!(id, member_id("studio", secret));
        assert_ne!(id, secret);
        assert_ne!(id, member_id("gallery", secret));
        assert_ne!(id, member_id("studio", id));
    }

    #[test]
    fn names_keep_their_letters_and_lose_what_is_not_seen() {
        assert_eq!(shown_text("Ada\u{202e}\u{7}\n Lovelace"), "Ada Lovelace");
        assert_eq!(shown_text("\u{2066}زينب\u{2069}"), "زينب");
        assert_eq!(shown_text("👩\u{200d}🎨"), "👩\u{200d}🎨");
        assert_eq!(shown_text("\u{feff}"), "");
    }
}
