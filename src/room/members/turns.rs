//! Whose command is next: deficit round robin (Shreedhar and Varghese, 1995) over the members, by
//! what their commands cost, so that a wild hand delays nobody but itself.

use std::collections::{BTreeMap, VecDeque};

use uuid::Uuid;

/// Cost that a member may spend each time its turn comes.
const QUANTUM: u64 = 1 << 18;

/// What waits of each member, in order.
#[derive(Debug)]
pub(in crate::room) struct Turns<T> {
    queues: BTreeMap<Uuid, Queue<T>>,
    /// Members with something that waits, the next one first.
    round: VecDeque<Uuid>,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    /// What the first item costs, once that was asked.
    price: Option<u64>,
    deficit: u64,
    /// The member has had its quantum since its turn came.
    is_granted: bool,
}

impl<T> Turns<T> {
    /// Nothing waits.
    pub(in crate::room) fn new() -> Self {
        Self {
            queues: BTreeMap::new(),
            round: VecDeque::new(),
        }
    }

    /// True when nothing waits.
    pub(in crate::room) fn is_empty(&self) -> bool {
        self.round.is_empty()
    }

    /// How much of a member waits.
    pub(in crate::room) fn waiting(&self, member: &Uuid) -> usize {
        self.queues.get(member).map_or(0, |queue| queue.items.len())
    }

    /// Adds what a member wants, after what it wanted before.
    pub(in crate::room) fn push(&mut self, member: Uuid, item: T) {
        let queue = self.queues.entry(member).or_insert_with(|| {
            self.round.push_back(member);
            Queue {
                items: VecDeque::new(),
                price: None,
                deficit: 0,
                is_granted: false,
            }
        });
        queue.items.push_back(item);
    }

    /// Forgets what waits of a member.
    pub(in crate::room) fn forget(&mut self, member: &Uuid) {
        if self.queues.remove(member).is_some() {
            self.round.retain(|waiting| waiting != member);
        }
    }

    /// The next item. `cost` is asked once of each, when it is the member's first.
    pub(in crate::room) fn next(&mut self, cost: impl Fn(&T) -> u64) -> Option<T> {
        loop {
            let member = *self.round.front()?;
            let queue = self.queues.get_mut(&member)?;
            let first = queue.items.front()?;
            let price = *queue.price.get_or_insert_with(|| cost(first));
            if price > queue.deficit && !queue.is_granted {
                queue.is_granted = true;
                queue.deficit = queue.deficit.saturating_add(QUANTUM);
            }
            if price > queue.deficit {
                queue.is_granted = false;
                self.round.rotate_left(1);
                continue;
            }
            queue.deficit -= price;
            queue.price = None;
            let item = queue.items.pop_front();
            if queue.items.is_empty() {
                // Who has nothing to do saves nothing up.
                self.forget(&member);
            }
            return item;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WILD: Uuid = Uuid::from_u128(1);
    const CALM: Uuid = Uuid::from_u128(2);

    #[test]
    fn everything_of_one_member_comes_in_order() {
        let mut turns = Turns::new();
        for item in 0..9u64 {
            turns.push(WILD, item);
            assert_eq!(turns.waiting(&WILD), item as usize + 1);
        }
        let all: Vec<u64> = std::iter::from_fn(|| turns.next(|_| QUANTUM * 3)).collect();
        assert_eq!(all, (0..9).collect::<Vec<_>>());
        assert!(turns.is_empty() && turns.waiting(&WILD) == 0);
    }

    #[test]
    fn a_wild_member_delays_a_calm_one_by_one_command_at_most() {
        let mut turns = Turns::new();
        for _ in 0..100 {
            turns.push(WILD, (WILD, 64 * QUANTUM));
        }
        let mut waited = Vec::new();
        for _ in 0..20 {
            turns.push(CALM, (CALM, 100));
            let mut before = 0;
            while let Some((member, _)) = turns.next(|(_, cost)| *cost) {
                if member == CALM {
                    break;
                }
                before += 1;
            }
            waited.push(before);
        }
        assert!(waited.iter().all(|before| *before <= 1), "{waited:?}");
    }

    #[test]
    fn members_share_by_cost_and_not_by_number() {
        let mut turns = Turns::new();
        for _ in 0..1000 {
            turns.push(WILD, (WILD, 4 * QUANTUM));
            turns.push(CALM, (CALM, QUANTUM));
        }
        let mut spent = BTreeMap::new();
        for _ in 0..500 {
            let (member, cost) = turns.next(|(_, cost)| *cost).unwrap();
            *spent.entry(member).or_insert(0) += cost;
        }
        let ratio = spent[&WILD] as f64 / spent[&CALM] as f64;
        assert!((0.9..1.1).contains(&ratio), "{ratio}");
    }

    #[test]
    fn what_a_member_wanted_can_be_forgotten() {
        let mut turns = Turns::new();
        turns.push(WILD, 1);
        turns.push(CALM, 2);
        turns.forget(&WILD);
        assert_eq!(turns.next(|_| 1), Some(2));
        assert_eq!(turns.next(|_| 1), None);
    }
}
