//! Who may enter a room, as what; and who may do what holds for the whole server.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;

use super::access_error::{AGREEMENTS_MOST, AccessError, INVITES_OF_A_ROOM_MOST};
use super::access_files::{key_of, read_json, write_whole};
use super::agreement::{Agreement, Bearer, KeptInvite};
use super::deleted_rooms::DeletedRooms;
use super::invites::{Invite, InviteKey, seconds_from_now};
use crate::protocol::{CanvasSize, Role};

/// The longest that an invite with an end may hold: ten years.
pub const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The key's file in the data folder.
const KEY_FILE: &str = "invites.key";
/// The file of rooms and invites in the data folder.
const BOOK_FILE: &str = "invites.json";
/// The file of deleted rooms' names in the data folder.
const DELETED_FILE: &str = "deleted-rooms.json";

/// The three tokens of a new room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Invites {
    /// Lets its bearer in as owner.
    pub owner: String,
    /// Lets its bearer in as editor.
    pub editor: String,
    /// Lets its bearer in as viewer.
    pub viewer: String,
}

/// What a token gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What its bearer may do in the room.
    pub role: Role,
    /// The invite that gave it; `None` for the operator, and where no token is required.
    pub invite: Option<Uuid>,
    /// How long it holds; `None` without an end.
    pub remaining: Option<Duration>,
    /// The bearer runs the server: limits of rooms are not for them.
    pub is_operator: bool,
}

type Book = BTreeMap<String, Agreement>;

/// The invites of all rooms. They outlive a room that is not in memory and, in a data folder, the
/// process, so that links go on working.
#[derive(Debug)]
pub struct Access {
    required: bool,
    key: InviteKey,
    book: Mutex<Book>,
    deleted: Mutex<DeletedRooms>,
    folder: Option<PathBuf>,
    /// Counts the calls that want everything on disk that was changed before them.
    saves: AtomicU64,
    /// The last of those whose changes are.
    saved: Mutex<u64>,
    revocations: watch::Sender<u64>,
}

impl Access {
    /// With `required`, nobody enters a room without one of its tokens. Nothing is kept on disk.
    pub fn new(required: bool) -> Self {
        Self {
            required,
            key: InviteKey::random(),
            book: Mutex::default(),
            deleted: Mutex::default(),
            folder: None,
            saves: AtomicU64::new(0),
            saved: Mutex::default(),
            revocations: watch::Sender::new(0),
        }
    }

    /// With the key and the invites of a data folder, which are kept there from now on.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn in_folder(required: bool, folder: &Path) -> io::Result<Self> {
        Ok(Self {
            key: key_of(&folder.join(KEY_FILE))?,
            book: Mutex::new(read_json(&folder.join(BOOK_FILE))?),
            deleted: Mutex::new(read_json(&folder.join(DELETED_FILE))?),
            folder: Some(folder.to_owned()),
            ..Self::new(required)
        })
    }

    /// Writes the invites to the data folder, if there is one. Blocks; whoever changed something
    /// answers after it.
    ///
    /// # Errors
    /// When they cannot be written: then they hold until the process ends.
    pub fn save(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let wanted = self.saves.fetch_add(1, Ordering::SeqCst) + 1;
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if *saved >= wanted {
            // One that waited with this call wrote for all.
            return Ok(());
        }
        let through = self.saves.load(Ordering::SeqCst);
        // Before the invites are gone: no crash in between makes them good for another room.
        let deleted = serde_json::to_vec(&*self.deleted())?;
        write_whole(&folder.join(DELETED_FILE), &deleted)?;
        let book = serde_json::to_vec(&*self.book())?;
        write_whole(&folder.join(BOOK_FILE), &book)?;
        *saved = through;
        Ok(())
    }

    /// Whether tokens are required.
    pub fn required(&self) -> bool {
        self.required
    }

    /// The token that may do everything.
    pub fn operator_token(&self) -> String {
        self.key.operator_token()
    }

    /// Makes invites for a new room, and forgets those of rooms that are gone when there are too
    /// many of them; `alive` says which rooms are not.
    ///
    /// # Errors
    /// [`AccessError::TooManyRooms`].
    pub fn agree(
        &self,
        room: &str,
        canvas: CanvasSize,
        alive: impl Fn(&str) -> bool,
    ) -> Result<Invites, AccessError> {
        let mut book = self.book();
        if book.len() >= AGREEMENTS_MOST {
            book.retain(|room, agreement| alive(room) || agreement.is_restricted());
        }
        if book.len() >= AGREEMENTS_MOST && !book.contains_key(room) {
            return Err(AccessError::TooManyRooms);
        }
        let mut kept = Vec::new();
        let mut token = |role| {
            let invite = Invite::new(room, role);
            let token = self.key.sign(&invite);
            kept.push(KeptInvite::new(invite));
            token
        };
        let invites = Invites {
            owner: token(Role::Owner),
            editor: token(Role::Editor),
            viewer: token(Role::Viewer),
        };
        let agreement = Agreement {
            canvas,
            invites: kept,
        };
        book.insert(room.to_owned(), agreement);
        drop(book);
        self.deleted().remove(room);
        Ok(invites)
    }

    /// The room is deleted: its invites open nothing any more, and its name no other room where
    /// tokens are required. Answers what [`Access::reopen`] takes.
    pub fn close(&self, room: &str) -> Option<Agreement> {
        self.deleted().add(room);
        self.book().remove(room)
    }

    /// The room is there after all.
    pub fn reopen(&self, room: &str, agreement: Option<Agreement>) {
        if let Some(agreement) = agreement {
            self.book().insert(room.to_owned(), agreement);
        }
        self.deleted().remove(room);
    }

    /// Forgets a room that was never entered.
    pub fn forget(&self, room: &str) {
        self.book().remove(room);
    }

    /// Whether the room was deleted, as far as that is remembered.
    pub fn is_deleted(&self, room: &str) -> bool {
        self.deleted().contains(room)
    }

    /// Whether no room of that name may be made: one that was deleted had invites, which must not
    /// open another one.
    pub fn is_reserved(&self, room: &str) -> bool {
        self.knows(room) || (self.required && self.is_deleted(room))
    }

    /// Whether the room was made, and its invites are still kept.
    pub fn knows(&self, room: &str) -> bool {
        self.book().contains_key(room)
    }

    /// The canvas of a room that was made with invites.
    pub fn canvas(&self, room: &str) -> Option<CanvasSize> {
        self.book().get(room).map(|agreement| agreement.canvas)
    }

    /// Makes another invite for a room, whose canvas is `canvas` where that is not known yet.
    ///
    /// # Errors
    /// [`AccessError::TooManyInvites`].
    pub fn mint(
        &self,
        room: &str,
        canvas: CanvasSize,
        role: Role,
        expires_in: Option<Duration>,
        uses: Option<u32>,
    ) -> Result<(Invite, String), AccessError> {
        let mut book = self.book();
        if book.len() >= AGREEMENTS_MOST && !book.contains_key(room) {
            return Err(AccessError::TooManyRooms);
        }
        let agreement = book.entry(room.to_owned()).or_insert_with(|| Agreement {
            canvas,
            invites: Vec::new(),
        });
        if agreement.invites.len() >= INVITES_OF_A_ROOM_MOST {
            // One that has expired opens nothing, whether it is remembered or not.
            agreement.invites.retain(|kept| !kept.invite.has_expired());
        }
        if agreement.invites.len() >= INVITES_OF_A_ROOM_MOST {
            return Err(AccessError::TooManyInvites);
        }
        let mut invite = Invite::new(room, role);
        invite.expires_at = expires_in.map(seconds_from_now);
        invite.uses = uses;
        agreement.invites.push(KeptInvite::new(invite.clone()));
        let token = self.key.sign(&invite);
        Ok((invite, token))
    }

    /// The invites of a room, in the order in which they were made.
    pub fn invites(&self, room: &str) -> Vec<KeptInvite> {
        let book = self.book();
        book.get(room)
            .map(|agreement| agreement.invites.clone())
            .unwrap_or_default()
    }

    /// Revokes an invite; false when the room has none of that id.
    pub fn revoke(&self, room: &str, id: Uuid) -> bool {
        let mut book = self.book();
        let found = book.get_mut(room).and_then(|agreement| {
            let mut invites = agreement.invites.iter_mut();
            invites.find(|kept| kept.invite.id == id)
        });
        let Some(kept) = found else {
            return false;
        };
        kept.revoked = true;
        drop(book);
        self.revocations.send_modify(|count| *count += 1);
        true
    }

    /// Changes whenever an invite is revoked.
    pub fn revocations(&self) -> watch::Receiver<u64> {
        self.revocations.subscribe()
    }

    /// Whether an invite was revoked.
    pub fn is_revoked(&self, room: &str, id: Uuid) -> bool {
        let book = self.book();
        let kept = book.get(room).map(|agreement| &agreement.invites);
        kept.into_iter()
            .flatten()
            .any(|kept| kept.invite.id == id && kept.revoked)
    }

    /// Whether the bearer of `token` may do what holds for the whole server. Where no token is
    /// required, everybody may.
    ///
    /// # Errors
    /// [`AccessError::NotOperator`] for everybody but the operator.
    pub fn operator(&self, token: Option<&str>) -> Result<(), AccessError> {
        let is_operator = token.is_some_and(|token| self.key.is_operator(token));
        match is_operator || !self.required {
            true => Ok(()),
            false => Err(AccessError::NotOperator),
        }
    }

    /// What the bearer of `token` may do in `room`. Where no token is required, everybody without
    /// one is trusted as an owner. `is_removed` says which clients owners of the room removed. True
    /// beside the grant where a client is new to its invite, which has to be saved.
    ///
    /// # Errors
    /// [`AccessError`] when the token is not one of the room's or holds no more, or is required
    /// and missing.
    pub fn grant(
        &self,
        room: &str,
        token: Option<&str>,
        bearer: Bearer,
        is_removed: &dyn Fn(&Uuid) -> bool,
    ) -> Result<(Grant, bool), AccessError> {
        let Some(token) = token else {
            let trusted = Grant {
                role: Role::Owner,
                invite: None,
                remaining: None,
                is_operator: false,
            };
            return match self.required {
                true => Err(AccessError::InvalidToken),
                false => Ok((trusted, false)),
            };
        };
        if self.key.is_operator(token) {
            let operator = Grant {
                role: Role::Owner,
                invite: None,
                remaining: None,
                is_operator: true,
            };
            return Ok((operator, false));
        }
        let invite = self.key.verify(token).ok_or(AccessError::InvalidToken)?;
        if invite.room != room {
            return Err(AccessError::InvalidToken);
        }
        if self.is_deleted(room) {
            return Err(AccessError::Deleted);
        }
        if invite.has_expired() {
            return Err(AccessError::Expired);
        }
        let is_new = self.admit(&invite, bearer, is_removed)?;
        let grant = Grant {
            role: invite.role,
            invite: Some(invite.id),
            remaining: invite.remaining(),
            is_operator: false,
        };
        Ok((grant, is_new))
    }

    /// Whether an invite lets its bearer in now; true where that has to be saved.
    fn admit(
        &self,
        invite: &Invite,
        bearer: Bearer,
        is_removed: &dyn Fn(&Uuid) -> bool,
    ) -> Result<bool, AccessError> {
        let mut book = self.book();
        let found = book.get_mut(&invite.room).and_then(|agreement| {
            let mut invites = agreement.invites.iter_mut();
            invites.find(|kept| kept.invite.id == invite.id)
        });
        match found {
            Some(kept) => kept.admit(bearer, is_removed),
            // Only invites without restrictions are ever forgotten.
            None if invite.uses.is_none() => Ok(false),
            None => Err(AccessError::InvalidToken),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deleted(&self) -> MutexGuard<'_, DeletedRooms> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token of `Authorization: Bearer <token>`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests;
