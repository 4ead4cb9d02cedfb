//! The task around a room's state machine: mailbox in, outboxes and engine out.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
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
    Farewell, Joined, MemberId, Renderer, RoomError,
    core::{Effect, InversionWish, News, RoomCore, Submission},
    frames::{FrameEncoder, MemberFrame, SharedImage},
    inversion_flights::FLIGHTS_MOST,
    lane::{LANE_MOST, LaneItem, run_lane},
    mail::Mail,
    members::Arrival,
    outbox::{Inlet, outbox},
    views::FramePlan,
};
use crate::{
    engine::{
        EVENTS_PER_INVERSION, InversionEvent, InversionRequest, RenderEvent, RenderRequest, RoomKey,
    },
    protocol::ServerMessage,
};

/// The most mails that wait for a room; senders wait past it.
pub(super) const MAILBOX_MOST: usize = 256;
/// Encoded images that are kept for members who want the same.
const IMAGES_KEPT: usize = 32;

/// A room's task.
pub(super) struct RoomActor {
    core: RoomCore,
    key: RoomKey,
    renderer: Arc<dyn Renderer>,
    encoder: FrameEncoder,
    mailbox: mpsc::Receiver<Mail>,
    /// For the outboxes and the lane, which write back.
    address: mpsc::Sender<Mail>,
    events: mpsc::Receiver<RenderEvent>,
    events_sender: mpsc::Sender<RenderEvent>,
    inversions: mpsc::Receiver<InversionEvent>,
    inversions_sender: mpsc::Sender<InversionEvent>,
    connections: HashMap<Uuid, Inlet>,
    connections_made: u64,
    images: VecDeque<Arc<SharedImage>>,
    members: Arc<AtomicUsize>,
    empty_since: tokio::time::Instant,
    shutdown: CancellationToken,
}

/// What an actor is made of.
pub(super) struct ActorParts {
    pub(super) core: RoomCore,
    pub(super) key: RoomKey,
    pub(super) renderer: Arc<dyn Renderer>,
    pub(super) encoder: FrameEncoder,
    pub(super) mailbox: (mpsc::Sender<Mail>, mpsc::Receiver<Mail>),
    pub(super) members: Arc<AtomicUsize>,
    pub(super) shutdown: CancellationToken,
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl RoomActor {
    pub(super) fn new(parts: ActorParts) -> Self {
        // The engine never waits: three events for each of two renders of every member.
        let room_for_events = parts
            .core
            .options
            .members_max
            .saturating_mul(8)
            .clamp(64, 8192);
        let (events_sender, events) = mpsc::channel(room_for_events);
        let (inversions_sender, inversions) = mpsc::channel(FLIGHTS_MOST * EVENTS_PER_INVERSION);
        Self {
            core: parts.core,
            key: parts.key,
            renderer: parts.renderer,
            encoder: parts.encoder,
            address: parts.mailbox.0,
            mailbox: parts.mailbox.1,
            events,
            events_sender,
            inversions,
            inversions_sender,
            connections: HashMap::new(),
            connections_made: 0,
            images: VecDeque::new(),
            members: parts.members,
            empty_since: tokio::time::Instant::now(),
            shutdown: parts.shutdown,
        }
    }

    /// Runs until the server shuts down or the room has been empty for long.
    pub(super) async fn run(mut self) {
        let (lane, items) = mpsc::channel(LANE_MOST);
        let telling = tokio::spawn(run_lane(items, self.address.clone(), self.encoder.clone()));
        let farewell = self.serve(&lane).await;
        for inlet in self.connections.values() {
            inlet.close(farewell);
        }
        self.members.store(0, Ordering::Relaxed);
        self.renderer.forget_room(self.key);
        // The lane may wait for room in the mailbox: closing it lets go.
        self.mailbox.close();
        drop(lane);
        if telling.await.is_err() {
            tracing::error!("the task that tells of renders broke off");
        }
    }

    async fn serve(&mut self, lane: &mpsc::Sender<LaneItem>) -> Farewell {
        loop {
            let idle_at = self.empty_since + self.core.options.idle_after;
            let settle_at = self
                .core
                .next_deadline()
                .map(tokio::time::Instant::from_std);
            let is_empty = self.connections.is_empty();
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Farewell::ShuttingDown,
                Some(event) = self.events.recv() => self.core.render_event(event, now()),
                Some(event) = self.inversions.recv() => self.core.inversion_event(event, now()),
                Some(mail) = self.mailbox.recv() => self.read(mail),
                () = tokio::time::sleep_until(settle_at.unwrap_or(idle_at)), if settle_at.is_some() => {
                    self.core.tick(now());
                }
                () = tokio::time::sleep_until(idle_at), if is_empty => return Farewell::RoomEnded,
            }
            self.perform(lane);
            self.members
                .store(self.connections.len(), Ordering::Relaxed);
        }
    }

    fn read(&mut self, mail: Mail) {
        match mail {
            Mail::Join { arrival, reply } => self.join(arrival, reply),
            Mail::Leave(member) => {
                if self.is_current(member) {
                    self.remove(member.client);
                }
            }
            Mail::Command {
                member,
                command,
                arrived,
            } => {
                if self.is_current(member) {
                    self.core.handle(member.client, command, arrived);
                }
            }
            Mail::Pull { member, reply } => {
                let frame = if self.is_current(member) {
                    self.core
                        .next_frame(&member.client)
                        .map(|plan| self.frame(plan))
                } else {
                    None
                };
                answer(reply, frame);
            }
            Mail::Image { layer, reply } => {
                answer(reply, self.core.picture(layer).map(Cow::into_owned));
            }
            Mail::StoreImage { id, image, reply } => {
                answer(reply, self.core.images.insert(id, image));
            }
            Mail::Tell(message) => self.broadcast(None, &message),
        }
    }

    fn join(&mut self, arrival: Arrival, reply: oneshot::Sender<Result<Joined, RoomError>>) {
        let client = arrival.client;
        if let Some(older) = self.connections.remove(&client) {
            older.close(Farewell::Replaced);
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
        let (inlet, outbox) = outbox(member, self.address.clone(), self.encoder.clone());
        self.connections.insert(client, inlet);
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
            .is_some_and(|inlet| inlet.member == member)
    }

    fn remove(&mut self, client: Uuid) {
        self.connections.remove(&client);
        self.core.leave(client, now());
        if self.connections.is_empty() {
            self.empty_since = tokio::time::Instant::now();
        }
    }

    fn perform(&mut self, lane: &mpsc::Sender<LaneItem>) {
        loop {
            let effects = self.core.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.perform_one(effect, lane);
            }
        }
    }

    fn perform_one(&mut self, effect: Effect, lane: &mpsc::Sender<LaneItem>) {
        match effect {
            Effect::Send(client, message) => {
                if let Some(text) = text_from_message(&message) {
                    self.write(client, text);
                }
            }
            Effect::Broadcast { except, message } => self.broadcast(except, &message),
            Effect::Whisper { except, message } => {
                if let Some(text) = text_from_message(&message) {
                    let others = self
                        .connections
                        .values()
                        .filter(|to| to.member.client != except);
                    others.for_each(|inlet| inlet.whisper(text.clone()));
                }
            }
            Effect::FramesReady(client) => {
                if let Some(inlet) = self.connections.get(&client) {
                    inlet.frames_ready();
                }
            }
            Effect::Submit(submission) => self.submit(submission),
            Effect::Invert(wish) => self.invert(*wish),
            Effect::WantInversion(ticket) => self.renderer.want_inversion(self.key, ticket),
            Effect::CancelInversion(ticket) => self.renderer.cancel_inversion(self.key, ticket),
            Effect::ForgetPhoto(photo) => self.renderer.forget_photo(self.key, photo),
            Effect::News(news) => self.tell(*news, lane),
        }
    }

    fn write(&mut self, client: Uuid, text: Bytes) {
        let Some(inlet) = self.connections.get(&client) else {
            return;
        };
        if !inlet.send(text) {
            inlet.close(Farewell::TooSlow);
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

    fn submit(&mut self, submission: Submission) {
        let Submission {
            member,
            ticket,
            edit,
            supersede,
        } = submission;
        let request = RenderRequest {
            room: self.key,
            member,
            ticket,
            edit,
            supersede,
            events: self.events_sender.clone(),
        };
        if let Err(refused) = self.renderer.submit(request) {
            let message = refused.to_string();
            self.core
                .render_event(RenderEvent::Failed { ticket, message }, now());
        }
    }

    fn invert(&mut self, wish: InversionWish) {
        let InversionWish {
            ticket,
            photo,
            tile,
            pixels,
            prompt,
            is_wanted,
        } = wish;
        let request = InversionRequest {
            room: self.key,
            photo,
            ticket,
            rect: tile.rect,
            core: tile.core,
            pixels,
            prompt,
            steps: self.core.options.inversion.steps,
            refinements: self.core.options.inversion.refinements,
            is_wanted,
            events: self.inversions_sender.clone(),
        };
        if let Err(refused) = self.renderer.invert(request) {
            let message = refused.to_string();
            self.core
                .inversion_event(InversionEvent::Failed { ticket, message }, now());
        }
    }

    fn tell(&mut self, news: News, lane: &mpsc::Sender<LaneItem>) {
        let frames = news
            .frames
            .into_iter()
            .map(|plan| self.frame(plan))
            .collect();
        let item = LaneItem {
            news: news.news,
            frames,
            arrived: news.arrived,
        };
        if let Err(refused) = lane.try_send(item) {
            let (mpsc::error::TrySendError::Full(item) | mpsc::error::TrySendError::Closed(item)) =
                refused;
            self.broadcast(None, &ServerMessage::Render(item.news));
        }
    }

    fn frame(&mut self, plan: FramePlan) -> MemberFrame {
        let known = self
            .images
            .iter()
            .find(|image| image.serves(&plan))
            .cloned();
        let image = known.unwrap_or_else(|| {
            let image = Arc::new(SharedImage::new(
                plan,
                self.core.layer(plan.layer).crop(&plan.rect),
            ));
            if self.images.len() == IMAGES_KEPT {
                self.images.pop_front();
            }
            self.images.push_back(image.clone());
            image
        });
        MemberFrame { plan, image }
    }
}

/// Answers somebody who may have stopped waiting.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::trace!("nobody waits for the answer any more");
    }
}

fn text_from_message(message: &ServerMessage) -> Option<Bytes> {
    match serde_json::to_vec(message) {
        Ok(text) => Some(text.into()),
        Err(error) => {
            tracing::error!(%error, "a message could not be written");
            None
        }
    }
}
