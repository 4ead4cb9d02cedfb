//! Who may do what: one table.

use crate::{
    protocol::Role,
    room::{command::RoomCommand, document::Refusal},
};

/// What a member wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::room) enum Deed {
    /// Show where its pointer is.
    Point,
    /// Say something.
    Chat,
    /// Change the picture, or what is made of it.
    Change,
    /// Decide about people: roles, who has to go and may come back, the lock.
    Govern,
}

impl Deed {
    /// What a command wants.
    pub(in crate::room) fn of(command: &RoomCommand) -> Self {
        match command {
            RoomCommand::Presence(_) => Self::Point,
            RoomCommand::Chat(_) => Self::Chat,
            RoomCommand::Stroke(_)
            | RoomCommand::Settings(_)
            | RoomCommand::Layer(_)
            | RoomCommand::Render(_)
            | RoomCommand::Apply
            | RoomCommand::Place(_)
            | RoomCommand::CancelInversion
            | RoomCommand::Undo
            | RoomCommand::Redo
            | RoomCommand::Revert { .. } => Self::Change,
            RoomCommand::Role { .. }
            | RoomCommand::Remove { .. }
            | RoomCommand::Admit { .. }
            | RoomCommand::Lock { .. } => Self::Govern,
        }
    }

    /// Checks that a role may do it in a room that is locked, or is not.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(self, role: Role, is_locked: bool) -> Result<(), Refusal> {
        match (self, role, is_locked) {
            (Self::Point, _, _) | (_, Role::Owner, _) => Ok(()),
            (Self::Govern, _, _) => Err(Refusal::NotOwner),
            (Self::Change, Role::Viewer, _) => Err(Refusal::Viewer),
            (Self::Change, Role::Editor, true) => Err(Refusal::Locked),
            (Self::Chat, Role::Viewer, true) => Err(Refusal::SilentViewer),
            (Self::Change | Self::Chat, Role::Editor, _) | (Self::Chat, Role::Viewer, false) => {
                Ok(())
            }
        }
    }
}
