//! What waits until the journal has an op: its acknowledgement, the news of it, and whoever joins
//! meanwhile, so that nobody ever knows of an op that a crash takes back.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    document::{DocumentSnapshot, ShownPicture},
    error::RoomError,
    members::Joined,
    store::{Entry, Record, Recorder},
};
use crate::{canvas::Pixels, picture_file::Origin, protocol::SequencedOp};

/// Something to do once all ops up to a moment are on disk.
pub(super) enum Held {
    /// To its author.
    Acknowledge {
        client: Uuid,
        id: Option<String>,
        seq: u64,
    },
    /// To every connection up to this one; later ones had it with their welcome.
    Tell {
        op: Box<SequencedOp>,
        connections: u64,
    },
    /// To somebody whose welcome knows the op.
    Welcome(oneshot::Sender<Result<Joined, RoomError>>, Box<Joined>),
}

/// A room's recorder, if anything keeps the room, and what waits for it.
pub(super) struct Keeping {
    recorder: Option<Recorder>,
    /// In the order of the ops that they wait for.
    held: VecDeque<(u64, Held)>,
    /// `seq` of the last op.
    last: u64,
    lost: bool,
}

impl Keeping {
    pub(super) fn new(recorder: Option<Recorder>, last: u64) -> Self {
        Self {
            recorder,
            held: VecDeque::new(),
            last,
            lost: false,
        }
    }

    /// An op has changed the document.
    pub(super) fn keep_op(&mut self, op: &SequencedOp) {
        self.last = op.seq;
        self.give(|| Entry::Record(Box::new(Record::Op(op.clone()))));
    }

    /// A render has changed the result.
    pub(super) fn keep_picture(&mut self, picture: ShownPicture) {
        self.give(|| Entry::Record(Box::new(Record::Picture(picture))));
    }

    /// The document after everything so far.
    pub(super) fn keep_snapshot(&mut self, document: DocumentSnapshot) {
        self.give(|| Entry::Snapshot(Box::new(document)));
    }

    /// What the result is, for the recording: where that is wanted, `picture` is asked for it.
    pub(super) fn keep_result(
        &mut self,
        room_ends: bool,
        picture: impl FnOnce() -> Option<(Origin, Pixels)>,
    ) {
        let last = self.last;
        if let Some(recorder) = &mut self.recorder
            && recorder.wants_result(last, room_ends)
            && let Some((origin, pixels)) = picture()
            && !recorder.give_result(last, origin, pixels)
        {
            self.lost = true;
        }
    }

    fn give(&mut self, entry: impl FnOnce() -> Entry) {
        if let Some(recorder) = &self.recorder
            && !recorder.give(entry())
        {
            self.lost = true;
        }
    }

    /// Holds something until every op so far, `seq` among them, is on disk.
    pub(super) fn hold(&mut self, seq: u64, held: Held) {
        self.held.push_back((seq.max(self.last), held));
    }

    /// What waits no longer, in order.
    pub(super) fn take_kept(&mut self) -> Vec<Held> {
        let kept = self.recorder.as_ref().map(Recorder::kept);
        self.take_until(kept)
    }

    /// What waits for no op after `kept`; all of it where nothing keeps the room.
    fn take_until(&mut self, kept: Option<u64>) -> Vec<Held> {
        let kept = kept.unwrap_or(u64::MAX);
        let count = self.held.partition_point(|(seq, _)| *seq <= kept);
        self.held.drain(..count).map(|(_, held)| held).collect()
    }

    /// True while the room may take messages and events.
    pub(super) fn has_places(&self) -> bool {
        self.recorder.as_ref().is_none_or(Recorder::has_places)
    }

    /// True when something could not be kept: the room has to end.
    pub(super) fn has_failed(&self) -> bool {
        self.lost || self.recorder.as_ref().is_some_and(Recorder::has_failed)
    }

    /// True when [`Self::keep_snapshot`] should be called.
    pub(super) fn is_snapshot_due(&self) -> bool {
        self.recorder
            .as_ref()
            .is_some_and(Recorder::is_snapshot_due)
    }

    /// Waits until the recorder has come further; for ever where there is none.
    pub(super) async fn advance(&mut self) {
        match &mut self.recorder {
            Some(recorder) => recorder.advance().await,
            None => std::future::pending().await,
        }
    }

    /// Ends the recorder after all that it was given, and answers what waited for that.
    pub(super) async fn finish(&mut self) -> Vec<Held> {
        let kept = match self.recorder.take() {
            Some(recorder) => Some(recorder.finish().await),
            None => None,
        };
        self.take_until(kept)
    }
}
