//! The room without its clock, its sockets and its device: document, scheduler, frames and members,
//! and what passes between them.
//!
//! Calls go in with the time at which they came, [`Effect`]s come out. The same calls give the
//! same effects, so that a room can be simulated from a seed.

use std::{borrow::Cow, time::Instant};

use uuid::Uuid;

use super::{
    document::{Begun, Changed, Document, Obsolete, PaintingStroke, Refusal, ShownPicture},
    frames::{FramePlan, Frames, ShownRender},
    images::ImageStore,
    members::{Chat, CloseReason, HouseRules, Members},
    op_log::OpLog,
    options::RoomOptions,
    result_cache::ResultCache,
    scheduler::{FinishedRender, Output, Scheduler, SchedulerOptions},
    store::Opened,
};
use crate::{
    canvas::{Pixels, WindowRules, zoom_for},
    engine::{Command, Event},
    protocol::{Layer, ModelInfo, Op, PictureLayer, SequencedOp, ServerMessage, SettingsPatch},
};

/// What the room wants done.
#[derive(Debug)]
pub(super) enum Effect {
    /// A message to one member.
    Send(Uuid, ServerMessage),
    /// To a member: the op `seq`, of the stroke `id` perhaps, is kept. It waits until it is.
    Acknowledge {
        client: Uuid,
        id: Option<String>,
        seq: u64,
    },
    /// The document has taken an op: it is to be kept, and everybody told once it is.
    Applied(SequencedOp),
    /// A render has changed the result, which is to be kept.
    Shown(ShownPicture),
    /// A message to every member, or to every one but one.
    Broadcast {
        except: Option<Uuid>,
        message: ServerMessage,
    },
    /// Where a member's pointer is now, to all others: an older message that waits is replaced.
    Point { whose: Uuid, message: ServerMessage },
    /// A connection ends, whose member is gone already.
    Close(Uuid, CloseReason),
    /// The owners decided something, which is to be kept.
    Decided(HouseRules),
    /// A member has frames to fetch.
    FramesReady(Uuid),
    /// A command for the engine.
    Command(Command),
}

/// A part of a stroke that is being painted.
struct Painting {
    author: Uuid,
    stroke: PaintingStroke,
    /// When its command came in.
    arrived: Instant,
}

/// A room's state.
pub(super) struct RoomCore {
    pub(super) name: String,
    pub(super) options: RoomOptions,
    pub(super) model: ModelInfo,
    pub(super) document: Document,
    pub(super) scheduler: Scheduler,
    pub(super) frames: Frames,
    pub(super) members: Members,
    pub(super) chat: Chat,
    pub(super) images: ImageStore,
    pub(super) effects: Vec<Effect>,
    /// The stroke that is being painted. Until that is done nothing else may change the document.
    painting: Option<Painting>,
    pub(super) op_log: OpLog,
    results: ResultCache,
    /// The journal keeps the room.
    pub(super) is_kept: bool,
}

impl RoomCore {
    /// A room without members. `opened` is what the journal had of it; none where nothing keeps it.
    pub(super) fn new(
        name: String,
        options: RoomOptions,
        model: ModelInfo,
        rules: WindowRules,
        opened: Option<Opened>,
        now: Instant,
    ) -> Self {
        let size = options.size;
        let rules = WindowRules {
            zoom: zoom_for(size, model.native_size, model.largest_zoom),
            ..rules
        };
        let is_kept = opened.is_some();
        let (document, op_log, house_rules) = match opened {
            Some(opened) => (opened.document, opened.op_log, opened.rules),
            None => (
                Document::new(size, options.settings.clone()),
                OpLog::after(0, options.history_max),
                HouseRules::default(),
            ),
        };
        let mut scheduler = Scheduler::new(SchedulerOptions {
            size,
            rules,
            max_steps: model.max_steps,
            schedules: model.schedules.clone(),
            rest: options.rest,
            inversion: options.inversion,
        });
        scheduler.resume(&document, now);
        let mut core = Self {
            name,
            model,
            document,
            scheduler,
            frames: Frames::new(size),
            members: Members::new(options.members_max, house_rules),
            chat: Chat::default(),
            images: ImageStore::new(options.images_max, options.image_bytes_max),
            effects: Vec::new(),
            painting: None,
            op_log,
            results: ResultCache::new(options.cached_result_bytes_max),
            is_kept,
            options,
        };
        if is_kept {
            core.fit_settings(now);
        }
        core.finish(now);
        core
    }

    /// A room that comes back may find another model: what that cannot do becomes the model's own
    /// default, by an op like any other, so that everybody sees it.
    fn fit_settings(&mut self, now: Instant) {
        let patch = self
            .document
            .settings_to_fit(&self.model, &self.options.settings);
        if patch == SettingsPatch::default() {
            return;
        }
        tracing::warn!(
            room = %self.name,
            model = %self.model.id,
            ?patch,
            "settings that the model cannot have became its defaults"
        );
        self.accept(Uuid::nil(), Op::Settings(patch), now);
    }

    /// Gives an op its place, applies it, and has it kept and told. A stroke is kept and told before
    /// it is painted, so that nobody waits for that: [`Self::paint`] goes on with it.
    pub(super) fn accept(&mut self, client: Uuid, op: Op, now: Instant) {
        let op = SequencedOp::new(self.document.seq() + 1, client, op);
        if self.is_resting() {
            self.results.keep(&self.document);
        }
        let images = &self.images;
        match self.document.begin(&op, |id| images.get(id).cloned()) {
            Ok(Begun::Done(changed)) => self.applied(op, changed, now),
            Ok(Begun::Painting(stroke)) => {
                self.tell(op);
                self.painting = Some(Painting {
                    author: client,
                    stroke,
                    arrived: now,
                });
            }
            // Its request was checked: nothing has changed.
            Err(error) => {
                tracing::error!(%error, room = %self.name, "an op could not be applied");
            }
        }
    }

    /// True while a stroke is being painted: nothing but [`Self::paint`] may change the document.
    pub(super) fn is_painting(&self) -> bool {
        self.painting.is_some()
    }

    /// Goes on with the stroke that is being painted until about `budget` is spent, in pixels that
    /// are looked at.
    pub(super) fn paint(&mut self, budget: u64) {
        let Some(mut painting) = self.painting.take() else {
            return;
        };
        match self.document.paint_some(&mut painting.stroke, budget) {
            None => self.painting = Some(painting),
            Some(changed) => {
                let Painting {
                    author, arrived, ..
                } = painting;
                self.take_in(author, &changed, arrived);
                self.scheduler.dispatch_all(author, &self.document, arrived);
                self.finish(arrived);
            }
        }
    }

    /// An op has changed the document.
    fn applied(&mut self, mut op: SequencedOp, changed: Changed, now: Instant) {
        op.switches.clone_from(&changed.switches);
        op.settings.clone_from(&changed.settings);
        op.layers.clone_from(&changed.layers);
        let author = op.client;
        let may_be_back = matches!(
            op.op,
            Op::Undo { .. } | Op::Redo { .. } | Op::Revert { .. } | Op::Settings(_) | Op::Layer(_)
        );
        self.tell(op);
        let changed = match may_be_back {
            true => self.bring_result_back(changed),
            false => changed,
        };
        self.take_in(author, &changed, now);
    }

    /// Has an op kept, its author told, and then everybody.
    fn tell(&mut self, op: SequencedOp) {
        if let Err(error) = self.op_log.append(&op) {
            // The document has checked its place.
            tracing::error!(%error, room = %self.name, "an op is not in the log");
        }
        self.acknowledge(&op);
        self.effects.push(Effect::Applied(op));
    }

    /// Where the picture is one that was there before, its result is too, and nothing has to be
    /// rendered.
    fn bring_result_back(&mut self, changed: Changed) -> Changed {
        let Some(parts) = self.results.differences(&self.document) else {
            return changed;
        };
        let picture = self.document.picture_of(&parts);
        let result = changed.result.union(&picture.rect());
        self.document.show_again(&picture);
        self.effects.push(Effect::Shown(picture));
        Changed {
            result,
            mask: Vec::new(),
            stale: self.document.canvas().bounds(),
            obsolete: Obsolete::RunningAndWaiting,
            ..changed
        }
    }

    fn acknowledge(&mut self, op: &SequencedOp) {
        let id = match &op.op {
            Op::Stroke(chunk) => Some(chunk.id.clone()),
            // Nobody asked for it: it came with a request for a render.
            Op::Mask { .. } => return,
            _ => None,
        };
        self.effects.push(Effect::Acknowledge {
            client: op.client,
            id,
            seq: op.seq,
        });
    }

    fn take_in(&mut self, author: Uuid, changed: &Changed, now: Instant) {
        let (seq, resting) = (self.document.seq(), self.is_resting());
        self.frames.take_in(changed, seq, resting);
        self.scheduler.take_in(author, changed, &self.document, now);
    }

    /// Takes in what the engine says of a job.
    pub(super) fn engine_event(&mut self, event: Event, now: Instant) {
        let finished = self.scheduler.event(event, &self.document, now);
        if let Some(render) = finished {
            self.show(render, now);
        }
        self.finish(now);
    }

    /// The engine has no place for a job: it is asked again in a while, and the job's author told.
    pub(super) fn engine_full(&mut self, ticket: u64, now: Instant) {
        if let Some((author, wait)) = self.scheduler.put_off(ticket, &self.document, now) {
            let error = Refusal::PutOff(wait).to_message(None);
            self.effects
                .push(Effect::Send(author, ServerMessage::Error(error)));
        }
        self.finish(now);
    }

    fn show(&mut self, render: FinishedRender, now: Instant) {
        let FinishedRender { window, pixels, .. } = &render;
        let settles = render.is_final.then_some(render.rev);
        let mask = &render.mask;
        let changed = self.document.paste(window, pixels, mask, settles);
        let picture = self.document.shown_picture(window.core, settles, &changed);
        self.effects.push(Effect::Shown(picture));
        self.frames.render_shown(&ShownRender {
            window: window.rect,
            shown: &render.shown,
            changed: &changed,
            rev: render.rev,
            steps: render.steps,
            is_final: render.is_final,
            arrived: render.arrived,
        });
        self.scheduler.tell(render.news);
        self.scheduler.dispatch(render.author, &self.document, now);
    }

    /// When [`Self::tick`] should be called.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.scheduler.next_deadline(self.document.settings().live)
    }

    /// Time has passed: hands may rest.
    pub(super) fn tick(&mut self, now: Instant) {
        self.scheduler.tick(&self.document, now);
        self.finish(now);
    }

    /// The next frame of a member, and its pixels' place.
    pub(super) fn next_frame(&mut self, client: &Uuid) -> Option<FramePlan> {
        let (seq, resting) = (self.document.seq(), self.is_resting());
        self.frames.next_frame(client, seq, resting)
    }

    /// A layer of the picture.
    pub(super) fn layer(&self, layer: Layer) -> &Pixels {
        match layer {
            Layer::Result => self.document.canvas().result(),
            Layer::Sketch => self.document.canvas().sketch(),
        }
    }

    /// A picture of the room; none of what is inverted where nothing is, and no reference where the
    /// settings name none.
    pub(super) fn picture(&self, layer: PictureLayer) -> Option<Cow<'_, Pixels>> {
        let canvas = self.document.canvas();
        match layer {
            PictureLayer::Result => Some(Cow::Borrowed(canvas.result())),
            PictureLayer::Sketch => Some(Cow::Borrowed(canvas.sketch())),
            PictureLayer::Mask => Some(Cow::Owned(canvas.footprint().to_pixels())),
            PictureLayer::Reference => self.document.reference().map(|it| Cow::Borrowed(&**it)),
            PictureLayer::Noise | PictureLayer::Reconstruction => {
                let picture = self.scheduler.photo_picture(&self.document, layer);
                picture.map(Cow::Borrowed)
            }
        }
    }

    /// What is to be done since the last time.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        let ready = self.frames.take_ready();
        self.effects
            .extend(ready.into_iter().map(Effect::FramesReady));
        std::mem::take(&mut self.effects)
    }

    /// True when no better picture comes without another op.
    pub(super) fn is_resting(&self) -> bool {
        self.scheduler.is_resting(self.document.settings().live)
    }

    /// Ends every call that may have changed something.
    pub(super) fn finish(&mut self, now: Instant) {
        self.scheduler.forget_idle();
        self.scheduler.follow_strain(now);
        let (seq, resting) = (self.document.seq(), self.is_resting());
        self.frames.set_resting(resting, seq);
        let outputs = self.scheduler.take_outputs().into_iter();
        self.effects.extend(outputs.map(|output| match output {
            Output::Command(command) => Effect::Command(command),
            Output::News(news) => Effect::Broadcast {
                except: None,
                message: ServerMessage::Render(*news),
            },
            Output::Strain(level) => Effect::Broadcast {
                except: None,
                message: ServerMessage::Strain { level },
            },
        }));
    }
}
