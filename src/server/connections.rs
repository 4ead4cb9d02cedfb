//! Which connections there are, and which of them goes when there are too many.
//!
//! A connection is *waiting* while nobody knows what it wants: before its first request, between
//! requests, and as a websocket that has not said hello. Those have a quota of their own, and the
//! one that has waited longest goes for the newest, so that silence keeps nobody out. What is left
//! over when all places are taken by connections at work is let in to be answered `/healthz`.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;
use tokio_util::sync::CancellationToken;

use super::metrics::CONNECTIONS_CUT;

/// Connections over the limit that are let in for a moment.
const OVERFLOW: usize = 16;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub most: usize,
    /// From one address.
    pub per_address: usize,
    /// Of those in all, waiting ones.
    pub waiting: usize,
}

/// All connections; cheap to clone.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: ConnectionLimits,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    /// Grows with every connection and whenever one begins to wait: order is age.
    next: u64,
    open: HashMap<u64, Open>,
    per_address: HashMap<IpAddr, usize>,
    /// By when they began to wait.
    waiting: BTreeMap<u64, u64>,
    /// Those over the limit, oldest first.
    overflow: BTreeMap<u64, CancellationToken>,
}

#[derive(Debug)]
struct Open {
    /// `None` for those whose address is not counted.
    address: Option<IpAddr>,
    /// Since when it waits; `None` while it is at work.
    waits_since: Option<u64>,
    cut: CancellationToken,
}

/// The place of a connection; dropping it gives the place back.
#[derive(Debug)]
pub struct ConnectionPlace {
    connections: Connections,
    id: u64,
    is_overflow: bool,
    cut: CancellationToken,
    least_rate: AtomicU64,
}

impl Connections {
    /// None yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            list: Mutex::default(),
        }))
    }

    /// Lets a connection in, as waiting. `address` is counted, where there is one.
    pub fn admit(&self, address: Option<IpAddr>) -> ConnectionPlace {
        let limits = self.0.limits;
        let mut list = self.list();
        let cut = CancellationToken::new();
        let has_place = list.make_place(&limits, address);
        let id = list.ticket();
        if has_place {
            if let Some(address) = address {
                *list.per_address.entry(address).or_default() += 1;
            }
            let open = Open {
                address,
                waits_since: Some(id),
                cut: cut.clone(),
            };
            list.open.insert(id, open);
            list.waiting.insert(id, id);
        } else {
            if list.overflow.len() >= OVERFLOW
                && let Some((_, oldest)) = list.overflow.pop_first()
            {
                cut_off(&oldest, "overflow");
            }
            list.overflow.insert(id, cut.clone());
        }
        ConnectionPlace {
            connections: self.clone(),
            id,
            is_overflow: !has_place,
            cut,
            least_rate: AtomicU64::new(1),
        }
    }

    /// How many there are, those over the limit among them.
    pub fn count(&self) -> usize {
        let list = self.list();
        list.open.len() + list.overflow.len()
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// True when there is a place, perhaps after the longest waiting connection was cut.
    fn make_place(&mut self, limits: &ConnectionLimits, address: Option<IpAddr>) -> bool {
        if let Some(address) = address
            && self.per_address.get(&address).copied().unwrap_or_default() >= limits.per_address
            && !self.cut_longest_waiting(Some(address))
        {
            return false;
        }
        if self.waiting.len() >= limits.waiting {
            self.cut_longest_waiting(None);
        }
        self.open.len() < limits.most || self.cut_longest_waiting(None)
    }

    fn cut_longest_waiting(&mut self, of: Option<IpAddr>) -> bool {
        let mut waiting = self.waiting.values();
        let found = waiting.find(|id| {
            let open = self.open.get(*id);
            of.is_none() || open.is_some_and(|open| open.address == of)
        });
        let Some(id) = found.copied() else {
            return false;
        };
        if let Some(open) = self.remove(id) {
            cut_off(&open.cut, "waiting");
        }
        true
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(since) = open.waits_since {
            self.waiting.remove(&since);
        }
        if let Some(address) = open.address
            && let Some(count) = self.per_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
        Some(open)
    }
}

fn cut_off(connection: &CancellationToken, why: &'static str) {
    counter!(CONNECTIONS_CUT, "why" => why).increment(1);
    connection.cancel();
}

impl ConnectionPlace {
    /// Cancelled when the connection has to make place for another.
    pub fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Over the limit: to be answered `/healthz` and nothing else.
    pub fn is_overflow(&self) -> bool {
        self.is_overflow
    }

    /// Whether it has nothing to do.
    pub fn is_waiting(&self) -> bool {
        let list = self.connections.list();
        let open = list.open.get(&self.id);
        open.is_some_and(|open| open.waits_since.is_some())
    }

    /// It says what it wants: it is not cut for others any more.
    pub fn works(&self) {
        let mut list = self.connections.list();
        if let Some(open) = list.open.get_mut(&self.id)
            && let Some(since) = open.waits_since.take()
        {
            list.waiting.remove(&since);
        }
    }

    /// It has nothing to do, from now on.
    pub fn waits(&self) {
        let mut list = self.connections.list();
        let now = list.ticket();
        let Some(open) = list.open.get_mut(&self.id) else {
            return;
        };
        let before = open.waits_since.replace(now);
        if let Some(before) = before {
            list.waiting.remove(&before);
        }
        list.waiting.insert(now, self.id);
    }

    /// Bytes per second that the client has to take while it is written to; at least 1.
    pub fn least_rate(&self) -> u64 {
        self.least_rate.load(Ordering::Relaxed)
    }

    /// Sets [`ConnectionPlace::least_rate`].
    pub fn demand(&self, bytes_per_second: u64) {
        self.least_rate
            .store(bytes_per_second.max(1), Ordering::Relaxed);
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut list = self.connections.list();
        if self.is_overflow {
            list.overflow.remove(&self.id);
        } else {
            list.remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    fn connections(most: usize, per_address: usize, waiting: usize) -> Connections {
        Connections::new(ConnectionLimits {
            most,
            per_address,
            waiting,
        })
    }

    #[test]
    fn the_one_that_waits_longest_makes_place() {
        let all = connections(10, 10, 2);
        let first = all.admit(address(1));
        let second = all.admit(address(2));
        // It asked for something and waits again: now the second waits longest.
        first.works();
        first.waits();
        let third = all.admit(address(3));
        assert!(second.cut().is_cancelled());
        assert!(!first.cut().is_cancelled() && !third.cut().is_cancelled());
        assert_eq!(all.count(), 2);
        drop(second);
        assert_eq!(all.count(), 2, "a place is given back once");
    }

    #[test]
    fn those_at_work_stay_and_the_rest_is_overflow() {
        let all = connections(2, 10, 10);
        let working = [all.admit(address(1)), all.admit(address(1))];
        working.iter().for_each(ConnectionPlace::works);
        let over: Vec<_> = (0..OVERFLOW + 1).map(|_| all.admit(address(2))).collect();
        assert!(over.iter().all(ConnectionPlace::is_overflow));
        assert!(over[0].cut().is_cancelled());
        assert!(!over[1].cut().is_cancelled());
        assert!(working.iter().all(|place| !place.cut().is_cancelled()));
        assert!(all.count() <= 2 + OVERFLOW);
        drop(working);
        assert!(!all.admit(address(1)).is_overflow());
    }

    #[test]
    fn an_address_makes_place_for_itself_alone() {
        let all = connections(10, 2, 10);
        let other = all.admit(address(1));
        let first = all.admit(address(2));
        let second = all.admit(address(2));
        let third = all.admit(address(2));
        assert!(first.cut().is_cancelled());
        assert!(!other.cut().is_cancelled() && !third.is_overflow());
        second.works();
        third.works();
        assert!(all.admit(address(2)).is_overflow());
        assert!(!all.admit(address(1)).is_overflow());
        assert!(!all.admit(None).is_overflow());
    }

    #[test]
    fn nothing_is_left_of_connections_that_went() {
        let all = connections(4, 2, 2);
        for round in 0..100 {
            let places: Vec<_> = (0..8).map(|last| all.admit(address(last % 3))).collect();
            places.iter().step_by(2).for_each(ConnectionPlace::works);
            places
                .iter()
                .skip(round % 3)
                .for_each(ConnectionPlace::waits);
            assert!(all.count() <= 4 + OVERFLOW);
        }
        assert_eq!(all.count(), 0);
        let list = all.list();
        assert!(list.per_address.is_empty() && list.waiting.is_empty());
    }
}
