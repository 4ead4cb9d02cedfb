//! The task around a room's state machine: messages in, outboxes and engine out.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    core::{Effect, RoomCore},
    error::RoomError,
    frames::{FrameEncoder, SharedImages},
    members::{
        Arrival, CloseReason, Joined, MemberId, OutboxRequest, OutboxSender, Outgoing, outbox,
    },
    message::Message,
    renderer::Renderer,
    scheduler::INVERSIONS_MOST,
};
use crate::{
    engine::{Command, EVENTS_PER_JOB, Event, RoomKey},
    protocol::ServerMessage,
};

/// The most messages that wait for a room; senders wait past it.
pub(super) const MAILBOX_MOST: usize = 256;
/// The most events of the engine that wait, whatever the number of members.
const EVENTS_MOST: usize = 65_536;

/// A room's task.
pub(super) struct RoomActor {
    core: RoomCore,
    key: RoomKey,
    renderer: Arc<dyn Renderer>,
    encoder: FrameEncoder,
    messages: mpsc::Receiver<Message>,
    outbox_requests: mpsc::Receiver<OutboxRequest>,
    outbox_requests_sender: mpsc::Sender<OutboxRequest>,
    events: mpsc::Receiver<Event>,
    events_sender: mpsc::Sender<Event>,
    connections: HashMap<Uuid, OutboxSender>,
    connections_made: u64,
    images: SharedImages,
    members: Arc<AtomicUsize>,
    empty_since: tokio::time::Instant,
    /// Set when the room cannot go on.
    ends: Option<CloseReason>,
    shutdown: CancellationToken,
}

/// What an actor is made of.
pub(super) struct ActorParts {
    pub(super) core: RoomCore,
    pub(super) key: RoomKey,
    pub(super) renderer: Arc<dyn Renderer>,
    pub(super) encoder: FrameEncoder,
    pub(super) messages: mpsc::Receiver<Message>,
    pub(super) members: Arc<AtomicUsize>,
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
            key: parts.key,
            renderer: parts.renderer,
            encoder: parts.encoder,
            messages: parts.messages,
            outbox_requests,
            outbox_requests_sender,
            events,
            events_sender,
            connections: HashMap::new(),
            connections_made: 0,
            images: SharedImages::default(),
            members: parts.members,
            empty_since: tokio::time::Instant::now(),
            ends: None,
            shutdown: parts.shutdown,
        }
    }

    /// Runs until the server shuts down or the room has been empty for long.
    pub(super) async fn run(mut self) {
        let reason = self.serve().await;
        for connection in self.connections.values() {
            connection.close(reason);
        }
        self.members.store(0, Ordering::Relaxed);
        self.send_command(Command::ForgetRoom);
    }

    async fn serve(&mut self) -> CloseReason {
        loop {
            let idle_at = self.empty_since + self.core.options.idle_after;
            let refine_at = self
                .core
                .next_deadline()
                .map(tokio::time::Instant::from_std);
            let is_empty = self.connections.is_empty();
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return CloseReason::ShuttingDown,
                Some(event) = self.events.recv() => self.core.engine_event(event, now()),
                Some(request) = self.outbox_requests.recv() => self.outbox_request(request),
                Some(message) = self.messages.recv() => self.read(message),
                () = tokio::time::sleep_until(refine_at.unwrap_or(idle_at)), if refine_at.is_some() => {
                    self.core.tick(now());
                }
                () = tokio::time::sleep_until(idle_at), if is_empty => return CloseReason::RoomEnded,
            }
            self.perform();
            self.members
                .store(self.connections.len(), Ordering::Relaxed);
            if let Some(reason) = self.ends {
                return reason;
            }
        }
    }

    fn outbox_request(&mut self, OutboxRequest { member, frame }: OutboxRequest) {
        let is_current = self.is_current(member);
        let Some(reply) = frame else {
            if is_current {
                self.remove(member.client);
            }
            return;
        };
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
                if self.is_current(member) {
                    self.remove(member.client);
                }
            }
            Message::Command {
                member,
                command,
                arrived,
            } => {
                if self.is_current(member) {
                    self.core.handle(member.client, command, arrived);
                }
            }
            Message::Image { layer, reply } => {
                answer(reply, self.core.picture(layer).map(Cow::into_owned));
            }
            Message::StoreImage { id, image, reply } => {
                answer(reply, self.core.images.insert(id, image));
            }
        }
    }

    fn join(&mut self, arrival: Arrival, reply: oneshot::Sender<Result<Joined, RoomError>>) {
        let client = arrival.client;
        if let Some(older) = self.connections.remove(&client) {
            older.close(CloseReason::Replaced);
        }
        let welcome = match self.core.join(arrival, now()) {
            Ok(welcome) => welcome,
            Err(error) => return answer(reply, Err(error)),
        };
        self.connections_made += 1;
        let member = MemberId {
            client,
            connection: self.connections_made,
        };
        let requests = self.outbox_requests_sender.clone();
        let (sender, outbox) = outbox(member, requests, self.encoder.clone());
        self.connections.insert(client, sender);
        // Where the connection is gone already, its outbox is dropped here and leaves.
        answer(
            reply,
            Ok(Joined {
                welcome,
                member,
                outbox,
            }),
        );
    }

    fn is_current(&self, member: MemberId) -> bool {
        self.connections
            .get(&member.client)
            .is_some_and(|connection| connection.member == member)
    }

    fn remove(&mut self, client: Uuid) {
        self.connections.remove(&client);
        self.core.leave(client, now());
        if self.connections.is_empty() {
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
        }
    }

    fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::Send(client, message) => {
                if let Some(text) = text_from_message(&message) {
                    self.write(client, text);
                }
            }
            Effect::Broadcast { except, message } => self.broadcast(except, &message),
            Effect::BroadcastLossy { except, message } => {
                if let Some(text) = text_from_message(&message) {
                    let connections = self.connections.values();
                    connections
                        .filter(|connection| connection.member.client != except)
                        .for_each(|connection| connection.send_lossy(text.clone()));
                }
            }
            Effect::FramesReady(client) => {
                if let Some(connection) = self.connections.get(&client) {
                    connection.frames_ready();
                }
            }
            Effect::Command(command) => self.send_command(command),
            Effect::End => self.ends = Some(CloseReason::NotKept),
        }
    }

    fn write(&mut self, client: Uuid, text: Outgoing) {
        let Some(connection) = self.connections.get(&client) else {
            return;
        };
        if !connection.send(text) {
            connection.close(CloseReason::TooSlow);
            self.remove(client);
        }
    }

    fn broadcast(&mut self, except: Option<Uuid>, message: &ServerMessage) {
        let Some(text) = text_from_message(message) else {
            return;
        };
        let clients: Vec<Uuid> = self.connections.keys().copied().collect();
        for client in clients.into_iter().filter(|client| Some(*client) != except) {
            self.write(client, text.clone());
        }
    }

    fn send_command(&mut self, command: Command) {
        let ticket = match &command {
            Command::Start(request) => Some(request.ticket),
            _ => None,
        };
        let sent = self.renderer.send(self.key, command, &self.events_sender);
        if let (Err(refused), Some(ticket)) = (sent, ticket) {
            let message = refused.to_string();
            let failed = Event::Failed { ticket, message };
            self.core.engine_event(failed, now());
        }
    }
}

/// Answers somebody who may have stopped waiting.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::trace!("nobody waits for the answer any more");
    }
}

fn text_from_message(message: &ServerMessage) -> Option<Outgoing> {
    let text: Bytes = match serde_json::to_vec(message) {
        Ok(text) => text.into(),
        Err(error) => {
            tracing::error!(%error, "a message could not be written");
            return None;
        }
    };
    Some(match message {
        ServerMessage::Error(error) => Outgoing::Refusal(error.code, text),
        _ => Outgoing::Text(text),
    })
}
