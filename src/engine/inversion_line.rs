//! In which order the inversions of all rooms take their steps: decisions only, no tensors.
//!
//! A step is short, an inversion is not. So the line is asked before every step, and what somebody
//! waits for overtakes what is done ahead of need, which goes on later where it was.

use super::RoomKey;

/// Inversions that may wait for their way back, over all rooms: each holds a whole tile at every
/// noise level on the device, beside what is kept of it. Of more the oldest goes first.
const BACKS_MOST: usize = 32;

/// What an inversion is good for at the moment; the first one comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Errand {
    /// Somebody's brush waits for it.
    Wanted,
    /// The noise is found; what is left tells how good it is.
    Back,
    /// Nobody waits for it yet.
    Ahead,
}

/// An inversion of a room, by the room's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct InversionKey {
    pub room: RoomKey,
    pub ticket: u64,
}

#[derive(Debug)]
struct Entry {
    key: InversionKey,
    errand: Errand,
    /// Given with the errand: among inversions with the same one the lowest comes first.
    number: u64,
}

/// The line. Inversions with the same errand end one after another, in the order in which they got
/// it: taking turns at every step would end all of them late. Rooms share the device all the same,
/// because a room has one wanted inversion and one ahead of need at a time.
#[derive(Debug, Default)]
pub(crate) struct InversionLine {
    entries: Vec<Entry>,
    numbers_given: u64,
}

impl InversionLine {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts an inversion in line that is not there yet.
    pub fn push(&mut self, key: InversionKey, errand: Errand) {
        let number = self.next_number();
        self.entries.push(Entry {
            key,
            errand,
            number,
        });
    }

    /// Gives an inversion another errand, behind those that have it already. One that is not in
    /// line stays out, one that has the errand keeps its place.
    pub fn change(&mut self, key: InversionKey, errand: Errand) {
        let number = self.next_number();
        let is_it = |entry: &&mut Entry| entry.key == key && entry.errand != errand;
        if let Some(entry) = self.entries.iter_mut().find(is_it) {
            (entry.errand, entry.number) = (errand, number);
        }
    }

    /// The noise of an inversion is found: what is left of it is urgent to nobody, unless too many
    /// are in that state.
    pub fn turn_back(&mut self, key: InversionKey) {
        self.change(key, Errand::Back);
        let backs = self.entries.iter().filter(|it| it.errand == Errand::Back);
        if backs.clone().count() > BACKS_MOST
            && let Some(oldest) = backs.min_by_key(|entry| entry.number)
        {
            self.change(oldest.key, Errand::Wanted);
        }
    }

    /// Whose step is next.
    pub fn first(&self) -> Option<(InversionKey, Errand)> {
        let first = self
            .entries
            .iter()
            .min_by_key(|entry| (entry.errand, entry.number));
        first.map(|entry| (entry.key, entry.errand))
    }

    /// Takes an inversion out; false when it was not in line.
    pub fn remove(&mut self, key: InversionKey) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.key != key);
        self.entries.len() < before
    }

    /// All inversions of a room.
    pub fn of_room(&self, room: RoomKey) -> Vec<InversionKey> {
        let keys = self.entries.iter().map(|entry| entry.key);
        keys.filter(|key| key.room == room).collect()
    }

    /// All inversions.
    pub fn all(&self) -> Vec<InversionKey> {
        self.entries.iter().map(|entry| entry.key).collect()
    }

    fn next_number(&mut self) -> u64 {
        self.numbers_given += 1;
        self.numbers_given
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use proptest::test_runner::{RngAlgorithm, TestRng};

    use super::*;

    fn key(room: u64, ticket: u64) -> InversionKey {
        InversionKey {
            room: RoomKey(room),
            ticket,
        }
    }

    fn order(mut line: InversionLine) -> Vec<u64> {
        std::iter::from_fn(|| {
            let (key, _) = line.first()?;
            assert!(line.remove(key));
            Some(key.ticket)
        })
        .collect()
    }

    #[test]
    fn the_errand_decides_and_then_who_had_it_first() {
        let mut line = InversionLine::default();
        line.push(key(1, 1), Errand::Ahead);
        line.push(key(2, 2), Errand::Ahead);
        line.push(key(1, 3), Errand::Wanted);
        line.push(key(2, 4), Errand::Back);
        line.push(key(2, 5), Errand::Wanted);
        assert_eq!(order(line), [3, 5, 4, 1, 2]);
    }

    #[test]
    fn another_errand_begins_at_its_end_and_the_same_one_keeps_its_place() {
        let mut line = InversionLine::default();
        for ticket in 1..=4 {
            line.push(key(ticket, ticket), Errand::Ahead);
        }
        line.change(key(4, 4), Errand::Wanted);
        line.change(key(2, 2), Errand::Wanted);
        line.change(key(4, 4), Errand::Wanted);
        line.change(key(9, 9), Errand::Wanted);
        assert_eq!(line.len(), 4, "nobody comes in by a change");
        line.change(key(4, 4), Errand::Back);
        assert_eq!(order(line), [2, 4, 1, 3]);
    }

    #[test]
    fn no_more_wait_for_their_way_back_than_the_device_can_hold() {
        let mut line = InversionLine::default();
        let most = BACKS_MOST as u64;
        for ticket in 1..=most + 2 {
            line.push(key(ticket, ticket), Errand::Wanted);
        }
        for ticket in 1..=most {
            line.turn_back(key(ticket, ticket));
        }
        assert_eq!(
            line.first(),
            Some((key(most + 1, most + 1), Errand::Wanted))
        );
        line.turn_back(key(most + 1, most + 1));
        assert_eq!(
            line.first(),
            Some((key(most + 2, most + 2), Errand::Wanted))
        );
        line.turn_back(key(most + 2, most + 2));
        assert_eq!(
            order(line)[..4],
            [1, 2, 3, 4],
            "the oldest two, then the rest"
        );
    }

    #[test]
    fn a_room_leaves_with_all_that_it_has() {
        let mut line = InversionLine::default();
        line.push(key(1, 1), Errand::Ahead);
        line.push(key(2, 1), Errand::Wanted);
        line.push(key(1, 2), Errand::Back);
        let gone = line.of_room(RoomKey(1));
        assert_eq!(gone, [key(1, 1), key(1, 2)]);
        assert!(gone.into_iter().all(|key| line.remove(key)));
        assert!(!line.remove(key(1, 1)), "twice");
        assert_eq!(line.all(), [key(2, 1)]);
    }

    /// What the simulation knows of an inversion.
    struct Sought {
        errand: Errand,
        steps_left: u32,
        is_noise_found: bool,
        /// The turn at which it got its errand, and the one at which it was first wanted.
        since: u64,
        wanted_since: Option<u64>,
    }

    impl Sought {
        fn new(errand: Errand, turn: u64) -> Self {
            Self {
                errand,
                steps_left: STEPS,
                is_noise_found: false,
                since: turn,
                wanted_since: (errand == Errand::Wanted).then_some(turn),
            }
        }
    }

    const STEPS: u32 = 5;
    const ROOMS: u64 = 4;
    const PER_ROOM: usize = 6;
    /// Steps that take all inversions one way.
    const ONE_WAY: u64 = STEPS as u64 * ROOMS * PER_ROOM as u64;
    const RUSH: u64 = 3000;

    fn dice_from_seed(seed: u64) -> TestRng {
        TestRng::from_seed(RngAlgorithm::XorShift, &u128::from(seed + 1).to_le_bytes())
    }

    /// Rooms that go on wanting as fast as they may; some take inversions back, too.
    fn simulate(seed: u64, takes_back: bool) {
        let mut dice = dice_from_seed(seed);
        let mut line = InversionLine::default();
        let mut sought: BTreeMap<InversionKey, Sought> = BTreeMap::new();
        let (mut tickets, mut ended) = (0, 0);
        for turn in 0..RUSH + 1000 {
            let room = dice.random_range(0..ROOMS);
            let of_room = sought.keys().filter(|key| key.room.0 == room).count();
            if turn < RUSH && of_room < PER_ROOM {
                tickets += 1;
                let errand = match dice.random_bool(0.8) {
                    true => Errand::Wanted,
                    false => Errand::Ahead,
                };
                line.push(key(room, tickets), errand);
                sought.insert(key(room, tickets), Sought::new(errand, turn));
            }
            let any = sought.keys().copied().nth(dice.random_range(0..8));
            match (any, dice.random_range(0..20)) {
                (Some(key), 0) if takes_back => {
                    assert!(line.remove(key));
                    sought.remove(&key);
                    ended += 1;
                }
                (Some(key), 1) if takes_back || !sought[&key].is_noise_found => {
                    line.change(key, Errand::Wanted);
                    let one = sought.get_mut(&key).unwrap();
                    if one.errand != Errand::Wanted {
                        (one.errand, one.since) = (Errand::Wanted, turn);
                    }
                    one.wanted_since.get_or_insert(turn);
                }
                _ => {}
            }
            // The device takes a step.
            let Some((key, errand)) = line.first() else {
                assert!(sought.is_empty());
                continue;
            };
            let most_urgent = sought.values().map(|one| one.errand).min();
            assert_eq!(Some(errand), most_urgent, "seed {seed}");
            let one = sought.get_mut(&key).unwrap();
            assert_eq!(one.errand, errand);
            one.steps_left -= 1;
            if one.steps_left > 0 {
                continue;
            }
            let waited = turn - one.since;
            assert!(errand != Errand::Wanted || waited <= ONE_WAY, "{waited}");
            if !one.is_noise_found {
                line.turn_back(key);
                (one.errand, one.since) = (Errand::Back, turn);
                (one.is_noise_found, one.steps_left) = (true, STEPS);
                continue;
            }
            // There and back, both behind all others; and where each of them ends its room may
            // want another.
            let lived = one.wanted_since.map_or(0, |since| turn - since);
            assert!(takes_back || lived <= 4 * ONE_WAY, "{lived}");
            assert!(line.remove(key), "in line until it ends, and once");
            sought.remove(&key);
            ended += 1;
        }
        assert!(line.is_empty() && sought.is_empty(), "seed {seed}");
        assert_eq!(ended, tickets);
    }

    #[test]
    fn nothing_starves_and_a_wanted_one_comes_at_the_next_step() {
        for seed in 0..40 {
            simulate(seed, seed % 2 == 1);
        }
    }
}
