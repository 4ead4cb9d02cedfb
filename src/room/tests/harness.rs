//! A room core with simulated members and a simulated engine.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::inverter::Inverter;
use crate::{
    canvas::{Mask, Pixels, WindowRules},
    engine::RenderEvent,
    model::{Defaults, Family},
    pipeline::PromptRegion,
    protocol::*,
    room::{
        InversionOptions, RoomCommand, RoomOptions,
        core::{Effect, RoomCore, Submission},
        inversion_flights::FLIGHTS_MOST,
        members::Arrival,
        op_log::OpLog,
        views::TILE,
    },
};

pub(super) const SIZE: CanvasSize = CanvasSize {
    width: 192,
    height: 128,
};

pub(super) fn settings() -> Settings {
    Settings {
        prompt: "red apple".to_owned(),
        negative_prompt: String::new(),
        guidance_scale: 1.0,
        guidance_rescale: None,
        image_guidance_scale: None,
        steps: 2,
        strength: 1.0,
        seed: 7,
        variation: 0.0,
        sampler: "lcm".to_owned(),
        spread: 8,
        live: true,
        method: EditMethod::Ddim,
        finish: Finish::None,
        finish_strength: 1.0,
    }
}

pub(super) fn model() -> ModelInfo {
    ModelInfo {
        id: "test".to_owned(),
        family: "sketch".to_owned(),
        native_size: 64,
        largest_zoom: 1,
        device: "cpu".to_owned(),
        dtype: "f32".to_owned(),
        max_steps: 8,
        max_guidance_scale: None,
        scheduler: None,
        samplers: vec!["lcm".to_owned(), "ddim".to_owned()],
        defaults: Defaults::of_family(Family::Sketch, false).with_sampler("lcm"),
    }
}

pub(super) const RULES: WindowRules = WindowRules {
    zoom: 1,
    grid: 32,
    context: 16,
    minimum: 64,
    maximum: 128,
};

pub(super) fn options() -> RoomOptions {
    RoomOptions {
        size: SIZE,
        inversion: InversionOptions {
            steps: 2,
            refinements: 0,
        },
        ..RoomOptions::new(settings())
    }
}

pub(super) fn client(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(super) fn chunk(id: &str, first: bool, points: &[StrokePoint], done: bool) -> RoomCommand {
    let brush = first.then(|| Brush {
        tool: Tool::Brush,
        size: 20.0,
        hardness: 0.8,
        opacity: 1.0,
        color: "#c01020".to_owned(),
        prompt: None,
    });
    RoomCommand::Stroke(StrokeChunk {
        id: id.to_owned(),
        brush,
        points: points.to_vec(),
        done,
    })
}

/// What the simulated model makes of a window.
pub(super) fn painted(sketch: &Pixels) -> Pixels {
    let mut pixels = sketch.clone();
    pixels
        .data_mut()
        .iter_mut()
        .for_each(|value| *value = 255 - *value);
    pixels
}

/// What one member knows.
pub(super) struct Eyes {
    pub(super) joined_at: u64,
    pub(super) ops: Vec<SequencedOp>,
    pub(super) texts: Vec<ServerMessage>,
    layers: [Pixels; 2],
    revs: [Vec<u64>; 2],
    lossy: [Vec<bool>; 2],
}

struct Job {
    submission: Submission,
    running: bool,
    superseded: bool,
}

/// The room, its members, its engine and its clock.
pub(super) struct World {
    pub(super) core: RoomCore,
    pub(super) now: Instant,
    pub(super) eyes: BTreeMap<Uuid, Eyes>,
    pub(super) ops: Vec<SequencedOp>,
    pub(super) news: Vec<RenderNews>,
    pub(super) submitted: Vec<(Uuid, RenderSettingsSeen)>,
    /// Cores of the tiles that were to be inverted, and of which photo.
    pub(super) asked: Vec<(u64, Rect)>,
    pub(super) inverter: Inverter,
    jobs: Vec<Job>,
}

/// What a render is told whose photo is not inverted where its window lies.
const NOT_INVERTED: &str = "not inverted";

/// What a test asks about a submitted render.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RenderSettingsSeen {
    pub(super) window: Rect,
    pub(super) mask: Mask,
    pub(super) steps: u32,
    pub(super) seed: u64,
    pub(super) prompt: String,
    /// The prompts of parts of the window, and how much of it they hold, 0 … 255.
    pub(super) regions: Vec<(String, u8)>,
    pub(super) supersede: bool,
    pub(super) photo: Option<(u64, EditMethod)>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_options(options())
    }

    pub(super) fn with_options(options: RoomOptions) -> Self {
        Self::with_model(options, model())
    }

    /// A room whose model may see it so many times smaller.
    pub(super) fn zoomed(largest_zoom: u32) -> Self {
        let model = ModelInfo {
            largest_zoom,
            ..model()
        };
        Self::with_model(options(), model)
    }

    fn with_model(options: RoomOptions, model: ModelInfo) -> Self {
        let journal = OpLog::new(options.history_max);
        let core = RoomCore::new("studio".to_owned(), options, model, RULES, journal);
        Self {
            core,
            now: Instant::now(),
            eyes: BTreeMap::new(),
            ops: Vec::new(),
            news: Vec::new(),
            submitted: Vec::new(),
            asked: Vec::new(),
            inverter: Inverter::default(),
            jobs: Vec::new(),
        }
    }

    pub(super) fn join(&mut self, client: Uuid, last_seq: Option<u64>) -> Welcome {
        self.join_as(client, Role::Editor, last_seq)
    }

    pub(super) fn join_as(&mut self, client: Uuid, role: Role, last_seq: Option<u64>) -> Welcome {
        let arrival = Arrival {
            client,
            name: None,
            role,
            last_seq,
        };
        let welcome = self.core.join(arrival, self.now).unwrap();
        let CanvasSize { width, height } = welcome.canvas;
        let blank = Pixels::new(width, height, [9, 9, 9]);
        let tiles = (width.div_ceil(TILE) * height.div_ceil(TILE)) as usize;
        self.eyes.insert(
            client,
            Eyes {
                joined_at: last_seq.unwrap_or(welcome.seq),
                ops: Vec::new(),
                texts: Vec::new(),
                layers: [blank.clone(), blank],
                revs: [vec![0; tiles], vec![0; tiles]],
                lossy: [vec![false; tiles], vec![false; tiles]],
            },
        );
        self.drain();
        welcome
    }

    pub(super) fn leave(&mut self, client: Uuid) {
        self.core.leave(client, self.now);
        self.eyes.remove(&client);
        self.drain();
    }

    pub(super) fn send(&mut self, client: Uuid, command: RoomCommand) {
        self.core.handle(client, command, self.now);
        self.drain();
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.core.tick(self.now);
        self.drain();
    }

    /// Errors that a member was told, the oldest first.
    pub(super) fn errors(&self, client: Uuid) -> Vec<ErrorCode> {
        let texts = self.eyes[&client].texts.iter();
        texts
            .filter_map(|text| match text {
                ServerMessage::Error(error) => Some(error.code),
                _ => None,
            })
            .collect()
    }

    pub(super) fn drain(&mut self) {
        loop {
            let effects = self.core.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.perform(effect);
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send(to, message) => {
                if let Some(eyes) = self.eyes.get_mut(&to) {
                    eyes.see(&message);
                }
            }
            Effect::Broadcast { except, message } => {
                if let ServerMessage::Op(op) = &message {
                    self.ops.push(op.clone());
                }
                let others = self.eyes.iter_mut().filter(|(id, _)| Some(**id) != except);
                others.for_each(|(_, eyes)| eyes.see(&message));
            }
            Effect::News(news) => self.news.push(news.news),
            Effect::Submit(submission) => self.admit(submission),
            Effect::Invert(wish) => {
                self.asked.push((wish.photo, wish.tile.core));
                self.inverter.take(*wish);
                assert!(self.core.photos.flights.iter().count() <= FLIGHTS_MOST);
            }
            Effect::WantInversion(ticket) => self.inverter.want(ticket),
            Effect::CancelInversion(ticket) => self.inverter.cancel(ticket),
            Effect::ForgetPhoto(photo) => self.inverter.forget_photo(photo),
            Effect::Whisper { .. } | Effect::FramesReady(_) => {}
        }
    }

    /// As the engine does: one runs, one waits, the newest of a member wins.
    fn admit(&mut self, submission: Submission) {
        self.submitted.push((
            submission.member,
            RenderSettingsSeen {
                window: submission.edit.window,
                mask: submission.edit.mask.as_ref().clone(),
                steps: submission.edit.settings.steps,
                seed: submission.edit.settings.seed,
                prompt: submission.edit.settings.prompt.clone(),
                regions: submission
                    .edit
                    .settings
                    .regions
                    .iter()
                    .map(region_seen)
                    .collect(),
                supersede: submission.supersede,
                photo: (submission.edit.photo.as_ref()).map(|photo| (photo.photo, photo.method)),
            },
        ));
        let member = submission.member;
        if submission.supersede {
            let of_member = self
                .jobs
                .iter_mut()
                .filter(|job| job.submission.member == member);
            of_member
                .filter(|job| job.running)
                .for_each(|job| job.superseded = true);
        }
        let waiting = self
            .jobs
            .iter()
            .position(|job| job.submission.member == member && !job.running);
        let replaced = waiting.map(|place| self.jobs.remove(place));
        self.jobs.push(Job {
            submission,
            running: false,
            superseded: false,
        });
        if let Some(replaced) = replaced {
            let ticket = replaced.submission.ticket;
            self.core
                .render_event(RenderEvent::Superseded { ticket }, self.now);
        }
    }

    pub(super) fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Moves one render on: a waiting one begins unless its member's other one runs, a running
    /// one ends.
    pub(super) fn move_job(&mut self, place: usize, fails: bool) {
        if self.jobs.is_empty() {
            return;
        }
        let place = place % self.jobs.len();
        let member = self.jobs[place].submission.member;
        let ticket = self.jobs[place].submission.ticket;
        let busy = self
            .jobs
            .iter()
            .any(|job| job.submission.member == member && job.running);
        if !self.jobs[place].running {
            if !busy {
                self.jobs[place].running = true;
                self.core
                    .render_event(RenderEvent::Started { ticket }, self.now);
            }
            return self.drain();
        }
        let job = self.jobs.remove(place);
        let event = if job.superseded {
            RenderEvent::Superseded { ticket }
        } else if fails {
            RenderEvent::Failed {
                ticket,
                message: "out of memory".to_owned(),
            }
        } else if !self.is_inverted(&job.submission) {
            RenderEvent::Failed {
                ticket,
                message: NOT_INVERTED.to_owned(),
            }
        } else {
            let edit = &job.submission.edit;
            let pixels = edit.output.apply(painted(&edit.sketch));
            RenderEvent::Done {
                ticket,
                pixels,
                timings: TimingsMs::new(),
            }
        };
        self.core.render_event(event, self.now);
        self.drain();
    }

    /// Whether the engine has what a render over a photo needs.
    fn is_inverted(&self, submission: &Submission) -> bool {
        let Some(photo) = &submission.edit.photo else {
            return true;
        };
        let (bounds, window) = (self.core.canvas.bounds(), &submission.edit.window);
        photo.method != EditMethod::Ddim
            || (self.inverter).covers(photo.photo, window, &bounds, &RULES)
    }

    /// True while the engine has inversions.
    pub(super) fn is_inverting(&self) -> bool {
        !self.inverter.is_idle()
    }

    /// The engine takes the next step of an inversion, and the room hears of it.
    pub(super) fn move_inversion(&mut self, fails: bool) {
        self.inverter.step(self.core.options.inversion.steps, fails);
        while self.hear_inversion() {}
    }

    /// The room hears the oldest news of an inversion; false when there is none.
    pub(super) fn hear_inversion(&mut self) -> bool {
        let Some(event) = self.inverter.next_event() else {
            return false;
        };
        self.core.inversion_event(event, self.now);
        self.drain();
        true
    }

    /// Panics when a member was told that a photo is not inverted where it should be.
    pub(super) fn assert_photos_were_ready(&self) {
        let told = |news: &RenderNews| news.message.as_deref() == Some(NOT_INVERTED);
        assert!(!self.news.iter().any(told), "a window came too early");
    }

    /// Lets every render and inversion end and every hand rest.
    pub(super) fn come_to_rest(&mut self) {
        for round in 0..10_000 {
            while self.jobs() > 0 {
                self.move_job(round, false);
                self.move_job(0, false);
            }
            while self.is_inverting() {
                self.move_inversion(false);
            }
            self.pass(Duration::from_secs(1));
            if self.jobs() == 0 && self.core.next_deadline().is_none() {
                return;
            }
        }
        panic!("the room does not come to rest");
    }

    /// One frame for a member; false when none waits.
    pub(super) fn pull(&mut self, client: Uuid) -> bool {
        let Some(plan) = self.core.next_frame(&client) else {
            return false;
        };
        let pixels = self.core.layer(plan.layer).crop(&plan.rect);
        let eyes = self.eyes.get_mut(&client).unwrap();
        let slot = usize::from(plan.layer == Layer::Sketch);
        let lossy = plan.format == FrameFormat::Jpeg;
        assert!(!(lossy && plan.is_final), "a final frame is lossless");
        assert!(plan.rev <= self.core.seq);
        for row in plan.rect.y / TILE..plan.rect.bottom().div_ceil(TILE) {
            for column in plan.rect.x / TILE..plan.rect.right().div_ceil(TILE) {
                let columns = self.core.options.size.width.div_ceil(TILE);
                let tile = (row * columns + column) as usize;
                assert!(plan.rev >= eyes.revs[slot][tile], "a rev went back");
                eyes.revs[slot][tile] = plan.rev;
                eyes.lossy[slot][tile] = lossy;
            }
        }
        eyes.layers[slot].paste(&pixels, plan.rect.x, plan.rect.y);
        true
    }

    pub(super) fn pull_all(&mut self, client: Uuid) -> usize {
        let mut frames = 0;
        while self.pull(client) {
            frames += 1;
        }
        frames
    }

    /// Panics unless the member sees exactly what the room has.
    pub(super) fn assert_sees_everything(&self, client: Uuid) {
        let eyes = &self.eyes[&client];
        assert!(
            eyes.layers[0] == *self.core.layer(Layer::Result),
            "another result"
        );
        assert!(
            eyes.layers[1] == *self.core.layer(Layer::Sketch),
            "another sketch"
        );
        assert!(
            !eyes.lossy.iter().flatten().any(|lossy| *lossy),
            "a lossy tile is left"
        );
    }
}

impl Eyes {
    fn see(&mut self, message: &ServerMessage) {
        if let ServerMessage::Op(op) = message {
            self.ops.push(op.clone());
        }
        self.texts.push(message.clone());
    }
}

/// The prompt of a region, and the most that it holds of any pixel.
fn region_seen(region: &PromptRegion) -> (String, u8) {
    let most = region
        .share
        .data()
        .iter()
        .max()
        .copied()
        .unwrap_or_default();
    (region.prompt.clone(), most)
}
