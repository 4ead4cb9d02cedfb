//! The tasks around the core: outboxes, registry, shutdown.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::harness::*;
use crate::{
    canvas::{ImageLimits, Pixels, WindowRules, decode_image},
    engine::{Command, Event, RoomKey, Work},
    protocol::*,
    room::*,
};

/// Paints every window at once.
pub(super) struct Quick {
    pub(super) model: ModelInfo,
    pub(super) settings: Settings,
}

impl Renderer for Quick {
    fn model_info(&self) -> &ModelInfo {
        &self.model
    }

    fn default_settings(&self) -> &Settings {
        &self.settings
    }

    fn window_rules(&self) -> WindowRules {
        RULES
    }

    fn send(
        &self,
        _room: RoomKey,
        command: Command,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), RenderRefused> {
        let Command::Start(request) = command else {
            return Ok(());
        };
        let Work::Render(work) = request.work else {
            return Err(RenderRefused::Never(
                "colours cannot be inverted".to_owned(),
            ));
        };
        let ticket = request.ticket;
        let pixels = work.edit.output.apply(painted(&work.edit.sketch));
        let done = Event::Rendered {
            ticket,
            pixels,
            timings: TimingsMs::new(),
        };
        for event in [Event::Started { ticket }, done] {
            events
                .try_send(event)
                .map_err(|error| RenderRefused::Never(error.to_string()))?;
        }
        Ok(())
    }
}

fn registry_with(change: impl FnOnce(&mut RoomOptions, &mut RegistryLimits)) -> RoomRegistry {
    let mut limits = RegistryLimits::default();
    let mut options = RoomOptions {
        rest: Duration::from_millis(5),
        ..options()
    };
    change(&mut options, &mut limits);
    let renderer = Arc::new(Quick {
        model: model(),
        settings: settings(),
    });
    RoomRegistry::new(renderer, options, limits, CancellationToken::new())
}

pub(super) fn hello(number: u128) -> JoinRequest {
    let hello = Hello {
        protocol: PROTOCOL_VERSION,
        client: client(number),
        token: None,
        name: Some("Ada".to_owned()),
        last_seq: None,
    };
    JoinRequest {
        hello,
        role: Role::Editor,
        is_operator: false,
    }
}

/// Reads until `enough` says so, keeping the pictures that the frames make.
pub(super) async fn watch(
    outbox: &mut MemberOutbox,
    layers: &mut [Pixels; 2],
    mut enough: impl FnMut(&ServerMessage, &[Pixels; 2]) -> bool,
) {
    let mut last = ServerMessage::Pong { t: 0.0 };
    loop {
        match outbox.next().await.unwrap() {
            Outgoing::Text(text) | Outgoing::Refusal(_, text) => {
                last = serde_json::from_slice(&text).unwrap()
            }
            Outgoing::Frame(frame) => {
                let (header, image) = decode_frame(&frame).unwrap();
                let pixels = decode_image(&image, &ImageLimits::default()).unwrap();
                let slot = usize::from(header.layer == Layer::Sketch);
                layers[slot].paste(&pixels, header.rect.x, header.rect.y);
            }
            Outgoing::Goaway(reason) => panic!("sent away: {reason:?}"),
        }
        if enough(&last, layers) {
            return;
        }
    }
}

pub(super) fn blank() -> [Pixels; 2] {
    let pixels = Pixels::new(SIZE.width, SIZE.height, [9; 3]);
    [pixels.clone(), pixels]
}

#[tokio::test]
async fn two_members_see_the_same_bytes_as_the_room() {
    let registry = registry_with(|_, _| {});
    let (room, mut first) = registry.join("studio", hello(1)).await.unwrap();
    let (_, mut second) = registry.join("studio", hello(2)).await.unwrap();
    assert_eq!(second.welcome.members.len(), 2);
    let stroke = chunk("a", true, &[[30.0, 30.0, 1.0], [90.0, 60.0, 1.0]], true);
    room.send(first.member, stroke).await.unwrap();
    for outbox in [&mut first.outbox, &mut second.outbox] {
        let mut layers = blank();
        let mut settled = false;
        watch(outbox, &mut layers, |message, layers| {
            settled |= matches!(message, ServerMessage::Render(news)
                if news.state == RenderState::Done && news.steps == 4);
            // Inside the stroke the model's colour stands, and the paper around is white.
            settled
                && layers[0].pixel(30, 30) == [63, 239, 223]
                && layers[0].pixel(180, 120) == [255; 3]
                && layers[1].pixel(30, 30) == [192, 16, 32]
                && layers[1].pixel(180, 120) == [255; 3]
        })
        .await;
    }
    assert_eq!(
        registry.counts(),
        RegistryCounts {
            rooms: 1,
            members: 2,
            empty: 0,
            pixels: u64::from(room.size().width) * u64::from(room.size().height),
            layer_bytes: 0,
        }
    );
    registry.shut_down().await;
    assert_eq!(registry.counts(), RegistryCounts::default());
}

#[tokio::test]
async fn a_member_who_does_not_read_is_sent_away_and_the_room_goes_on() {
    let registry = registry_with(|_, _| {});
    let (room, mut fast) = registry.join("studio", hello(1)).await.unwrap();
    let (_, mut stuck) = registry.join("studio", hello(2)).await.unwrap();
    let live = SettingsPatch {
        live: Some(false),
        ..SettingsPatch::default()
    };
    for _ in 0..2000 {
        room.send(fast.member, RoomCommand::Settings(live.clone()))
            .await
            .unwrap();
        let mut acknowledged = false;
        watch(&mut fast.outbox, &mut blank(), |message, _| {
            acknowledged |= matches!(message, ServerMessage::Ack { .. });
            acknowledged
        })
        .await;
    }
    assert_eq!(
        stuck.outbox.next().await,
        Some(Outgoing::Goaway(CloseReason::TooSlow))
    );
    assert_eq!(stuck.outbox.next().await, None);
    assert_eq!(room.members(), 1);
}

#[tokio::test]
async fn a_client_that_comes_in_again_replaces_itself() {
    let registry = registry_with(|_, _| {});
    let (room, mut older) = registry.join("studio", hello(1)).await.unwrap();
    let (_, newer) = registry.join("studio", hello(1)).await.unwrap();
    assert_eq!(
        older.outbox.next().await,
        Some(Outgoing::Goaway(CloseReason::Replaced))
    );
    room.leave(older.member).await;
    room.image(PictureLayer::Result).await.unwrap();
    assert_eq!(
        room.members(),
        1,
        "the older connection cannot throw the newer one out"
    );
    drop(newer);
    room.image(PictureLayer::Result).await.unwrap();
    room.image(PictureLayer::Result).await.unwrap();
    assert_eq!(room.members(), 0, "a dropped outbox has left");
}

#[tokio::test]
async fn limits_are_answered_with_their_codes() {
    let registry = registry_with(|options, limits| {
        options.members_max = 1;
        options.image_bytes_max = 1000;
        limits.rooms_max = 1;
    });
    let (room, _first) = registry.join("studio", hello(1)).await.unwrap();
    let code = |error: RoomError| error.to_message().code;
    let full = registry.join("studio", hello(2)).await.err().map(code);
    assert_eq!(full, Some(ErrorCode::RoomFull));
    let rooms = registry.join("another", hello(2)).await.err().map(code);
    assert_eq!(rooms, Some(ErrorCode::Unavailable));
    let name = registry.join("../etc", hello(2)).await.err().map(code);
    assert_eq!(name, Some(ErrorCode::InvalidValue));
    let mut old = hello(3);
    old.hello.protocol = 2;
    let version = registry.join("studio", old).await.err().map(code);
    assert_eq!(version, Some(ErrorCode::UnsupportedProtocol));
    let image = room
        .store_image(Pixels::new(64, 64, [0; 3]))
        .await
        .err()
        .map(code);
    assert_eq!(image, Some(ErrorCode::TooLarge));
    let options = registry.options().clone();
    assert!(matches!(
        registry.create("studio", options).await,
        Err(RoomError::NameTaken)
    ));
    let size = registry
        .options()
        .clone()
        .with_size(100, 4096)
        .unwrap()
        .size;
    assert_eq!(
        size,
        CanvasSize {
            width: 128,
            height: 4096
        }
    );
    assert!(registry.options().clone().with_size(0, 64).is_err());
    assert!(registry.options().clone().with_size(64, 4097).is_err());
}

#[tokio::test]
async fn without_create_on_join_a_room_is_made_first() {
    let registry = registry_with(|_, limits| limits.create_on_join = false);
    let unknown = registry
        .join("studio", hello(1))
        .await
        .err()
        .map(|error| error.code());
    assert_eq!(unknown, Some(ErrorCode::UnknownRoom));
    registry
        .create("studio", registry.options().clone())
        .await
        .unwrap();
    assert!(registry.join("studio", hello(1)).await.is_ok());
}

#[tokio::test]
async fn an_empty_room_ends_and_its_place_is_free_again() {
    let registry = registry_with(|options, limits| {
        options.idle_after = Duration::from_millis(10);
        limits.rooms_max = 1;
    });
    let (room, joined) = registry.join("studio", hello(1)).await.unwrap();
    drop(joined);
    while room.image(PictureLayer::Sketch).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while registry.counts().rooms > 0 {
        tokio::task::yield_now().await;
    }
    assert!(registry.join("another", hello(1)).await.is_ok());
}

#[tokio::test]
async fn a_placed_image_is_what_everybody_sees() {
    let registry = registry_with(|_, _| {});
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    let image = room
        .store_image(Pixels::new(300, 200, [10, 200, 30]))
        .await
        .unwrap();
    let place = RoomCommand::Place(Placement {
        image,
        mode: PlaceMode::Plain,
        prompt: None,
        ..Placement::default()
    });
    room.send(joined.member, place).await.unwrap();
    let wanted = Pixels::new(SIZE.width, SIZE.height, [10, 200, 30]);
    watch(&mut joined.outbox, &mut blank(), |_, layers| {
        layers.iter().all(|layer| *layer == wanted)
    })
    .await;
    assert!(room.image(PictureLayer::Result).await.unwrap() == Some(wanted));
}

#[tokio::test]
async fn shutdown_sends_everybody_away() {
    let registry = registry_with(|_, _| {});
    let (room, mut joined) = registry.join("studio", hello(1)).await.unwrap();
    registry.shut_down().await;
    let mut last = None;
    while let Some(outgoing) = joined.outbox.next().await {
        last = Some(outgoing);
    }
    assert_eq!(last, Some(Outgoing::Goaway(CloseReason::ShuttingDown)));
    assert!(matches!(
        room.image(PictureLayer::Result).await,
        Err(RoomError::Closed)
    ));
    assert!(registry.join("studio", hello(1)).await.is_err());
}

#[tokio::test]
async fn of_a_pointer_only_the_newest_place_waits_for_a_member() {
    let registry = registry_with(|_, _| {});
    let (room, mut first) = registry.join("studio", hello(1)).await.unwrap();
    let (_, mut second) = registry.join("studio", hello(2)).await.unwrap();
    for x in 0..50_u8 {
        let pointer = Presence {
            x: f32::from(x),
            y: 0.0,
            tool: None,
            view: None,
        };
        let pointer = RoomCommand::Presence(pointer);
        room.send(first.member, pointer).await.unwrap();
    }
    let line = RoomCommand::Chat("there".to_owned());
    room.send(first.member, line).await.unwrap();
    // The room does what a member asks in order: all of it is done then.
    watch(&mut first.outbox, &mut blank(), |message, _| {
        matches!(message, ServerMessage::Chat(_))
    })
    .await;
    let mut seen = Vec::new();
    while let Some(Some(outgoing)) = second.outbox.next().now_or_never() {
        if let Outgoing::Text(text) = outgoing
            && let ServerMessage::Member(MemberNews::Presence { presence, .. }) =
                serde_json::from_slice(&text).unwrap()
        {
            seen.push(presence.x);
        }
    }
    assert_eq!(seen, [49.0]);
    registry.shut_down().await;
}

#[tokio::test]
async fn who_is_removed_hears_why_and_nothing_after() {
    let registry = registry_with(|_, _| {});
    let mut owner = hello(1);
    owner.role = Role::Owner;
    let (room, mut owner) = registry.join("studio", owner).await.unwrap();
    let (_, mut member) = registry.join("studio", hello(2)).await.unwrap();
    let remove = RoomCommand::Remove { client: client(2) };
    room.send(owner.member, remove).await.unwrap();
    watch(
        &mut owner.outbox,
        &mut blank(),
        |message, _| matches!(message, ServerMessage::Room(news) if news.removed.len() == 1),
    )
    .await;
    let last = member.outbox.next().await;
    assert_eq!(last, Some(Outgoing::Goaway(CloseReason::Removed)));
    assert_eq!(member.outbox.next().await, None);
    assert_eq!(registry.counts().members, 1);
    registry.shut_down().await;
}
