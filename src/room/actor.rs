//! The task around a room's state machine: messages in, outboxes and engine out.

use std::{borrow::Cow, sync::Arc, time::Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    attendance::Attendance,
    command::RoomCommand,
    core::{Effect, RoomCore},
    error::RoomError,
    frames::{FrameEncoder, MemberFrame, Rounds, SharedImages},
    keeping::{Held, Keeping},
    members::{Arrival, CloseReason, Connections, Joined, MemberId, OutboxRequest, Turns},
    message::Message,
    renderer::{RenderRefused, Renderer},
    rules_keeper::RulesKeeper,
    scheduler::INVERSIONS_MOST,
};
use crate::{
    engine::{Command, EVENTS_PER_JOB, Event, RoomKey},
    protocol::ServerMessage,
};

/// The most messages that wait for a room; senders wait past it.
pub(super) const MAILBOX_MOST: usize = 256;
/// Commands of one member that wait; its connection waits past it.
const TURNS_MOST: usize = 8;
/// Pixels that are looked at before other tasks of the thread get their turn: some milliseconds.
const SLICE: u64 = 1 << 20;
/// The most events of the engine that wait, whatever the number of members.
const EVENTS_MOST: usize = 65_536;

/// A room's task.
pub(super) struct RoomActor {
    core: RoomCore,
    keeping: Keeping,
    rules: RulesKeeper,
    /// What the members want, until it is their turn.
    turns: Turns<Turn>,
    key: RoomKey,
    renderer: Arc<dyn Renderer>,
    encoder: FrameEncoder,
    messages: mpsc::Receiver<Message>,
    outbox_requests: mpsc::Receiver<OutboxRequest>,
    outbox_requests_sender: mpsc::Sender<OutboxRequest>,
    events: mpsc::Receiver<Event>,
    events_sender: mpsc::Sender<Event>,
    connections: Connections,
    images: SharedImages,
    /// Frames that members have asked for and not got yet.
    frame_requests: Rounds<FrameRequest>,
    attendance: Arc<Attendance>,
    empty_since: tokio::time::Instant,
    deletion: CancellationToken,
    resting: CancellationToken,
    shutdown: CancellationToken,
}

/// A member's next frame, and where it goes.
struct FrameRequest {
    member: MemberId,
    reply: oneshot::Sender<Option<MemberFrame>>,
}

/// Something that a member wants.
struct Turn {
    member: MemberId,
    /// What it asks; none when it goes, after all that it did.
    command: Option<Box<RoomCommand>>,
    arrived: Instant,
    /// Answered when the next one of the member may come, if it was not before.
    taken: Option<oneshot::Sender<()>>,
}

/// What an actor is made of.
pub(super) struct ActorParts {
    pub(super) core: RoomCore,
    pub(super) keeping: Keeping,
    pub(super) rules: RulesKeeper,
    pub(super) key: RoomKey,
    pub(super) renderer: Arc<dyn Renderer>,
    pub(super) encoder: FrameEncoder,
    pub(super) messages: mpsc::Receiver<Message>,
    pub(super) attendance: Arc<Attendance>,
    pub(super) deletion: CancellationToken,
    /// Cancelled when the room is to leave memory as soon as nobody is in it.
    pub(super) resting: CancellationToken,
    pub(super) shutdown: CancellationToken,
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl RoomActor {
    pub(super) fn new(parts: ActorParts) -> Self {
        // The engine never waits: one render runs and one waits for every member.
        let renders = parts.core.options.members_max.saturating_mul(2);
        let jobs = renders.saturating_add(INVERSIONS_MOST);
        let events_most = jobs.saturating_mul(EVENTS_PER_JOB).min(EVENTS_MOST);
        let (events_sender, events) = mpsc::channel(events_most);
        let (outbox_requests_sender, outbox_requests) = mpsc::channel(MAILBOX_MOST);
        Self {
            core: parts.core,
            keeping: parts.keeping,
            rules: parts.rules,
            turns: Turns::new(),
            key: parts.key,
            renderer: parts.renderer,
            encoder: parts.encoder,
            messages: parts.messages,
            outbox_requests,
            outbox_requests_sender,
            events,
            events_sender,
            connections: Connections::default(),
            images: SharedImages::default(),
            frame_requests: Rounds::new(),
            attendance: parts.attendance,
            empty_since: tokio::time::Instant::now(),
            deletion: parts.deletion,
            resting: parts.resting,
            shutdown: parts.shutdown,
        }
    }

    /// Runs until the server shuts down, the room is deleted, or it has been empty for long, or is
    /// empty and asked to rest.
    pub(super) async fn run(mut self) {
        // What a room that came back wants of the engine.
        self.perform();
        let mut reason = self.serve().await;
        if reason == CloseReason::RoomEnded {
            self.record(true);
            self.keeping.keep_snapshot(self.core.document.snapshot());
        }
        for held in self.keeping.finish().await {
            self.release(held);
        }
        self.rules.finish().await;
        if self.has_failed() && reason != CloseReason::Deleted {
            reason = CloseReason::NotKept;
        }
        self.connections.close_all(reason);
        self.attendance.set(0);
        self.send_command(Command::ForgetRoom);
    }

    async fn serve(&mut self) -> CloseReason {
        loop {
            let idle_at = self.empty_since + self.core.options.idle_after;
            let refine_at = self
                .core
                .next_deadline()
                .map(tokio::time::Instant::from_std);
            let round_at = self
                .frame_requests
                .due()
                .map(tokio::time::Instant::from_std);
            let is_empty = self.connections.count() == 0;
            // A slow disk slows the members, not the memory.
            let has_places = self.keeping.has_places();
            tokio::select! {
                biased;
                () = self.deletion.cancelled() => return CloseReason::Deleted,
                () = self.shutdown.cancelled() => return CloseReason::ShuttingDown,
                () = self.resting.cancelled(), if is_empty => return CloseReason::RoomEnded,
                () = self.keeping.advance() => self.kept(),
                () = self.rules.advance() => {}
                Some(event) = self.events.recv(), if has_places => {
                    self.core.engine_event(event, now());
                }
                Some(request) = self.outbox_requests.recv() => self.outbox_request(request),
                () = tokio::time::sleep_until(round_at.unwrap_or(idle_at)), if round_at.is_some() => {
                    self.give_frames();
                }
                Some(message) = self.messages.recv() => self.read(message),
                () = std::future::ready(()), if has_places && !self.turns.is_empty() => {
                    self.take_turn().await;
                }
                () = tokio::time::sleep_until(refine_at.unwrap_or(idle_at)), if refine_at.is_some() => {
                    self.core.tick(now());
                }
                () = tokio::time::sleep_until(idle_at), if is_empty => return CloseReason::RoomEnded,
            }
            self.perform();
            self.record(false);
            self.attendance.set(self.connections.count());
            let layer_bytes = self.core.document.canvas().bytes_for_layers();
            self.attendance.set_layer_bytes(layer_bytes);
            if self.has_failed() {
                return CloseReason::NotKept;
            }
        }
    }

    /// Shows the recording the picture, where it is at rest and one is wanted.
    fn record(&mut self, room_ends: bool) {
        let core = &self.core;
        self.keeping.keep_result(room_ends, || {
            let document = &core.document;
            let is_at_rest = core.is_resting();
            is_at_rest.then(|| (document.result_origin(), document.canvas().result().clone()))
        });
    }

    /// True when something could not be kept.
    fn has_failed(&self) -> bool {
        self.keeping.has_failed() || self.rules.has_failed()
    }

    /// Does what is next of what members want. Long strokes are painted a little at a time, so that
    /// the thread's other tasks go on; nothing else reaches the room meanwhile.
    async fn take_turn(&mut self) {
        let core = &self.core;
        let cost = |turn: &Turn| {
            let command = turn.command.as_ref();
            command.map_or(0, |command| core.cost(&turn.member.client, command))
        };
        let Some(turn) = self.turns.next(cost) else {
            return;
        };
        if let Some(taken) = turn.taken {
            answer(taken, ());
        }
        if !self.connections.is_current(turn.member) {
            return;
        }
        let client = turn.member.client;
        match turn.command {
            Some(command) => self.core.handle(client, *command, turn.arrived),
            None => self.remove(client),
        }
        // What is accepted is kept and acknowledged while it is painted.
        self.perform();
        while self.core.is_painting() && !self.shutdown.is_cancelled() {
            self.core.paint(SLICE);
            if self.core.is_painting() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// More is on disk.
    fn kept(&mut self) {
        if self.keeping.is_snapshot_due() {
            self.keeping.keep_snapshot(self.core.document.snapshot());
        }
        self.release_kept();
    }

    fn release_kept(&mut self) {
        for held in self.keeping.take_kept() {
            self.release(held);
        }
    }

    fn release(&mut self, held: Held) {
        match held {
            Held::Acknowledge { client, id, seq } => {
                self.write(client, &ServerMessage::Ack { id, seq });
            }
            Held::Tell { op, connections } => {
                let message = ServerMessage::Op(*op);
                self.broadcast(&message, |member| member.connection <= connections);
            }
            Held::Welcome(reply, joined) => answer(reply, Ok(*joined)),
        }
    }

    fn outbox_request(&mut self, OutboxRequest { member, frame }: OutboxRequest) {
        let is_current = self.connections.is_current(member);
        let Some(reply) = frame else {
            if is_current {
                self.leave(member);
            }
            return;
        };
        let request = FrameRequest { member, reply };
        let members = self.connections.count();
        if let Some(request) = self.frame_requests.ask(request, members, now()) {
            self.give_frame(request);
        }
    }

    fn give_frames(&mut self) {
        let members = self.connections.count();
        for request in self.frame_requests.take(members, now()) {
            self.give_frame(request);
        }
    }

    fn give_frame(&mut self, FrameRequest { member, reply }: FrameRequest) {
        let is_current = self.connections.is_current(member);
        let plan = is_current.then(|| self.core.next_frame(&member.client));
        let frame = plan.flatten().map(|plan| {
            let layer = self.core.layer(plan.layer);
            self.images.frame(plan, || layer.crop(&plan.rect))
        });
        answer(reply, frame);
    }

    fn read(&mut self, message: Message) {
        match message {
            Message::Join { arrival, reply } => self.join(arrival, reply),
            Message::Leave(member) => {
                if self.connections.is_current(member) {
                    self.leave(member);
                }
            }
            Message::Command {
                member,
                command,
                arrived,
                taken,
            } => {
                if self.connections.is_current(member) {
                    self.enqueue(member, command, arrived, taken);
                }
            }
            Message::Image { layer, reply } => {
                answer(reply, self.core.picture(layer).map(Cow::into_owned));
            }
            Message::PaintLayer { layer, reply } => {
                answer(reply, self.core.document.painted_layer(layer));
            }
            Message::Export { layers, reply } => {
                answer(reply, self.core.document.export(layers));
            }
            Message::Prompt { reply } => {
                answer(reply, self.core.document.settings().prompt.clone());
            }
            Message::StoreImage { id, image, reply } => {
                answer(reply, self.core.images.insert(id, image));
            }
            Message::HasImage { id, reply } => {
                answer(reply, self.core.images.get(&id).is_some());
            }
            // Whoever asks is answered once the room serves.
            Message::Ready { reply } => answer(reply, Ok(())),
        }
    }

    fn enqueue(
        &mut self,
        member: MemberId,
        command: RoomCommand,
        arrived: Instant,
        taken: oneshot::Sender<()>,
    ) {
        let has_place = self.turns.waiting(&member.client) < TURNS_MOST;
        let taken = match has_place {
            true => {
                answer(taken, ());
                None
            }
            false => Some(taken),
        };
        let turn = Turn {
            member,
            command: Some(Box::new(command)),
            arrived,
            taken,
        };
        self.turns.push(member.client, turn);
    }

    /// A member goes once all that it did before is done.
    fn leave(&mut self, member: MemberId) {
        match self.turns.waiting(&member.client) {
            0 => self.remove(member.client),
            _ => {
                let turn = Turn {
                    member,
                    command: None,
                    arrived: now(),
                    taken: None,
                };
                self.turns.push(member.client, turn);
            }
        }
    }

    fn join(&mut self, arrival: Arrival, reply: oneshot::Sender<Result<Joined, RoomError>>) {
        let client = arrival.client;
        if self.connections.close(&client, CloseReason::Replaced) {
            self.turns.forget(&client);
        }
        let welcome = match self.core.join(arrival, now()) {
            Ok(welcome) => welcome,
            Err(error) => return answer(reply, Err(error)),
        };
        let requests = self.outbox_requests_sender.clone();
        let encoder = self.encoder.clone();
        let (member, outbox) = self.connections.open(client, requests, encoder);
        let joined = Joined {
            welcome,
            member,
            outbox,
        };
        let seq = joined.welcome.seq;
        // Where the connection is gone already, its outbox is dropped then and leaves.
        self.keeping
            .hold(seq, Held::Welcome(reply, Box::new(joined)));
    }

    fn remove(&mut self, client: Uuid) {
        self.connections.forget(&client);
        self.turns.forget(&client);
        self.core.leave(client, now());
        if self.connections.count() == 0 {
            self.empty_since = tokio::time::Instant::now();
        }
    }

    fn perform(&mut self) {
        loop {
            let effects = self.core.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.perform_one(effect);
            }
            self.release_kept();
        }
    }

    fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::Send(client, message) => self.write(client, &message),
            Effect::Broadcast { except, message } => {
                self.broadcast(&message, |member| Some(member.client) != except);
            }
            Effect::Acknowledge { client, id, seq } => {
                self.keeping
                    .hold(seq, Held::Acknowledge { client, id, seq });
            }
            Effect::Applied(op) => {
                self.keeping.keep_op(&op);
                let connections = self.connections.made();
                let (seq, op) = (op.seq, Box::new(op));
                self.keeping.hold(seq, Held::Tell { op, connections });
            }
            Effect::Shown(picture) => self.keeping.keep_picture(picture),
            Effect::Point { whose, message } => self.connections.point(whose, &message),
            Effect::Close(client, reason) => {
                self.connections.close(&client, reason);
                self.remove(client);
            }
            Effect::Decided(rules) => self.rules.keep(rules),
            Effect::FramesReady(client) => self.connections.frames_ready(&client),
            Effect::Command(command) => self.send_command(command),
        }
    }

    fn write(&mut self, client: Uuid, message: &ServerMessage) {
        if !self.connections.write(&client, message) {
            self.remove(client);
        }
    }

    fn broadcast(&mut self, message: &ServerMessage, reaches: impl Fn(MemberId) -> bool) {
        for client in self.connections.broadcast(message, reaches) {
            self.remove(client);
        }
    }

    fn send_command(&mut self, command: Command) {
        let ticket = match &command {
            Command::Start(request) => Some(request.ticket),
            _ => None,
        };
        let sent = self.renderer.send(self.key, command, &self.events_sender);
        let (Err(refused), Some(ticket)) = (sent, ticket) else {
            return;
        };
        match refused {
            RenderRefused::Full(_) => self.core.engine_full(ticket, now()),
            RenderRefused::Never(message) => {
                let failed = Event::Failed { ticket, message };
                self.core.engine_event(failed, now());
            }
        }
    }
}

/// Answers somebody who may have stopped waiting.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::trace!("nobody waits for the answer any more");
    }
}
