//! Inversions of the room: what goes out to the engine, and what comes back.

use std::{borrow::Cow, sync::Arc, time::Instant};

use uuid::Uuid;

use super::{
    core::{Effect, InversionWish, RoomCore},
    inversion_flights::NextInversion,
    photos::{InversionFlight, Photo},
};
use crate::{
    canvas::{MAX_UNDO_ENTRIES, PhotoTile, Pixels, Window, WindowRules, photo_tiles},
    engine::{InversionEvent, InvertedPart},
    pipeline::{PhotoWindow, hundredths},
    protocol::{
        EditMethod, PhotoInfo, PhotoPart, PictureLayer, RenderNews, RenderState, RenderWork,
    },
};

impl RoomCore {
    /// The inverted photo that is the base now.
    fn photo(&self) -> Option<&Photo> {
        self.photos.get(self.canvas.base_id()?)
    }

    fn photo_mut(&mut self) -> Option<&mut Photo> {
        self.photos.get_mut(self.canvas.base_id()?)
    }

    /// How windows are cut now. The noise of a photo is that of the photo as large as it is.
    pub(super) fn window_rules(&self) -> WindowRules {
        let zoom = match self.photo() {
            Some(_) => 1,
            None => self.rules.zoom,
        };
        WindowRules { zoom, ..self.rules }
    }

    /// A photo was placed that is to be inverted.
    pub(super) fn begin_photo(&mut self, id: u64, prompt: String) {
        let tiles = photo_tiles(&self.canvas.bounds(), &self.rules);
        // The base itself may be one more than can be undone.
        self.photos.push(id, prompt, tiles, MAX_UNDO_ENTRIES + 1);
    }

    /// The base may be another photo now, or none.
    pub(super) fn follow_base(&mut self) {
        if let Some(id) = self.canvas.base_id() {
            let lost = self.photos.edit(id);
            self.effects
                .extend(lost.into_iter().map(Effect::ForgetPhoto));
        }
        self.release_held();
        self.pump_inversion();
    }

    /// Asks the engine for what is inverted next; stops what is of another photo than the base.
    pub(super) fn pump_inversion(&mut self) {
        let base = self.canvas.base_id();
        self.stop_inversions(|flight| Some(flight.photo) != base);
        let focus = self.photos.focus(self.options.size);
        while let Some(photo) = self.photo()
            && let Some(next) = self.photos.flights.next(photo, focus)
        {
            match next {
                NextInversion::Begin { tile, is_wanted } => {
                    let (id, prompt) = (photo.id, photo.prompt.clone());
                    self.send_inversion(id, prompt, tile, is_wanted);
                }
                NextInversion::Want(ticket) => {
                    self.photos.flights.set_wanted(ticket, true);
                    self.effects.push(Effect::WantInversion(ticket));
                }
            }
        }
    }

    fn send_inversion(&mut self, photo: u64, prompt: String, tile: PhotoTile, is_wanted: bool) {
        self.tickets += 1;
        let ticket = self.tickets;
        self.photos.flights.push(InversionFlight {
            ticket,
            photo,
            tile,
            rev: self.seq,
            is_wanted,
            is_cancelled: false,
            step: 0,
        });
        let wish = InversionWish {
            ticket,
            photo,
            tile,
            pixels: Arc::new(self.canvas.base().crop(&tile.rect)),
            prompt,
            is_wanted,
        };
        self.effects.push(Effect::Invert(Box::new(wish)));
    }

    /// A member wants no inversion: those under way stop, and no other begins until a window
    /// needs it.
    pub(super) fn cancel_inversion(&mut self) {
        if let Some(photo) = self.photo_mut() {
            photo.give_up();
        }
        self.stop_inversions(|_| true);
        self.stall_held();
    }

    fn stop_inversions(&mut self, condition: impl Fn(&InversionFlight) -> bool) {
        let stopped = self.photos.flights.cancel(condition).into_iter();
        self.effects.extend(stopped.map(Effect::CancelInversion));
    }

    /// How the inversion of the photo stands that is the base; none where that is no photo.
    pub(super) fn photo_info(&self) -> Option<PhotoInfo> {
        let photo = self.photo()?;
        let flights = self.photos.flights.iter();
        let running = flights.filter(|flight| flight.photo == photo.id && !flight.is_cancelled);
        let running = running.map(|flight| PhotoPart {
            rect: flight.tile.core,
            step: flight.step,
        });
        Some(PhotoInfo {
            seq: photo.id,
            done: photo.shown().collect(),
            running: running.collect(),
            steps: self.options.inversion.steps,
            psnr_db: photo.psnr_db().map(hundredths),
        })
    }

    /// What a render of a window has to know of the photo under it; none where the base is no
    /// inverted photo.
    pub(super) fn photo_window(&self, window: &Window) -> Option<PhotoWindow> {
        let photo = self.photo()?;
        Some(PhotoWindow {
            photo: photo.id,
            pixels: Arc::new(self.canvas.base().crop(&window.rect)),
            prompt: photo.prompt.clone(),
            method: self.settings.method,
        })
    }

    /// True when a window has to wait for the photo under it, which is then asked for.
    pub(super) fn waits_for_photo(&mut self, window: &Window) -> bool {
        if self.settings.method != EditMethod::Ddim {
            return false;
        }
        let Some(photo) = self.photo_mut() else {
            return false;
        };
        if photo.covers(&window.rect) {
            return false;
        }
        photo.want(&window.rect);
        self.pump_inversion();
        true
    }

    /// News of an inversion from the engine.
    pub(super) fn inversion_event(&mut self, event: InversionEvent, now: Instant) {
        let ticket = ticket_of(&event);
        let Some(flight) = self.photos.flights.get(ticket).cloned() else {
            return;
        };
        match event {
            // What it still has to say does not count: the room may have forgotten the photo.
            InversionEvent::Started { .. } | InversionEvent::Progress { .. }
                if flight.is_cancelled => {}
            InversionEvent::Started { .. } => {
                self.tell(self.news_of_inversion(&flight, RenderState::Started));
            }
            InversionEvent::Progress { step, .. } => {
                let mut news = self.news_of_inversion(&flight, RenderState::Progress);
                news.step = Some(step);
                self.tell(news);
                self.photos.flights.set_step(ticket, step);
                if step >= self.options.inversion.steps {
                    self.photos.flights.set_wanted(ticket, false);
                    self.tile_inverted(&flight, now);
                    self.pump_inversion();
                }
            }
            InversionEvent::Done { part, .. } if !flight.is_cancelled => {
                self.photos.flights.remove(ticket);
                self.tile_inverted(&flight, now);
                self.show_inversion(&flight, part);
                self.pump_inversion();
            }
            InversionEvent::Done { .. } | InversionEvent::Superseded { .. } => {
                self.photos.flights.remove(ticket);
                self.tell(self.news_of_inversion(&flight, RenderState::Superseded));
                if !flight.is_cancelled {
                    // Nobody here gave it up: the engine did. Ask again after the next op.
                    self.give_up_photo(flight.photo);
                }
                self.pump_inversion();
            }
            InversionEvent::Failed { message, .. } => {
                self.photos.flights.remove(ticket);
                let mut news = self.news_of_inversion(&flight, RenderState::Failed);
                news.message = Some(message);
                self.tell(news);
                self.give_up_photo(flight.photo);
                self.pump_inversion();
            }
        }
        self.settle_down();
    }

    fn give_up_photo(&mut self, id: u64) {
        if let Some(photo) = self.photos.get_mut(id) {
            photo.give_up();
        }
        self.stall_held();
    }

    fn tile_inverted(&mut self, flight: &InversionFlight, now: Instant) {
        if let Some(photo) = self.photos.get_mut(flight.photo) {
            photo.inverted(&flight.tile.core);
        }
        self.release_held();
        let clients: Vec<Uuid> = self.members.keys().copied().collect();
        for client in clients {
            self.pump(client, now, false);
        }
    }

    fn show_inversion(&mut self, flight: &InversionFlight, part: InvertedPart) {
        let core = flight.tile.core;
        let mut news = self.news_of_inversion(flight, RenderState::Done);
        news.step = Some(news.steps);
        news.timings_ms = Some(part.timings);
        // Shown only while the photo is the base: there it can be compared.
        if self.canvas.base_id() == Some(flight.photo)
            && let Some(photo) = self.photos.get_mut(flight.photo)
        {
            let there = self.canvas.base().crop(&core);
            let pictures = [&part.noise, &part.reconstruction];
            photo.show(&core, self.options.size, &there, pictures);
            news.psnr_db = photo.psnr_db().map(hundredths);
        }
        self.tell(news);
    }

    /// A picture of the room; none of what is inverted where nothing is.
    pub(super) fn picture(&self, layer: PictureLayer) -> Option<Cow<'_, Pixels>> {
        let pixels = match layer {
            PictureLayer::Result => self.canvas.result(),
            PictureLayer::Sketch => self.canvas.sketch(),
            PictureLayer::Noise => self.photo()?.noise()?,
            PictureLayer::Reconstruction => self.photo()?.reconstruction()?,
            PictureLayer::Mask => return Some(Cow::Owned(self.canvas.footprint().to_pixels())),
        };
        Some(Cow::Borrowed(pixels))
    }

    /// Windows that wait for a photo are looked at again.
    pub(super) fn release_held(&mut self) {
        self.plans.values_mut().for_each(|plan| plan.held = false);
    }

    /// Windows that wait for a photo wait for the next op of their member instead.
    fn stall_held(&mut self) {
        for plan in self.plans.values_mut().filter(|plan| plan.held) {
            plan.held = false;
            plan.stalled = true;
        }
    }

    fn news_of_inversion(&self, flight: &InversionFlight, state: RenderState) -> RenderNews {
        RenderNews {
            state,
            work: Some(RenderWork::Invert),
            rev: flight.rev,
            rect: flight.tile.core,
            step: None,
            steps: self.options.inversion.steps,
            psnr_db: None,
            timings_ms: None,
            message: None,
        }
    }
}

fn ticket_of(event: &InversionEvent) -> u64 {
    match event {
        InversionEvent::Started { ticket }
        | InversionEvent::Progress { ticket, .. }
        | InversionEvent::Done { ticket, .. }
        | InversionEvent::Superseded { ticket }
        | InversionEvent::Failed { ticket, .. } => *ticket,
    }
}
