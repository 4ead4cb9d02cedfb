//! A room core with simulated members and a simulated engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::inverter::Inverter;
use crate::{
    canvas::{Canvas, Mask, Pixels, TILE, WindowRules},
    engine::{Command, Event, RenderWork, Work},
    model::{Defaults, Family},
    pipeline::PromptRegion,
    protocol::*,
    room::{
        InversionOptions, RoomCommand, RoomOptions,
        core::{Effect, RoomCore},
        members::{Arrival, HouseRules},
        scheduler::INVERSIONS_MOST,
        store::{Opened, Record},
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
        timestep_spacing: crate::protocol::TimestepSpacingChoice::Default,
        sigmas: crate::protocol::SigmasChoice::Default,
        spread: 8,
        live: true,
        method: EditMethod::Ddim,
        finish: Finish::None,
        finish_strength: 1.0,
        control: String::new(),
        control_preprocess: crate::protocol::ControlPreprocess::default(),
        control_scale: 1.0,
        control_start: 0.0,
        control_end: 1.0,
        ip_adapter: String::new(),
        reference: String::new(),
        reference_scale: 0.6,
        reference_start: 0.0,
        reference_end: 1.0,
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
        guidance_free: false,
        scheduler: None,
        samplers: vec!["lcm".to_owned(), "ddim".to_owned()],
        schedules: std::collections::BTreeMap::new(),
        defaults: Defaults::of_family(Family::Sketch, false).with_sampler("lcm"),
        controls: Vec::new(),
        ip_adapters: Vec::new(),
        safety_checker: false,
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
        ..Brush::default()
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
    settings: Settings,
    layers: [Pixels; 2],
    revs: [Vec<u64>; 2],
    lossy: [Vec<bool>; 2],
}

struct Job {
    ticket: u64,
    work: RenderWork,
    running: bool,
    cancelled: bool,
}

/// The room, its members, its engine and its clock.
pub(super) struct World {
    pub(super) core: RoomCore,
    pub(super) now: Instant,
    pub(super) eyes: BTreeMap<Uuid, Eyes>,
    /// What a journal would keep of what owners decided.
    pub(super) rules: HouseRules,
    pub(super) ops: Vec<SequencedOp>,
    /// What a journal would be given, in order.
    pub(super) records: Vec<Record>,
    pub(super) news: Vec<RenderNews>,
    pub(super) submitted: Vec<(Uuid, RenderSettingsSeen)>,
    /// Cores of the patches that were to be inverted, and of which photo.
    pub(super) asked: Vec<(u64, Rect)>,
    pub(super) inverter: Inverter,
    jobs: Vec<Job>,
    /// The engine takes no job.
    pub(super) is_full: bool,
    /// Authors whose running render was cancelled since they asked for the last one.
    cancelled: BTreeSet<Uuid>,
}

/// Why a picture is not shown, as an engine says it.
pub(super) const HELD_BACK: &str = "held back";
/// What a render says whose photo is not inverted where its window lies.
const NOT_INVERTED: &str = "not inverted";

/// What a test asks about a submitted render.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RenderSettingsSeen {
    pub(super) window: Rect,
    pub(super) mask: Mask,
    pub(super) steps: u32,
    pub(super) schedule: Schedule,
    pub(super) seed: u64,
    pub(super) prompt: String,
    /// The prompts of parts of the window, and how much of it they hold, 0 … 255.
    pub(super) regions: Vec<(String, u8)>,
    /// The author's running render is stopped for it.
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

    /// A room that came back from its journal.
    pub(super) fn come_back(opened: Opened) -> Self {
        Self::come_back_to(opened, model())
    }

    /// The same, to another model.
    pub(super) fn come_back_to(opened: Opened, model: ModelInfo) -> Self {
        Self::with(options(), model, Some(opened))
    }

    pub(super) fn with_model(options: RoomOptions, model: ModelInfo) -> Self {
        Self::with(options, model, None)
    }

    fn with(options: RoomOptions, model: ModelInfo, opened: Option<Opened>) -> Self {
        let now = Instant::now();
        let core = RoomCore::new("studio".to_owned(), options, model, RULES, opened, now);
        Self {
            core,
            now,
            records: Vec::new(),
            rules: HouseRules::default(),
            eyes: BTreeMap::new(),
            ops: Vec::new(),
            news: Vec::new(),
            submitted: Vec::new(),
            asked: Vec::new(),
            inverter: Inverter::default(),
            jobs: Vec::new(),
            is_full: false,
            cancelled: BTreeSet::new(),
        }
    }

    pub(super) fn canvas(&self) -> &Canvas {
        self.core.document.canvas()
    }

    pub(super) fn join(&mut self, client: Uuid, last_seq: Option<u64>) -> Welcome {
        self.join_as(client, Role::Editor, last_seq)
    }

    pub(super) fn join_as(&mut self, client: Uuid, role: Role, last_seq: Option<u64>) -> Welcome {
        let arrival = Arrival {
            client,
            name: None,
            role,
            is_operator: false,
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
                settings: welcome.settings.clone(),
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
        while self.core.is_painting() {
            self.core.paint(20_000);
        }
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
                if let ServerMessage::Render(news) = &message {
                    self.news.push(news.clone());
                }
                let others = self.eyes.iter_mut().filter(|(id, _)| Some(**id) != except);
                others.for_each(|(_, eyes)| eyes.see(&message));
            }
            Effect::Command(command) => self.command(command),
            Effect::Point { .. } | Effect::FramesReady(_) => {}
            Effect::Close(client, _) => {
                self.eyes.remove(&client);
            }
            Effect::Decided(rules) => self.rules = rules,
            Effect::Acknowledge { client, id, seq } => {
                if let Some(eyes) = self.eyes.get_mut(&client) {
                    eyes.see(&ServerMessage::Ack { id, seq });
                }
            }
            Effect::Applied(op) => {
                self.ops.push(op.clone());
                self.records.push(Record::Op(op.clone()));
                let message = ServerMessage::Op(op);
                self.eyes.values_mut().for_each(|eyes| eyes.see(&message));
            }
            Effect::Shown(picture) => self.records.push(Record::Picture(picture)),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Start(request) if self.is_full => {
                self.core.engine_full(request.ticket, self.now);
            }
            Command::Start(request) => match request.work {
                Work::Render(work) => self.admit(request.ticket, *work),
                Work::Inversion(work) => {
                    self.asked.push((work.photo, work.core));
                    self.inverter.take(request.ticket, *work);
                    assert!(self.core.scheduler.inversions() <= INVERSIONS_MOST);
                }
            },
            Command::Prioritise(ticket) => self.inverter.prioritise(ticket),
            Command::Cancel(ticket) => {
                self.inverter.cancel(ticket);
                self.cancel(ticket);
            }
            Command::ForgetPhoto(photo) => self.inverter.forget_photo(photo),
            Command::ForgetRoom => {}
        }
    }

    /// As the engine does: one that waits ends here, one that runs at its next step.
    fn cancel(&mut self, ticket: u64) {
        let Some(place) = self.jobs.iter().position(|job| job.ticket == ticket) else {
            return;
        };
        self.cancelled.insert(self.jobs[place].work.author);
        if self.jobs[place].running {
            self.jobs[place].cancelled = true;
            return;
        }
        self.jobs.remove(place);
        let superseded = Event::Superseded { ticket };
        self.core.engine_event(superseded, self.now);
    }

    /// As the engine does: one runs, one waits, the newest of a member wins.
    fn admit(&mut self, ticket: u64, work: RenderWork) {
        let (author, edit) = (work.author, &work.edit);
        self.submitted.push((
            author,
            RenderSettingsSeen {
                window: edit.window,
                mask: edit.mask.as_ref().clone(),
                steps: edit.settings.steps,
                schedule: edit.settings.schedule.clone(),
                seed: edit.settings.seed,
                prompt: edit.settings.prompt.clone(),
                regions: edit.settings.regions.iter().map(region_seen).collect(),
                supersede: self.cancelled.remove(&author),
                photo: (edit.photo.as_ref()).map(|photo| (photo.photo, photo.method)),
            },
        ));
        let is_waiting = |job: &Job| job.work.author == author && !job.running;
        let waiting = self.jobs.iter().position(is_waiting);
        let replaced = waiting.map(|place| self.jobs.remove(place));
        self.jobs.push(Job {
            ticket,
            work,
            running: false,
            cancelled: false,
        });
        if let Some(Job { ticket, .. }) = replaced {
            let superseded = Event::Superseded { ticket };
            self.core.engine_event(superseded, self.now);
        }
    }

    pub(super) fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Moves one render on: a waiting one begins unless its author's other one runs, a running
    /// one ends.
    pub(super) fn move_job(&mut self, place: usize, fails: bool) {
        if self.jobs.is_empty() {
            return;
        }
        let place = place % self.jobs.len();
        let author = self.jobs[place].work.author;
        let ticket = self.jobs[place].ticket;
        let busy = self
            .jobs
            .iter()
            .any(|job| job.work.author == author && job.running);
        if !self.jobs[place].running {
            if !busy {
                self.jobs[place].running = true;
                self.core.engine_event(Event::Started { ticket }, self.now);
            }
            return self.drain();
        }
        let job = self.jobs.remove(place);
        let event = if job.cancelled {
            Event::Superseded { ticket }
        } else if fails {
            Event::Failed {
                ticket,
                message: "out of memory".to_owned(),
            }
        } else if !self.is_inverted(&job.work) {
            Event::Failed {
                ticket,
                message: NOT_INVERTED.to_owned(),
            }
        } else {
            let pixels = job.work.edit.output.apply(painted(&job.work.edit.sketch));
            Event::Rendered {
                ticket,
                pixels,
                timings: TimingsMs::new(),
            }
        };
        self.core.engine_event(event, self.now);
        self.drain();
    }

    /// The running render of this place comes to a picture that may not be shown.
    pub(super) fn hold_back(&mut self, place: usize) {
        let Job {
            ticket, running, ..
        } = self.jobs.remove(place);
        assert!(running);
        let message = HELD_BACK.to_owned();
        self.core
            .engine_event(Event::HeldBack { ticket, message }, self.now);
        self.drain();
    }

    /// Whether the engine has what a render over a photo needs.
    fn is_inverted(&self, work: &RenderWork) -> bool {
        let Some(photo) = &work.edit.photo else {
            return true;
        };
        let (bounds, window) = (self.canvas().bounds(), &work.edit.window);
        photo.method != EditMethod::Ddim
            || (self.inverter).covers(photo.photo, window, &bounds, &RULES)
    }

    /// True while the engine has inversions.
    pub(super) fn is_inverting(&self) -> bool {
        !self.inverter.is_idle()
    }

    /// The engine takes the next step of an inversion, and the room gets its events.
    pub(super) fn move_inversion(&mut self, fails: bool) {
        self.inverter.step(self.core.options.inversion.steps, fails);
        while self.receive_inversion() {}
    }

    /// The room gets the oldest event of an inversion; false when there is none.
    pub(super) fn receive_inversion(&mut self) -> bool {
        let Some(event) = self.inverter.next_event() else {
            return false;
        };
        self.core.engine_event(event, self.now);
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
        assert!(plan.rev <= self.core.document.seq());
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
        assert_eq!(eyes.settings, *self.core.document.settings());
    }
}

impl Eyes {
    fn see(&mut self, message: &ServerMessage) {
        if let ServerMessage::Op(op) = message {
            self.ops.push(op.clone());
            match (&op.op, &op.settings) {
                (Op::Settings(patch), _) => self.settings = self.settings.patched(patch),
                (_, Some(settings)) => self.settings = settings.as_ref().clone(),
                _ => {}
            }
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
