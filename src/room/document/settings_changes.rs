//! Changes of settings: what becomes a step of the history, and what a change makes stale.

use uuid::Uuid;

use super::{
    changed::{Changed, Obsolete},
    history::EntryKind,
    settings::picture_settings,
    state::Document,
};
use crate::protocol::SettingsPatch;

impl Document {
    /// Changes settings, as a step of the author's that undo takes back.
    pub(super) fn change_settings(
        &mut self,
        seq: u64,
        author: Uuid,
        patch: &SettingsPatch,
    ) -> Changed {
        // What the room itself changes, because the model cannot have it, must not come back.
        if author.is_nil() {
            self.settings_log.change_for_good(patch);
            return self.follow_settings();
        }
        // Whether strokes are rendered is nothing that is in the picture.
        self.settings_log.change_for_good(&SettingsPatch {
            live: patch.live,
            ..SettingsPatch::default()
        });
        let patch = SettingsPatch {
            live: None,
            ..patch.changes_to(&self.settings)
        };
        if !patch.is_empty() {
            let leader = self.history.undo_target(&author);
            let leader = leader.filter(|_| patch.continues);
            match self.goes_on(leader) {
                Some(entry) => self.settings_log.extend(entry, &patch),
                None => {
                    let kind = EntryKind::Settings;
                    self.history.push_after(leader, seq, author, kind);
                    self.settings_log.push(seq, patch);
                }
            }
        }
        self.follow_settings()
    }

    /// The change of settings that one goes on with which belongs to `leader`. Only the newest in the
    /// picture can: in an older one it might come to nothing, because newer ones have the last word.
    fn goes_on(&self, leader: Option<u64>) -> Option<u64> {
        let newest = self.settings_log.newest(&self.history)?;
        let belongs = Some(newest) == leader || self.history.leader(newest) == leader;
        (leader.is_some() && belongs).then_some(newest)
    }

    /// The changes of settings that are in the picture may be others.
    pub(super) fn follow_settings(&mut self) -> Changed {
        let settings = self.settings_log.settings(&self.history);
        let old = std::mem::replace(&mut self.settings, settings);
        let mut changed = Changed::default();
        if self.settings.spread != old.spread {
            let rect = self.canvas.set_dilation(self.settings.spread);
            changed.result = rect;
            changed.mask.push(rect);
        }
        if picture_settings(&old) != picture_settings(&self.settings) {
            let everywhere = self.canvas.bounds();
            changed.stale = everywhere;
            changed.obsolete = Obsolete::Running;
            changed.mask.extend(self.canvas.masked_rects(&everywhere));
        }
        changed
    }
}
