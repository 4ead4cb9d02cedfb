//! In which order the inversions of all rooms take their steps: decisions only, no tensors.
//!
//! A step is short, an inversion is not. So the queue is asked before every step, and what somebody
//! waits for overtakes what is done ahead of need, which goes on later where it was.

use super::keys::{JobKey, RoomKey};

/// Inversions that may wait for their way back, over all rooms: each holds a whole patch at every
/// noise level on the device, beside what is kept of it. Of more the oldest goes first.
const VERIFY_MOST: usize = 32;

/// How urgent an inversion is at the moment; the first one comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody's brush waits for it.
    Interactive,
    /// The noise is found; what is left is the way back, which tells how good it is.
    Verify,
    /// Nobody waits for it yet.
    Prefetch,
}

#[derive(Debug)]
struct Entry {
    key: JobKey,
    priority: Priority,
    /// Given with the priority: among inversions with the same one the lowest comes first.
    number: u64,
}

/// The queue of inversions. Those with the same priority end one after another, in the order in
/// which they got it: taking turns at every step would end all of them late. Rooms share the device
/// all the same, because a room has one interactive inversion and one prefetch at a time.
#[derive(Debug, Default)]
pub(crate) struct PriorityQueue {
    entries: Vec<Entry>,
    numbers_given: u64,
}

impl PriorityQueue {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts an inversion into the queue that is not there yet.
    pub fn push(&mut self, key: JobKey, priority: Priority) {
        let number = self.next_number();
        self.entries.push(Entry {
            key,
            priority,
            number,
        });
    }

    /// Gives an inversion another priority, behind those that have it already. One that is not in
    /// the queue stays out, one that has the priority keeps its place.
    pub fn change(&mut self, key: JobKey, priority: Priority) {
        let number = self.next_number();
        let is_it = |entry: &&mut Entry| entry.key == key && entry.priority != priority;
        if let Some(entry) = self.entries.iter_mut().find(is_it) {
            (entry.priority, entry.number) = (priority, number);
        }
    }

    /// The noise of an inversion is found: what is left of it is urgent to nobody, unless too many
    /// are in that state.
    pub fn verify_later(&mut self, key: JobKey) {
        self.change(key, Priority::Verify);
        let verifying = self
            .entries
            .iter()
            .filter(|it| it.priority == Priority::Verify);
        if verifying.clone().count() > VERIFY_MOST
            && let Some(oldest) = verifying.min_by_key(|entry| entry.number)
        {
            self.change(oldest.key, Priority::Interactive);
        }
    }

    /// Whose step is next.
    pub fn first(&self) -> Option<(JobKey, Priority)> {
        let first = self
            .entries
            .iter()
            .min_by_key(|entry| (entry.priority, entry.number));
        first.map(|entry| (entry.key, entry.priority))
    }

    /// Takes an inversion out; false when it was not in the queue.
    pub fn remove(&mut self, key: JobKey) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.key != key);
        self.entries.len() < before
    }

    /// All inversions of a room.
    pub fn of_room(&self, room: RoomKey) -> Vec<JobKey> {
        let keys = self.entries.iter().map(|entry| entry.key);
        keys.filter(|key| key.room == room).collect()
    }

    /// All inversions.
    pub fn all(&self) -> Vec<JobKey> {
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

    fn key(room: u64, ticket: u64) -> JobKey {
        JobKey {
            room: RoomKey(room),
            ticket,
        }
    }

    fn order(mut queue: PriorityQueue) -> Vec<u64> {
        std::iter::from_fn(|| {
            let (key, _) = queue.first()?;
            assert!(queue.remove(key));
            Some(key.ticket)
        })
        .collect()
    }

    #[test]
    fn the_priority_decides_and_then_who_had_it_first() {
        let mut queue = PriorityQueue::default();
        queue.push(key(1, 1), Priority::Prefetch);
        queue.push(key(2, 2), Priority::Prefetch);
        queue.push(key(1, 3), Priority::Interactive);
        queue.push(key(2, 4), Priority::Verify);
        queue.push(key(2, 5), Priority::Interactive);
        assert_eq!(order(queue), [3, 5, 4, 1, 2]);
    }

    #[test]
    fn another_priority_begins_at_its_end_and_the_same_one_keeps_its_place() {
        let mut queue = PriorityQueue::default();
        for ticket in 1..=4 {
            queue.push(key(ticket, ticket), Priority::Prefetch);
        }
        queue.change(key(4, 4), Priority::Interactive);
        queue.change(key(2, 2), Priority::Interactive);
        queue.change(key(4, 4), Priority::Interactive);
        queue.change(key(9, 9), Priority::Interactive);
        assert_eq!(queue.len(), 4, "nobody comes in by a change");
        queue.change(key(4, 4), Priority::Verify);
        assert_eq!(order(queue), [2, 4, 1, 3]);
    }

    #[test]
    fn no_more_wait_for_their_way_back_than_the_device_can_hold() {
        let mut queue = PriorityQueue::default();
        let most = VERIFY_MOST as u64;
        for ticket in 1..=most + 2 {
            queue.push(key(ticket, ticket), Priority::Interactive);
        }
        for ticket in 1..=most {
            queue.verify_later(key(ticket, ticket));
        }
        assert_eq!(
            queue.first(),
            Some((key(most + 1, most + 1), Priority::Interactive))
        );
        queue.verify_later(key(most + 1, most + 1));
        assert_eq!(
            queue.first(),
            Some((key(most + 2, most + 2), Priority::Interactive))
        );
        queue.verify_later(key(most + 2, most + 2));
        assert_eq!(
            order(queue)[..4],
            [1, 2, 3, 4],
            "the oldest two, then the rest"
        );
    }

    #[test]
    fn a_room_leaves_with_all_that_it_has() {
        let mut queue = PriorityQueue::default();
        queue.push(key(1, 1), Priority::Prefetch);
        queue.push(key(2, 1), Priority::Interactive);
        queue.push(key(1, 2), Priority::Verify);
        let gone = queue.of_room(RoomKey(1));
        assert_eq!(gone, [key(1, 1), key(1, 2)]);
        assert!(gone.into_iter().all(|key| queue.remove(key)));
        assert!(!queue.remove(key(1, 1)), "twice");
        assert_eq!(queue.all(), [key(2, 1)]);
    }

    /// What the simulation knows of an inversion.
    struct Sought {
        priority: Priority,
        steps_left: u32,
        is_noise_found: bool,
        /// The turn at which it got its priority, and the one at which it was first wanted.
        since: u64,
        wanted_since: Option<u64>,
    }

    impl Sought {
        fn new(priority: Priority, turn: u64) -> Self {
            Self {
                priority,
                steps_left: STEPS,
                is_noise_found: false,
                since: turn,
                wanted_since: (priority == Priority::Interactive).then_some(turn),
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
        let mut queue = PriorityQueue::default();
        let mut sought: BTreeMap<JobKey, Sought> = BTreeMap::new();
        let (mut tickets, mut ended) = (0, 0);
        for turn in 0..RUSH + 1000 {
            let room = dice.random_range(0..ROOMS);
            let of_room = sought.keys().filter(|key| key.room.0 == room).count();
            if turn < RUSH && of_room < PER_ROOM {
                tickets += 1;
                let priority = match dice.random_bool(0.8) {
                    true => Priority::Interactive,
                    false => Priority::Prefetch,
                };
                queue.push(key(room, tickets), priority);
                sought.insert(key(room, tickets), Sought::new(priority, turn));
            }
            let any = sought.keys().copied().nth(dice.random_range(0..8));
            match (any, dice.random_range(0..20)) {
                (Some(key), 0) if takes_back => {
                    assert!(queue.remove(key));
                    sought.remove(&key);
                    ended += 1;
                }
                (Some(key), 1) if takes_back || !sought[&key].is_noise_found => {
                    queue.change(key, Priority::Interactive);
                    let one = sought.get_mut(&key).unwrap();
                    if one.priority != Priority::Interactive {
                        (one.priority, one.since) = (Priority::Interactive, turn);
                    }
                    one.wanted_since.get_or_insert(turn);
                }
                _ => {}
            }
            // The device takes a step.
            let Some((key, priority)) = queue.first() else {
                assert!(sought.is_empty());
                continue;
            };
            let most_urgent = sought.values().map(|one| one.priority).min();
            assert_eq!(Some(priority), most_urgent, "seed {seed}");
            let one = sought.get_mut(&key).unwrap();
            assert_eq!(one.priority, priority);
            one.steps_left -= 1;
            if one.steps_left > 0 {
                continue;
            }
            let waited = turn - one.since;
            assert!(
                priority != Priority::Interactive || waited <= ONE_WAY,
                "{waited}"
            );
            if !one.is_noise_found {
                queue.verify_later(key);
                (one.priority, one.since) = (Priority::Verify, turn);
                (one.is_noise_found, one.steps_left) = (true, STEPS);
                continue;
            }
            // There and back, both behind all others; and where each of them ends its room may
            // want another.
            let lived = one.wanted_since.map_or(0, |since| turn - since);
            assert!(takes_back || lived <= 4 * ONE_WAY, "{lived}");
            assert!(queue.remove(key), "in the queue until it ends, and once");
            sought.remove(&key);
            ended += 1;
        }
        assert!(queue.is_empty() && sought.is_empty(), "seed {seed}");
        assert_eq!(ended, tickets);
    }

    #[test]
    fn nothing_starves_and_a_wanted_one_comes_at_the_next_step() {
        for seed in 0..40 {
            simulate(seed, seed % 2 == 1);
        }
    }
}
