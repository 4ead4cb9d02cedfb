//! The inversions that the engine has of a room, and what is asked of it next. Decisions only.
//!
//! The room asks for one tile that a window waits for at a time, because it knows best which is the
//! next one when that is there: by then the brush may be elsewhere. What was begun before waits in
//! the engine meanwhile: tiles on their way back, and at most one that nobody waits for.

use super::photos::{InversionFlight, Photo};
use crate::canvas::PhotoTile;

/// The most inversions that the engine has of a room: each holds the latents of a tile. When so
/// many tiles wait for their way back, the oldest goes before the next one that is wanted.
pub(super) const FLIGHTS_MOST: usize = 16;

/// The inversions that the engine has of a room, the oldest first.
#[derive(Debug, Default)]
pub(super) struct InversionFlights {
    all: Vec<InversionFlight>,
}

/// What to ask of the engine.
#[derive(Debug, PartialEq)]
pub(super) enum NextInversion {
    /// A tile is to be inverted.
    Begin { tile: PhotoTile, is_wanted: bool },
    /// A window waits for the inversion of this ticket.
    Want(u64),
}

impl InversionFlights {
    /// The next thing to ask for, for windows over `photo`, near `focus`.
    pub(super) fn next(&self, photo: &Photo, focus: (f32, f32)) -> Option<NextInversion> {
        let mut live = self.all.iter().filter(|flight| !flight.is_cancelled);
        if live.clone().any(|flight| flight.is_wanted) {
            return None;
        }
        let is_full = self.all.len() >= FLIGHTS_MOST;
        let begin =
            |tile, is_wanted| (!is_full).then_some(NextInversion::Begin { tile, is_wanted });
        let Some(tile) = photo.wanted_tile(focus) else {
            let is_idle = live.next().is_none();
            let tile = photo.tile_ahead(focus).filter(|_| is_idle)?;
            return begin(tile, false);
        };
        let begun = live.clone().find(|flight| flight.is_of(photo, &tile));
        match begun.or_else(|| live.next().filter(|_| is_full)) {
            Some(flight) => Some(NextInversion::Want(flight.ticket)),
            None => begin(tile, true),
        }
    }

    /// An inversion was asked for.
    pub(super) fn push(&mut self, flight: InversionFlight) {
        self.all.push(flight);
    }

    /// The inversion of a ticket.
    pub(super) fn get(&self, ticket: u64) -> Option<&InversionFlight> {
        self.all.iter().find(|flight| flight.ticket == ticket)
    }

    /// The inversion of a ticket is the one that a window waits for, or no longer.
    pub(super) fn set_wanted(&mut self, ticket: u64, is_wanted: bool) {
        let mut all = self.all.iter_mut();
        if let Some(flight) = all.find(|flight| flight.ticket == ticket) {
            flight.is_wanted = is_wanted;
        }
    }

    /// So many steps of the inversion of a ticket are done.
    pub(super) fn set_step(&mut self, ticket: u64, step: u32) {
        let mut all = self.all.iter_mut();
        if let Some(flight) = all.find(|flight| flight.ticket == ticket) {
            flight.step = step;
        }
    }

    /// The inversion of a ticket has ended.
    pub(super) fn remove(&mut self, ticket: u64) {
        self.all.retain(|flight| flight.ticket != ticket);
    }

    /// Those that meet the condition do not count any more. Answers the tickets of those that did
    /// before, to be told to the engine.
    pub(super) fn cancel(&mut self, condition: impl Fn(&InversionFlight) -> bool) -> Vec<u64> {
        let live = self.all.iter_mut().filter(|flight| !flight.is_cancelled);
        live.filter(|flight| condition(flight))
            .map(|flight| {
                flight.is_cancelled = true;
                flight.ticket
            })
            .collect()
    }

    /// All of them, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &InversionFlight> {
        self.all.iter()
    }
}

impl InversionFlight {
    fn is_of(&self, photo: &Photo, tile: &PhotoTile) -> bool {
        (self.photo, self.tile.core) == (photo.id, tile.core)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        canvas::{WindowRules, photo_tiles},
        protocol::Rect,
        room::photos::Photos,
    };

    const PHOTO: u64 = 3;

    /// Photos with one of this many tiles side by side, and its tiles.
    fn photos(tiles: u32) -> (Photos, Vec<PhotoTile>) {
        let rules = WindowRules {
            zoom: 1,
            grid: 16,
            context: 16,
            minimum: 64,
            maximum: 64,
        };
        let canvas = Rect::new(0, 0, 32 * tiles + 32, 64);
        let cut = photo_tiles(&canvas, &rules);
        assert_eq!(cut.len(), tiles as usize);
        let mut photos = Photos::default();
        photos.push(PHOTO, String::new(), cut.clone(), 4);
        (photos, cut)
    }

    /// The first tile is where the brush is.
    fn next(photos: &Photos) -> Option<NextInversion> {
        photos.flights.next(photos.get(PHOTO).unwrap(), (0.0, 32.0))
    }

    fn begin(photos: &mut Photos, ticket: u64) -> (Rect, bool) {
        let Some(NextInversion::Begin { tile, is_wanted }) = next(photos) else {
            panic!("nothing to begin")
        };
        photos.flights.push(InversionFlight {
            ticket,
            photo: PHOTO,
            tile,
            rev: 0,
            is_wanted,
            is_cancelled: false,
            step: 0,
        });
        (tile.core, is_wanted)
    }

    fn want(photos: &mut Photos, tile: &PhotoTile) {
        photos.get_mut(PHOTO).unwrap().want(&tile.core);
    }

    fn found_noise(photos: &mut Photos, ticket: u64) {
        let core = photos.flights.get(ticket).unwrap().tile.core;
        photos.flights.set_wanted(ticket, false);
        photos.get_mut(PHOTO).unwrap().inverted(&core);
    }

    #[test]
    fn one_ahead_of_need_and_one_that_is_wanted_at_a_time() {
        let (mut photos, tiles) = photos(4);
        assert_eq!(begin(&mut photos, 1), (tiles[0].core, false));
        assert_eq!(next(&photos), None, "one ahead");
        want(&mut photos, &tiles[2]);
        want(&mut photos, &tiles[1]);
        assert_eq!(begin(&mut photos, 2), (tiles[1].core, true), "the nearest");
        assert_eq!(next(&photos), None, "one wanted");
        found_noise(&mut photos, 2);
        assert_eq!(begin(&mut photos, 3), (tiles[2].core, true));
        found_noise(&mut photos, 3);
        want(&mut photos, &tiles[0]);
        assert_eq!(next(&photos), Some(NextInversion::Want(1)), "begun before");
        photos.flights.set_wanted(1, true);
        assert_eq!(next(&photos), None);
        found_noise(&mut photos, 1);
        assert_eq!(next(&photos), None, "nothing ahead before all are back");
        for ticket in [2, 3, 1] {
            photos.flights.remove(ticket);
        }
        assert_eq!(begin(&mut photos, 4), (tiles[3].core, false));
    }

    #[test]
    fn where_too_many_wait_for_their_way_back_the_oldest_goes_first() {
        let most = FLIGHTS_MOST as u64;
        let (mut photos, tiles) = photos(FLIGHTS_MOST as u32 + 4);
        for tile in &tiles {
            want(&mut photos, tile);
        }
        for ticket in 1..=most {
            begin(&mut photos, ticket);
            found_noise(&mut photos, ticket);
        }
        assert_eq!(next(&photos), Some(NextInversion::Want(1)));
        photos.flights.set_wanted(1, true);
        assert_eq!(next(&photos), None);
        photos.flights.remove(1);
        assert!(begin(&mut photos, most + 1).1);
    }

    #[test]
    fn what_was_cancelled_counts_only_as_taking_room() {
        let (mut photos, tiles) = photos(FLIGHTS_MOST as u32 + 1);
        want(&mut photos, &tiles[0]);
        for ticket in 1..=FLIGHTS_MOST as u64 {
            assert_eq!(begin(&mut photos, ticket), (tiles[0].core, true));
            let all = photos.flights.cancel(|_| true);
            assert_eq!(all, [ticket], "the others were before");
        }
        assert_eq!(next(&photos), None);
        photos.flights.remove(4);
        assert_eq!(begin(&mut photos, 99), (tiles[0].core, true));
        assert!(
            photos
                .flights
                .cancel(|flight| flight.ticket == 98)
                .is_empty()
        );
        assert_eq!(photos.flights.iter().count(), FLIGHTS_MOST);
    }
}
