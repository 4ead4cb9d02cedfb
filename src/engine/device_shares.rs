//! Which room the device works for next: decisions only, no tensors.
//!
//! Deficit round robin (Shreedhar and Varghese, 1995) over the rooms, by the milliseconds that the
//! device was measured to spend on them. What a run costs is known only afterwards, so a room pays
//! what its runs cost of late when one begins, and the difference when it ends; a room in debt waits
//! until the others have had as much. As in DRR+, a room that comes with no debt goes before those
//! that keep the device busy.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::keys::RoomKey;

/// What every room gets when all that wait are in debt, in microseconds: less than a run takes.
const QUANTUM: i64 = 20_000;
/// What a room's first run is taken to cost, in microseconds.
const FIRST_PRICE: i64 = 100_000;
/// The most that a room saves up while it wants nothing, in microseconds, and what one begins with: a
/// stroke or two, so that a hand that comes back soon need not wait for a round.
const SAVED_MOST: i64 = 100_000;
/// How much of the last run is in what the next is taken to cost: one part of so many.
const MEMORY: i64 = 4;

/// The rooms' shares of a device.
#[derive(Debug, Default)]
pub(super) struct DeviceShares {
    accounts: HashMap<RoomKey, Account>,
    /// Rooms that came without debt and wait, the first one first.
    fresh: VecDeque<RoomKey>,
    /// The other rooms that wait, the next one first.
    round: VecDeque<RoomKey>,
}

#[derive(Debug)]
struct Account {
    /// Microseconds of the device that the room may still spend before others; below 0 is debt.
    balance: i64,
    /// What its runs cost of late, in microseconds.
    price: i64,
    /// Runs that have begun and not ended.
    running: usize,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            balance: SAVED_MOST,
            price: FIRST_PRICE,
            running: 0,
        }
    }
}

/// What a room paid for a run that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paid(i64);

impl DeviceShares {
    /// A room has something for the device; it may have had before.
    pub fn enter(&mut self, room: RoomKey) {
        if self.fresh.contains(&room) || self.round.contains(&room) {
            return;
        }
        let account = self.accounts.entry(room).or_default();
        match account.balance >= 0 && account.running == 0 {
            true => self.fresh.push_back(room),
            false => self.round.push_back(room),
        }
    }

    /// Nothing of a room waits any more. Its debts stay.
    pub fn leave(&mut self, room: RoomKey) {
        self.fresh.retain(|waiting| *waiting != room);
        self.round.retain(|waiting| *waiting != room);
        self.forget_paid_up(room);
    }

    /// A room has ended. What still runs of it may be told of all the same.
    pub fn forget(&mut self, room: RoomKey) {
        self.leave(room);
        self.accounts.remove(&room);
    }

    /// The room whose turn it is, of those that wait and `may_run`. It pays for a run at once.
    pub fn next(&mut self, may_run: impl Fn(RoomKey) -> bool) -> Option<(RoomKey, Paid)> {
        let room = match self.first_out_of_debt(&may_run) {
            Some(room) => room,
            None => {
                self.grant(&may_run)?;
                self.first_out_of_debt(&may_run)?
            }
        };
        // It waits behind the others for its next one.
        self.fresh.retain(|waiting| *waiting != room);
        self.round.retain(|waiting| *waiting != room);
        self.round.push_back(room);
        let account = self.accounts.entry(room).or_default();
        account.balance -= account.price;
        account.running += 1;
        Some((room, Paid(account.price)))
    }

    /// A run has ended after the device spent so much on it.
    pub fn ended(&mut self, room: RoomKey, Paid(paid): Paid, spent: Duration, is_whole: bool) {
        let Some(account) = self.accounts.get_mut(&room) else {
            return;
        };
        let spent = microseconds(spent);
        account.running = account.running.saturating_sub(1);
        account.balance = (account.balance + paid - spent).min(SAVED_MOST);
        // One that was stopped early says nothing of the next.
        if is_whole {
            account.price += (spent - account.price) / MEMORY;
        }
        self.forget_paid_up(room);
    }

    /// The device spent so much on something else of a room.
    pub fn charge(&mut self, room: RoomKey, spent: Duration) {
        self.accounts.entry(room).or_default().balance -= microseconds(spent);
    }

    /// The first room out of debt.
    fn first_out_of_debt(&self, may_run: &impl Fn(RoomKey) -> bool) -> Option<RoomKey> {
        let mut waiting = self.fresh.iter().chain(&self.round).copied();
        waiting.find(|room| may_run(*room) && self.balance(*room) >= 0)
    }

    /// Everybody gets as many quanta as the least indebted room that may run needs to be out of debt.
    /// None where no room may run.
    fn grant(&mut self, may_run: &impl Fn(RoomKey) -> bool) -> Option<()> {
        let waiting = self.fresh.iter().chain(&self.round).copied();
        let may_run = waiting.filter(|room| may_run(*room));
        let least_debt = may_run.map(|room| -self.balance(room)).min()?;
        let granted = (least_debt + QUANTUM - 1) / QUANTUM * QUANTUM;
        for account in self.accounts.values_mut() {
            account.balance = (account.balance + granted).min(SAVED_MOST);
        }
        let rooms: Vec<RoomKey> = self.accounts.keys().copied().collect();
        rooms.into_iter().for_each(|room| self.forget_paid_up(room));
        Some(())
    }

    fn balance(&self, room: RoomKey) -> i64 {
        let account = self.accounts.get(&room);
        account.map_or(SAVED_MOST, |account| account.balance)
    }

    /// With all that it may save, and with nothing that waits or runs, a room is as one that never
    /// was; what its runs cost its first one finds out again.
    fn forget_paid_up(&mut self, room: RoomKey) {
        let waits = self.fresh.contains(&room) || self.round.contains(&room);
        let is_paid_up = |account: &Account| account.balance >= SAVED_MOST && account.running == 0;
        if !waits && self.accounts.get(&room).is_some_and(is_paid_up) {
            self.accounts.remove(&room);
        }
    }
}

fn microseconds(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests;
