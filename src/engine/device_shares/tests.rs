use std::collections::BTreeMap;

use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::*;

const WILD: RoomKey = RoomKey(1);
const POLITE: RoomKey = RoomKey(2);
/// Runs until everybody has been served once; by then nobody is new any more.
const AT_FIRST: usize = 30;

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A room that goes on wanting, or wants now and then.
struct Guest {
    room: RoomKey,
    /// What a run of it costs, in milliseconds.
    cost: u64,
    /// Its members: so many runs can wait at once.
    members: usize,
    /// Of a hundred moments at which it wants nothing it begins to want something.
    eagerness: u64,
}

/// What came of a simulation, by room.
#[derive(Default)]
struct Served {
    spent: BTreeMap<RoomKey, u64>,
    /// Runs of others that began while a run waited, the most of any.
    longest_wait: BTreeMap<RoomKey, usize>,
}

/// A device that does one run after another; which run is next is asked of the shares alone.
fn simulate(guests: &[Guest], runs: usize, seed: u64) -> Served {
    let bytes = u128::from(seed + 1).to_le_bytes();
    let mut dice = TestRng::from_seed(RngAlgorithm::XorShift, &bytes);
    let mut shares = DeviceShares::default();
    let mut waiting: BTreeMap<RoomKey, Vec<usize>> = BTreeMap::new();
    let mut served = Served::default();
    for run in 0..runs {
        if run == AT_FIRST {
            served.longest_wait.clear();
        }
        for guest in guests {
            let queue = waiting.entry(guest.room).or_default();
            while queue.len() < guest.members && dice.random_range(0..100) < guest.eagerness {
                queue.push(0);
                shares.enter(guest.room);
            }
        }
        let Some((room, paid)) = shares.next(|room| !waiting[&room].is_empty()) else {
            assert!(
                waiting.values().all(Vec::is_empty),
                "the device never idles"
            );
            continue;
        };
        let waited = waiting.get_mut(&room).unwrap().remove(0);
        let longest = served.longest_wait.entry(room).or_default();
        *longest = waited.max(*longest);
        for (other, queue) in &mut waiting {
            if *other != room {
                queue.iter_mut().for_each(|waited| *waited += 1);
            }
        }
        if waiting[&room].is_empty() {
            shares.leave(room);
        }
        let guest = guests.iter().find(|guest| guest.room == room).unwrap();
        // Runs of one kind are never quite the same.
        let cost = guest.cost * dice.random_range(80..=120) / 100;
        shares.ended(room, paid, milliseconds(cost), true);
        *served.spent.entry(room).or_default() += cost;
    }
    served
}

/// A room that always wants.
fn wild(room: u64, cost: u64) -> Guest {
    Guest {
        room: RoomKey(room),
        cost,
        members: 3,
        eagerness: 100,
    }
}

#[test]
fn rooms_get_the_same_time_whatever_their_windows_cost() {
    for seed in 0..20 {
        let guests = [wild(1, 200), wild(2, 50), wild(3, 50)];
        let spent = simulate(&guests, 3000, seed).spent;
        let most = spent.values().max().copied().unwrap() as f64;
        let least = spent.values().min().copied().unwrap() as f64;
        // They differ by a run and what it was taken to cost, over the whole time.
        assert!(
            most - least <= 3.0 * 240.0 && most / least < 1.05,
            "{spent:?}"
        );
    }
}

#[test]
fn many_members_of_one_room_get_no_more_than_one_of_another() {
    let many = Guest {
        members: 30,
        ..wild(1, 100)
    };
    let one = Guest {
        members: 1,
        ..wild(2, 100)
    };
    let spent = simulate(&[many, one], 1000, 7).spent;
    let ratio = spent[&WILD] as f64 / spent[&POLITE] as f64;
    assert!((0.9..1.1).contains(&ratio), "{spent:?}");
}

#[test]
fn a_polite_room_waits_for_one_run_at_most() {
    for seed in 0..20 {
        let polite = Guest {
            room: POLITE,
            cost: 40,
            members: 1,
            eagerness: 10,
        };
        let served = simulate(&[wild(1, 400), polite], 2000, seed);
        assert!(served.spent[&POLITE] > 0);
        assert!(served.longest_wait[&POLITE] <= 1, "seed {seed}");
    }
}

#[test]
fn polite_rooms_wait_only_for_one_another_however_many_are_wild() {
    let polite = |room| Guest {
        room: RoomKey(room),
        cost: 40,
        members: 1,
        eagerness: 3,
    };
    for seed in 0..20 {
        let mut guests: Vec<Guest> = (10..16).map(|room| wild(room, 400)).collect();
        guests.extend([polite(1), polite(2)]);
        let served = simulate(&guests, 4000, seed);
        for room in [1, 2] {
            // The run under way, and the other polite room's.
            assert!(served.longest_wait[&RoomKey(room)] <= 2, "seed {seed}");
        }
        let spent: Vec<u64> = (10..16).map(|room| served.spent[&RoomKey(room)]).collect();
        let (least, most) = (spent.iter().min().unwrap(), spent.iter().max().unwrap());
        assert!(*most as f64 / (*least as f64) < 1.1, "{spent:?}");
    }
}

#[test]
fn a_room_that_wanted_nothing_has_saved_up_one_run_at_most() {
    let mut shares = DeviceShares::default();
    shares.enter(WILD);
    for _ in 0..50 {
        let (room, paid) = shares.next(|_| true).unwrap();
        shares.ended(room, paid, milliseconds(100), true);
    }
    // All that time the other room wanted nothing.
    shares.enter(POLITE);
    let mut of_polite = 0;
    for _ in 0..10 {
        let (room, paid) = shares.next(|_| true).unwrap();
        of_polite += usize::from(room == POLITE);
        shares.ended(room, paid, milliseconds(100), true);
    }
    assert!((5..=6).contains(&of_polite), "{of_polite} of ten");
}

#[test]
fn a_room_does_not_lose_its_debt_by_going_away_for_a_moment() {
    let mut shares = DeviceShares::default();
    shares.enter(WILD);
    let (_, paid) = shares.next(|_| true).unwrap();
    shares.leave(WILD);
    shares.ended(WILD, paid, milliseconds(1000), true);
    shares.enter(POLITE);
    shares.enter(WILD);
    for _ in 0..9 {
        let (room, paid) = shares.next(|_| true).unwrap();
        assert_eq!(room, POLITE, "until it has had as much");
        shares.ended(room, paid, milliseconds(100), true);
    }
}

#[test]
fn what_else_the_device_did_for_a_room_counts_too() {
    let mut shares = DeviceShares::default();
    shares.enter(WILD);
    shares.enter(POLITE);
    shares.charge(WILD, milliseconds(500));
    let first = shares.next(|_| true).unwrap();
    assert_eq!(first.0, POLITE);
}

#[test]
fn a_run_that_is_stopped_early_is_paid_back_and_says_nothing_of_the_next() {
    let mut shares = DeviceShares::default();
    shares.enter(WILD);
    let (_, paid) = shares.next(|_| true).unwrap();
    shares.ended(WILD, paid, milliseconds(0), false);
    let (_, again) = shares.next(|_| true).unwrap();
    assert_eq!(again, paid);
    assert_eq!(shares.balance(WILD), SAVED_MOST - FIRST_PRICE);
}

#[test]
fn rooms_that_owe_nothing_and_want_nothing_are_forgotten() {
    let mut shares = DeviceShares::default();
    for room in 0..100 {
        shares.enter(RoomKey(room));
    }
    for _ in 0..100 {
        let (room, paid) = shares.next(|_| true).unwrap();
        shares.leave(room);
        shares.ended(room, paid, milliseconds(10), true);
    }
    // What they spent is made up for while somebody else is served.
    shares.enter(WILD);
    for _ in 0..50 {
        let (room, paid) = shares.next(|_| true).unwrap();
        shares.ended(room, paid, milliseconds(100), true);
    }
    assert_eq!(shares.accounts.len(), 1);
    shares.forget(WILD);
    assert!(shares.accounts.is_empty() && shares.next(|_| true).is_none());
}
