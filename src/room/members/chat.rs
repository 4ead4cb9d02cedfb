//! What was said in the room lately. It is not kept on disk, and no op.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::protocol::{ChatLine, MemberInfo};

/// The most lines that are remembered; the oldest goes for the newest.
const LINES_MOST: usize = 100;

/// The newest lines of a room.
#[derive(Debug, Default)]
pub(in crate::room) struct Chat {
    lines: VecDeque<Line>,
    said: u64,
}

#[derive(Debug)]
struct Line {
    /// Without its age.
    line: ChatLine,
    at: Instant,
}

impl Chat {
    /// Somebody said something. Answers the line as it is told.
    pub(in crate::room) fn say(
        &mut self,
        who: &MemberInfo,
        text: String,
        now: Instant,
    ) -> ChatLine {
        self.said += 1;
        let line = ChatLine {
            number: self.said,
            client: who.client,
            name: who.name.clone(),
            hue: who.hue,
            text,
            age_ms: 0,
        };
        if self.lines.len() >= LINES_MOST {
            self.lines.pop_front();
        }
        self.lines.push_back(Line {
            line: line.clone(),
            at: now,
        });
        line
    }

    /// What is remembered, in order.
    pub(in crate::room) fn lines(&self, now: Instant) -> Vec<ChatLine> {
        let lines = self.lines.iter();
        lines
            .map(|Line { line, at }| ChatLine {
                age_ms: milliseconds(now.saturating_duration_since(*at)),
                ..line.clone()
            })
            .collect()
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::protocol::Role;

    #[test]
    fn the_newest_lines_stay_with_their_age() {
        let ada = MemberInfo {
            client: Uuid::from_u128(1),
            name: "Ada".to_owned(),
            role: Role::Viewer,
            hue: 120,
        };
        let (mut chat, start) = (Chat::default(), Instant::now());
        for number in 0..LINES_MOST as u64 + 2 {
            let told = chat.say(&ada, format!("line {number}"), start);
            assert_eq!((told.number, told.age_ms, told.hue), (number + 1, 0, 120));
        }
        let lines = chat.lines(start + Duration::from_secs(2));
        assert_eq!(lines.len(), LINES_MOST);
        assert_eq!((lines[0].number, lines[0].text.as_str()), (3, "line 2"));
        assert!(lines.iter().all(|line| line.age_ms == 2000));
        assert!(lines.is_sorted_by_key(|line| line.number));
    }
}
