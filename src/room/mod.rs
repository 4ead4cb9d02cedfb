//! The room: op order, members, undo, journal, what to render next.
