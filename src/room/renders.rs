//! Renders of the room: what goes out to the engine, and what comes back.

use std::{sync::Arc, time::Instant};

use uuid::Uuid;

use super::{
    core::{Effect, News, RoomCore, Submission},
    render_plan::{Flight, Reason},
    settings::{seed_in_epoch, settle_steps},
    views::View,
};
use crate::{
    canvas::{Pixels, Window, feather},
    engine::RenderEvent,
    pipeline::{Edit, Output, RenderSettings},
    protocol::{Layer, Rect, RenderNews, RenderState, TimingsMs},
};

impl RoomCore {
    /// Sends a member's next render out, unless one is under way. `supersede` stops at its next
    /// step the render that was given up for this one.
    pub(super) fn pump(&mut self, client: Uuid, now: Instant, supersede: bool) {
        let live = self.settings.live;
        let rules = self.window_rules();
        loop {
            let Some(plan) = self.plans.get_mut(&client) else {
                return;
            };
            if plan.flight.is_some() {
                return;
            }
            let (size, rest) = (self.options.size, self.options.rest);
            let Some((reason, window)) = plan.next_window(size, &rules, live, now, rest) else {
                return;
            };
            // The model repaints up to the window's edges what is to be repainted there too, so that
            // neighbours agree; each shows its own part of it.
            let repainted = self.canvas.repaint_mask(&window.rect);
            let mask = feather(&window, &repainted);
            if mask.bounds().is_empty() {
                continue;
            }
            if self.waits_for_photo(&window) {
                if let Some(plan) = self.plans.get_mut(&client) {
                    plan.hold(reason, &window.core);
                }
                return;
            }
            let usual = self.settings.steps;
            let better = settle_steps(usual, &self.model);
            let (steps, is_final) = match reason {
                Reason::Wish(steps) => (steps.unwrap_or(usual), true),
                Reason::Live => (usual, better == usual),
                Reason::Settle => (better, true),
            };
            let edit = Edit {
                window: window.seen_rect(),
                sketch: Arc::new(window.seen(self.canvas.sketch().crop(&window.rect))),
                known: Arc::new(window.seen(self.canvas.known(
                    &window.rect,
                    &repainted,
                    &repainted,
                ))),
                mask: Arc::new(window.seen_mask(repainted)),
                settings: self.render_settings(&window, steps),
                output: Output {
                    rect: window.rect,
                    finish: self.settings.finish,
                    finish_strength: self.settings.finish_strength,
                },
                photo: self.photo_window(&window),
            };
            self.tickets += 1;
            let ticket = self.tickets;
            let Some(plan) = self.plans.get_mut(&client) else {
                return;
            };
            if !is_final {
                plan.settle_later(&window.core);
            }
            plan.flight = Some(Flight {
                ticket,
                reason,
                window,
                mask,
                rev: self.seq,
                steps,
                is_final,
                arrived: match reason {
                    Reason::Settle => None,
                    Reason::Live | Reason::Wish(_) => plan.take_arrival(),
                },
                submitted: now,
            });
            self.effects.push(Effect::Submit(Submission {
                member: client,
                ticket,
                edit,
                supersede,
            }));
            return;
        }
    }

    fn render_settings(&self, window: &Window, steps: u32) -> RenderSettings {
        let settings = &self.settings;
        let (prompt, regions) = self.window_prompts(window);
        let usual = RenderSettings::default();
        let negative_prompt = &settings.negative_prompt;
        RenderSettings {
            prompt,
            regions,
            negative_prompt: Some(negative_prompt.clone()).filter(|prompt| !prompt.is_empty()),
            guidance_scale: settings.guidance_scale,
            guidance_rescale: settings.guidance_rescale.unwrap_or(usual.guidance_rescale),
            image_guidance_scale: settings
                .image_guidance_scale
                .unwrap_or(usual.image_guidance_scale),
            steps,
            strength: settings.strength,
            keeps_a_step: true,
            seed: seed_in_epoch(settings.seed, self.epoch),
            variation: settings.variation,
            sampler: settings.sampler.clone(),
            ..usual
        }
    }

    /// News of a render from the engine.
    pub(super) fn render_event(&mut self, event: RenderEvent, now: Instant) {
        let ticket = ticket_of(&event);
        let owner = self.plans.iter().find_map(|(client, plan)| {
            let counts = plan
                .flight
                .as_ref()
                .is_some_and(|flight| flight.ticket == ticket);
            (counts || plan.abandoned.contains_key(&ticket)).then_some((*client, counts))
        });
        match owner {
            Some((client, true)) => self.news_of_flight(client, event, now),
            Some((client, false)) => self.news_of_abandoned(client, event),
            None => {}
        }
        self.settle_down();
    }

    fn news_of_abandoned(&mut self, client: Uuid, event: RenderEvent) {
        let Some(plan) = self.plans.get_mut(&client) else {
            return;
        };
        let state = match event {
            RenderEvent::Started { .. } => RenderState::Started,
            RenderEvent::Done { .. }
            | RenderEvent::Superseded { .. }
            | RenderEvent::Failed { .. } => RenderState::Superseded,
        };
        let told = match state {
            RenderState::Started => plan.abandoned.get(&ticket_of(&event)).copied(),
            _ => plan.abandoned.remove(&ticket_of(&event)),
        };
        if let Some(told) = told {
            let (rev, rect, steps) = (told.rev, told.rect, told.steps);
            self.tell(RenderNews {
                state,
                work: None,
                rev,
                rect,
                step: None,
                steps,
                psnr_db: None,
                timings_ms: None,
                message: None,
            });
        }
    }

    fn news_of_flight(&mut self, client: Uuid, event: RenderEvent, now: Instant) {
        let Some(plan) = self.plans.get_mut(&client) else {
            return;
        };
        if let RenderEvent::Started { .. } = event {
            if let Some(flight) = &plan.flight {
                let news = news_from_flight(flight, RenderState::Started);
                self.tell(news);
            }
            return;
        }
        let Some(flight) = plan.flight.take() else {
            return;
        };
        match event {
            RenderEvent::Started { .. } => {}
            RenderEvent::Done {
                pixels, timings, ..
            } if flight.is_of_window(&pixels) => {
                self.show_render(client, &flight, &pixels, timings);
                self.pump(client, now, false);
            }
            RenderEvent::Done { .. } => {
                let message = "The model made a picture of the wrong size.".to_owned();
                self.fail(client, &flight, message);
            }
            RenderEvent::Superseded { .. } => {
                // Nobody here gave it up: the engine did. Ask again after the next op.
                plan.put_back(&flight, &flight.window.core);
                plan.stalled = true;
                self.tell(news_from_flight(&flight, RenderState::Superseded));
            }
            RenderEvent::Failed { message, .. } => self.fail(client, &flight, message),
        }
    }

    fn fail(&mut self, client: Uuid, flight: &Flight, message: String) {
        if let Some(plan) = self.plans.get_mut(&client) {
            plan.put_back(flight, &flight.window.core);
            plan.stalled = true;
        }
        let mut news = news_from_flight(flight, RenderState::Failed);
        news.message = Some(message);
        self.tell(news);
    }

    pub(super) fn tell(&mut self, news: RenderNews) {
        self.effects.push(Effect::News(Box::new(News {
            news,
            frames: Vec::new(),
            arrived: None,
        })));
    }

    fn show_render(&mut self, client: Uuid, flight: &Flight, pixels: &Pixels, timings: TimingsMs) {
        let window = flight.window.rect;
        let mut mask = flight.mask.clone();
        let mut seen_through = Vec::new();
        for tile in self.tiles.touching(&window) {
            let part = self.tiles.rect(tile).intersect(&window);
            let local = Rect::new(
                part.x - window.x,
                part.y - window.y,
                part.width,
                part.height,
            );
            if mask.crop(&local).bounds().is_empty() {
                continue;
            }
            if self.tiles.result(tile).floor <= flight.rev {
                seen_through.push(tile);
                continue;
            }
            // A newer render or an undo was faster here: this window is out of date.
            for row in local.y..local.bottom() {
                mask.span_mut(local.x, row, local.width).fill(0);
            }
            if let Some(plan) = self.plans.get_mut(&client) {
                plan.put_back(flight, &part.intersect(&flight.window.core));
            }
        }
        let before = self.canvas.result().crop(&window);
        let pasted = self.canvas.paste_result(&window, pixels, &mask);
        let mut alone = View::up_to_date(self.options.size);
        for tile in seen_through {
            let state = self.tiles.result_mut(tile);
            state.floor = flight.rev;
            state.rev = state.rev.max(flight.rev);
            state.step = flight.steps;
            state.steps = flight.steps;
            state.is_final = flight.is_final;
            let part = self.tiles.rect(tile).intersect(&window);
            let local = Rect::new(
                part.x - window.x,
                part.y - window.y,
                part.width,
                part.height,
            );
            let was_inked = self.inked.contains(tile);
            let changed = !part.intersect(&pasted).is_empty()
                && before.crop(&local).data() != self.canvas.result().crop(&part).data();
            if changed || was_inked {
                self.inked.remove(tile);
                self.mark(Layer::Result, &part);
                alone.mark(Layer::Result, &part);
            }
        }
        if flight.is_final {
            for member in self.members.values_mut() {
                member.view.finish(&window);
            }
        }
        let resting = self.is_resting();
        let frames: Vec<_> =
            std::iter::from_fn(|| alone.next_frame(&self.tiles, self.seq, resting)).collect();
        let mut news = news_from_flight(flight, RenderState::Done);
        news.timings_ms = Some(timings);
        let arrived = flight.arrived;
        self.effects.push(Effect::News(Box::new(News {
            news,
            frames,
            arrived,
        })));
    }
}

impl Flight {
    fn is_of_window(&self, made: &Pixels) -> bool {
        let shown = self.window.rect;
        (made.width(), made.height()) == (shown.width, shown.height)
    }
}

fn ticket_of(event: &RenderEvent) -> u64 {
    match event {
        RenderEvent::Started { ticket }
        | RenderEvent::Done { ticket, .. }
        | RenderEvent::Superseded { ticket }
        | RenderEvent::Failed { ticket, .. } => *ticket,
    }
}

fn news_from_flight(flight: &Flight, state: RenderState) -> RenderNews {
    RenderNews {
        state,
        work: None,
        rev: flight.rev,
        rect: flight.window.rect,
        step: None,
        steps: flight.steps,
        psnr_db: None,
        timings_ms: None,
        message: None,
    }
}
