//! Who comes into which room, and what has to leave memory for it.

use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};

use metrics::counter;
use uuid::Uuid;

use super::AppState;
use crate::protocol::CanvasSize;
use crate::room::{
    JoinRequest, Joined, RegistryCounts, RoomError, RoomHandle, RoomRegistry, is_room_name,
};
use crate::server::access::{Grant, Invites};
use crate::server::error::ApiError;
use crate::server::metrics::ROOMS_RESTED;

/// Seconds after which there may be a place for another room.
const ROOMS_RETRY_SECONDS: u32 = 60;
/// Bytes that a room takes for each pixel of its canvas once all of it is painted on: layers,
/// masks, and what undo keeps. Measured: 436 MiB for 4096 × 4096.
const ROOM_BYTES_PER_PIXEL: u64 = 27;
/// Rooms that one newcomer may send out of memory: as many as a large canvas takes the place of.
const EVICTIONS_MOST: usize = 128;

/// Somebody on the way into a room.
struct Newcomer<'a> {
    name: &'a str,
    grant: &'a Grant,
    address: IpAddr,
    /// The room has been counted as one that the address made.
    is_counted: bool,
    /// Whether resting rooms leave memory for this one.
    sends_others_out: bool,
}

/// How somebody comes into a room.
enum Entry {
    /// It is in memory now.
    Room(RoomHandle),
    /// Once this room has left memory, or else not.
    After {
        victim: RoomHandle,
        refusal: ApiError,
    },
}

impl AppState {
    /// Makes invites for a new room, under a random name when none is given. The room itself
    /// takes memory once somebody comes in. `address` is counted, where there is one.
    ///
    /// # Errors
    /// When the name or the size cannot be, the name is taken, or there are too many rooms.
    pub fn make_room(
        &self,
        name: Option<String>,
        width: Option<u32>,
        height: Option<u32>,
        address: Option<IpAddr>,
    ) -> Result<(String, Invites), ApiError> {
        let rooms = self.rooms()?;
        let default = rooms.options().size;
        let (width, height) = (
            width.unwrap_or(default.width),
            height.unwrap_or(default.height),
        );
        let size = rooms.options().clone().with_size(width, height)?.size;
        let name = name.unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        if !is_room_name(&name) {
            return Err(RoomError::InvalidName.into());
        }
        let _turn = self.room_making();
        if self.0.access.is_reserved(&name) || rooms.exists(&name) {
            return Err(RoomError::NameTaken.into());
        }
        if address.is_some() {
            self.check_room_limits(counts_without_resting(rooms), size)?;
        }
        if let Some(address) = address {
            self.count_room(address)?;
        }
        let alive = |room: &str| rooms.exists(room);
        let invites = self.0.access.agree(&name, size, alive)?;
        Ok((name, invites))
    }

    /// A room that is in memory, or was made and is not.
    ///
    /// # Errors
    /// 404 when there is none; what [`AppState::enter_room`] refuses.
    pub async fn existing_room(
        &self,
        name: &str,
        grant: &Grant,
        address: IpAddr,
    ) -> Result<RoomHandle, ApiError> {
        let rooms = self.rooms()?;
        if let Some(room) = rooms.running(name) {
            return Ok(room);
        }
        if self.0.access.canvas(name).is_none() && !rooms.exists(name) {
            return Err(RoomError::Unknown.into());
        }
        self.enter_room(rooms, name, grant, address).await
    }

    /// Joins a room; who may has been decided.
    ///
    /// # Errors
    /// What the room, the registry or the limits refuse.
    pub async fn join(
        &self,
        name: &str,
        request: JoinRequest,
        grant: &Grant,
        address: IpAddr,
    ) -> Result<(RoomHandle, Joined), ApiError> {
        let rooms = self.rooms()?;
        self.enter_room(rooms, name, grant, address).await?;
        Ok(rooms.join(name, request).await?)
    }

    /// The room of a name, made where it is not in memory: kept rooms that nobody is in leave it for
    /// others, the one that was left longest ago first. The operator's is made in any case.
    async fn enter_room(
        &self,
        rooms: &RoomRegistry,
        name: &str,
        grant: &Grant,
        address: IpAddr,
    ) -> Result<RoomHandle, ApiError> {
        let mut newcomer = Newcomer {
            name,
            grant,
            address,
            is_counted: false,
            sends_others_out: true,
        };
        for _ in 0..EVICTIONS_MOST {
            match self.try_enter(rooms, &mut newcomer)? {
                Entry::Room(room) => return Ok(room),
                Entry::After { victim, refusal } => match rooms.put_to_rest(&victim).await {
                    true => counter!(ROOMS_RESTED).increment(1),
                    false if grant.is_operator => newcomer.sends_others_out = false,
                    false => return Err(refusal),
                },
            }
        }
        let message = "others take the memory that becomes free: try again later";
        Err(ApiError::unavailable(message, ROOMS_RETRY_SECONDS))
    }

    fn try_enter(&self, rooms: &RoomRegistry, newcomer: &mut Newcomer) -> Result<Entry, ApiError> {
        let Newcomer { name, grant, .. } = *newcomer;
        if let Some(room) = rooms.running(name) {
            return Ok(Entry::Room(room));
        }
        if self.0.access.is_deleted(name) {
            return Err(RoomError::Deleted.into());
        }
        let mut options = rooms.options().clone();
        let stored = rooms.stored_size(name);
        if let Some(size) = stored.or_else(|| self.0.access.canvas(name)) {
            options = options.with_size(size.width, size.height)?;
        }
        let _turn = self.room_making();
        if let Some(room) = rooms.running(name) {
            return Ok(Entry::Room(room));
        }
        let refusal = self.check_room_limits(rooms.counts(), options.size).err();
        if let Some(refusal) = &refusal
            && !grant.is_operator
        {
            // Nobody is sent out for one who cannot come in all the same.
            let without = counts_without_resting(rooms);
            if self.check_room_limits(without, options.size).is_err() {
                return Err(refusal.clone());
            }
        }
        // One that was made before has been counted then.
        let is_new = is_room_name(name) && stored.is_none() && !self.0.access.knows(name);
        if is_new && !grant.is_operator && !newcomer.is_counted {
            self.count_room(newcomer.address)?;
            newcomer.is_counted = true;
        }
        if let Some(refusal) = refusal {
            let mut resting = rooms.resting().into_iter();
            match resting.next().filter(|_| newcomer.sends_others_out) {
                Some(victim) => return Ok(Entry::After { victim, refusal }),
                None if grant.is_operator => {}
                None => return Err(refusal),
            }
        }
        Ok(Entry::Room(rooms.run(name, options)?))
    }

    /// Bytes that the canvases of all rooms in memory come to, each as if all of it were painted on, with
    /// the layers that they have.
    pub fn room_bytes(&self) -> u64 {
        let counts = self.rooms_if_open().map(RoomRegistry::counts);
        bytes_of(counts.unwrap_or_default())
    }

    fn check_room_limits(&self, counts: RegistryCounts, size: CanvasSize) -> Result<(), ApiError> {
        let limits = &self.0.options.limits;
        let refuse = |message: String| Err(ApiError::unavailable(message, ROOMS_RETRY_SECONDS));
        if counts.rooms >= limits.rooms {
            let most = limits.rooms;
            return refuse(format!(
                "the server keeps {most} rooms already: use one of them or try again later"
            ));
        }
        if counts.empty >= limits.empty_rooms {
            let most = limits.empty_rooms;
            return refuse(format!(
                "the server keeps {most} rooms that nobody is in already: use one of them or try \
                 again later"
            ));
        }
        let with_it = RegistryCounts {
            pixels: counts.pixels + u64::from(size.width) * u64::from(size.height),
            ..counts
        };
        if bytes_of(with_it) > limits.room_bytes {
            return refuse(
                "the server has no memory for a canvas of that size now: make a smaller one or \
                 try again later"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn count_room(&self, address: IpAddr) -> Result<(), ApiError> {
        let counted = self.0.room_rates.count(address);
        counted.map_err(|wait| {
            let message = "this address has made many rooms: use one of them or try again later";
            ApiError::rate_limited(message, wait)
        })
    }

    fn room_making(&self) -> MutexGuard<'_, ()> {
        let turn = self.0.room_making.lock();
        turn.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What canvases and their layers come to.
fn bytes_of(counts: RegistryCounts) -> u64 {
    let canvases = counts.pixels.saturating_mul(ROOM_BYTES_PER_PIXEL);
    canvases.saturating_add(counts.layer_bytes)
}

/// What there would be in memory without the rooms that may leave it.
fn counts_without_resting(rooms: &RoomRegistry) -> RegistryCounts {
    let mut counts = rooms.counts();
    for room in rooms.resting() {
        let CanvasSize { width, height } = room.size();
        let pixels = u64::from(width) * u64::from(height);
        counts.rooms = counts.rooms.saturating_sub(1);
        counts.empty = counts.empty.saturating_sub(1);
        counts.pixels = counts.pixels.saturating_sub(pixels);
        counts.layer_bytes = counts.layer_bytes.saturating_sub(room.layer_bytes());
    }
    counts
}
