//! Invites: signed tokens that say who may do what in a room, until when, and how often.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::protocol::Role;

/// Version of the claims that are signed.
const VERSION: u8 = 1;
/// Separates the two things that the key is used for.
const INVITE: &[u8] = b"impasto invite\0";
const OPERATOR: &[u8] = b"impasto operator\0";

/// What an invite says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    #[serde(rename = "v")]
    version: u8,
    /// Names the invite, to revoke it.
    pub id: Uuid,
    /// The room that it opens.
    pub room: String,
    /// What its bearer may do there.
    pub role: Role,
    /// Seconds since 1970 after which it opens nothing; never where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// How many different clients may come in by it; any number where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
}

impl Invite {
    /// An invite without an end.
    pub fn new(room: &str, role: Role) -> Self {
        Self {
            version: VERSION,
            id: Uuid::new_v4(),
            room: room.to_owned(),
            role,
            expires_at: None,
            uses: None,
        }
    }

    /// How long it still holds; `None` for one that does not end.
    pub fn remaining(&self) -> Option<Duration> {
        let end = UNIX_EPOCH + Duration::from_secs(self.expires_at?);
        Some(end.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// Whether its time is over.
    pub fn has_expired(&self) -> bool {
        self.remaining().is_some_and(|left| left.is_zero())
    }
}

/// Seconds since 1970, `after` from now.
pub fn seconds_from_now(after: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().saturating_add(after).as_secs()
}

/// The key that invites are signed with: HMAC-SHA256 (RFC 2104) over their JSON.
#[derive(Clone)]
pub struct InviteKey([u8; 32]);

impl InviteKey {
    /// Length of a key, in bytes.
    pub const BYTES: usize = 32;

    /// A key that nobody knows.
    pub fn random() -> Self {
        let mut key = [0; Self::BYTES];
        // Each has 122 random bits of the operating system.
        key[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        key[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self(key)
    }

    /// A key that was kept.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The key, to be kept.
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The token of an invite: `base64url(claims).base64url(signature)`.
    pub fn sign(&self, invite: &Invite) -> String {
        // A struct of texts and numbers is always JSON.
        let claims = serde_json::to_vec(invite).unwrap_or_default();
        let signature = self.mac(INVITE, &claims).finalize().into_bytes();
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(claims),
            URL_SAFE_NO_PAD.encode(signature)
        )
    }

    /// The invite of a token that was signed with this key. Signatures are compared in a time that
    /// does not depend on where they differ.
    pub fn verify(&self, token: &str) -> Option<Invite> {
        let (claims, signature) = token.split_once('.')?;
        let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(INVITE, &claims).verify_slice(&signature).ok()?;
        let invite: Invite = serde_json::from_slice(&claims).ok()?;
        (invite.version == VERSION).then_some(invite)
    }

    /// The operator's token: the same as long as the key is.
    pub fn operator_token(&self) -> String {
        let token = self.mac(OPERATOR, b"").finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Whether `token` is the operator's.
    pub fn is_operator(&self, token: &str) -> bool {
        let Ok(token) = URL_SAFE_NO_PAD.decode(token) else {
            return false;
        };
        self.mac(OPERATOR, b"").verify_slice(&token).is_ok()
    }

    fn mac(&self, purpose: &[u8], text: &[u8]) -> Hmac<Sha256> {
        let mut padded = [0; 64];
        padded[..Self::BYTES].copy_from_slice(&self.0);
        // A key of the hash's block size is what `new_from_slice` makes of a shorter one.
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&padded.into());
        mac.update(purpose);
        mac.update(text);
        mac
    }
}

impl std::fmt::Debug for InviteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InviteKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_comes_back_and_nothing_else_does() {
        let key = InviteKey::random();
        let mut invite = Invite::new("zimmer_ü", Role::Editor);
        invite.expires_at = Some(seconds_from_now(Duration::from_secs(60)));
        invite.uses = Some(3);
        let token = key.sign(&invite);
        assert_eq!(key.verify(&token), Some(invite.clone()));
        assert_eq!(InviteKey::random().verify(&token), None);

        let (claims, signature) = token.split_once('.').unwrap();
        let mut other = invite.clone();
        other.role = Role::Owner;
        let owner = key.sign(&other);
        let (forged, _) = owner.split_once('.').unwrap();
        for token in [
            format!("{forged}.{signature}"),
            format!("{claims}."),
            claims.to_owned(),
            format!("{claims}.{}", &signature[..signature.len() - 1]),
            String::new(),
            ".".to_owned(),
            key.operator_token(),
        ] {
            assert_eq!(key.verify(&token), None, "{token}");
        }
        assert!(!key.is_operator(&token));
        assert!(key.is_operator(&key.operator_token()));
        assert!(!InviteKey::random().is_operator(&key.operator_token()));
    }

    #[test]
    fn the_longest_token_fits_into_a_hello() {
        let mut invite = Invite::new(&"ü".repeat(64), Role::Viewer);
        invite.expires_at = Some(u64::MAX);
        invite.uses = Some(u32::MAX);
        let token = InviteKey::random().sign(&invite);
        assert!(
            token.len() <= crate::protocol::MAX_TOKEN_CHARS,
            "{}",
            token.len()
        );
    }

    #[test]
    fn an_invite_ends_when_its_time_is_over() {
        let mut invite = Invite::new("studio", Role::Viewer);
        assert!(!invite.has_expired());
        invite.expires_at = Some(seconds_from_now(Duration::from_secs(600)));
        assert!(!invite.has_expired());
        invite.expires_at = Some(1);
        assert!(invite.has_expired());
    }
}
