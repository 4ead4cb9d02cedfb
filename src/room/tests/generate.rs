//! Pictures without a room: their size, what the engine is asked, and that it is taken back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::harness::*;
use crate::{
    canvas::{Mask, Pixels, WindowRules},
    engine::{Command, Event, RenderWork, RoomKey, Work},
    protocol::*,
    room::{generate::edit_of, *},
};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a renderer was told.
#[derive(Debug, PartialEq)]
enum Told {
    Start(u64),
    Forget,
}

/// Holds on to renders until a test ends them.
struct Held {
    model: ModelInfo,
    settings: Settings,
    told: Mutex<Vec<(RoomKey, Told)>>,
    jobs: mpsc::Sender<HeldJob>,
}

impl Renderer for Held {
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
        room: RoomKey,
        command: Command,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), RenderRefused> {
        let told = match command {
            Command::Start(request) => {
                let Work::Render(work) = request.work else {
                    return Err(RenderRefused::Never("a render was expected".to_owned()));
                };
                let seed = work.edit.settings.seed;
                self.jobs
                    .try_send((request.ticket, *work, events.clone()))
                    .map_err(|_| RenderRefused::Never("the test has ended".to_owned()))?;
                Told::Start(seed)
            }
            Command::ForgetRoom => Told::Forget,
            other => return Err(RenderRefused::Never(format!("unexpected: {other:?}"))),
        };
        self.told.lock().unwrap().push((room, told));
        Ok(())
    }
}

/// A render's number, what it is, and where its events go.
type HeldJob = (u64, RenderWork, mpsc::Sender<Event>);
type Jobs = mpsc::Receiver<HeldJob>;

fn registry(most: usize, model: ModelInfo) -> (RoomRegistry, Arc<Held>, Jobs) {
    let (jobs, received) = mpsc::channel(4);
    let settings = Settings {
        timestep_spacing: model.defaults.timestep_spacing,
        sigmas: model.defaults.sigmas,
        ..settings()
    };
    let renderer = Arc::new(Held {
        model,
        settings,
        told: Mutex::default(),
        jobs,
    });
    let limits = RegistryLimits {
        pictures_max: most,
        ..RegistryLimits::default()
    };
    let shutdown = CancellationToken::new();
    let rooms = RoomRegistry::new(renderer.clone(), options(), limits, shutdown);
    (rooms, renderer, received)
}

fn request(seed: u64) -> PictureRequest {
    PictureRequest {
        settings: Settings { seed, ..settings() },
        listed: None,
        size: sides(64, 64),
        sketch: None,
        mask: None,
        control: None,
        reference: None,
    }
}

fn sides(width: u32, height: u32) -> CanvasSize {
    CanvasSize { width, height }
}

/// Sees pictures of 512 pixels as ones of 256.
fn zooming() -> ModelInfo {
    ModelInfo {
        native_size: 256,
        largest_zoom: 2,
        ..model()
    }
}

async fn next(jobs: &mut Jobs) -> HeldJob {
    timeout(PATIENCE, jobs.recv()).await.unwrap().unwrap()
}

fn end((ticket, work, events): HeldJob, color: [u8; 3]) {
    let pixels = Pixels::new(64, 64, color);
    let timings = TimingsMs::from([("queue".to_owned(), 0.0), ("total".to_owned(), 1.0)]);
    let pixels = work.edit.output.apply(pixels);
    for event in [
        Event::Started { ticket },
        Event::Rendered {
            ticket,
            pixels,
            timings,
        },
    ] {
        events.try_send(event).unwrap();
    }
}

#[tokio::test]
async fn pictures_are_made_one_after_another_and_forgotten() {
    let (rooms, renderer, mut jobs) = registry(2, model());
    let places = [
        rooms.picture_place().unwrap(),
        rooms.picture_place().unwrap(),
    ];
    let refused = rooms.picture_place().err().unwrap();
    assert!(matches!(refused, GenerateError::TooMany(2)), "{refused}");
    let [first, second] = places;
    let first = tokio::spawn(async move { first.generate(request(1)).await });
    let job = next(&mut jobs).await;
    let second = tokio::spawn(async move { second.generate(request(2)).await });
    tokio::task::yield_now().await;
    assert!(jobs.try_recv().is_err(), "it waits for the first one");
    end(job, [9, 8, 7]);
    let made = first.await.unwrap().unwrap();
    assert_eq!(made.pixels.pixel(0, 0), [9, 8, 7]);
    assert!(made.timings["total"] >= 1.0);
    end(next(&mut jobs).await, [1, 2, 3]);
    second.await.unwrap().unwrap();
    let key = RoomKey::NO_ROOM;
    let told = renderer.told.lock().unwrap();
    let expected = [
        (key, Told::Start(1)),
        (key, Told::Forget),
        (key, Told::Start(2)),
        (key, Told::Forget),
    ];
    assert_eq!(*told, expected);
    assert!(rooms.picture_place().is_ok(), "the places are free again");
}

#[tokio::test]
async fn who_goes_away_takes_the_picture_back() {
    let (rooms, renderer, mut jobs) = registry(2, model());
    let (gone, stays) = (
        rooms.picture_place().unwrap(),
        rooms.picture_place().unwrap(),
    );
    let gone = tokio::spawn(async move { gone.generate(request(1)).await });
    let _running = next(&mut jobs).await;
    let stays = tokio::spawn(async move { stays.generate(request(2)).await });
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    end(next(&mut jobs).await, [1, 2, 3]);
    stays.await.unwrap().unwrap();
    let told = renderer.told.lock().unwrap();
    assert_eq!(told[1], (RoomKey::NO_ROOM, Told::Forget));
    assert_eq!(told[2], (RoomKey::NO_ROOM, Told::Start(2)));
}

#[tokio::test]
async fn an_engine_that_lets_go_or_fails_is_told() {
    let (rooms, _renderer, mut jobs) = registry(1, model());
    let place = rooms.picture_place().unwrap();
    let made = tokio::spawn(async move {
        let first = place.generate(request(1)).await;
        (first, place.generate(request(2)).await)
    });
    drop(next(&mut jobs).await);
    let (ticket, _, events) = next(&mut jobs).await;
    let message = "the device is broken".to_owned();
    events.try_send(Event::Failed { ticket, message }).unwrap();
    let (stopped, failed) = made.await.unwrap();
    assert!(matches!(stopped, Err(GenerateError::Stopped)));
    let failed = failed.unwrap_err().to_string();
    assert!(failed.contains("the device is broken"), "{failed}");
}

#[tokio::test]
async fn a_picture_that_is_held_back_is_none() {
    let (rooms, _renderer, mut jobs) = registry(1, model());
    let place = rooms.picture_place().unwrap();
    let made = tokio::spawn(async move { place.generate(request(1)).await });
    let (ticket, _, events) = next(&mut jobs).await;
    let message = HELD_BACK.to_owned();
    let held_back = Event::HeldBack { ticket, message };
    events.try_send(held_back).unwrap();
    let refused = made.await.unwrap().unwrap_err();
    assert!(matches!(&refused, GenerateError::HeldBack(message) if message == HELD_BACK));
}

#[tokio::test]
async fn what_the_mask_leaves_out_keeps_its_bytes() {
    let (rooms, _renderer, mut jobs) = registry(1, model());
    let place = rooms.picture_place().unwrap();
    let mut mask = Mask::new(64, 64, 0);
    mask.span_mut(0, 0, 8).fill(u8::MAX);
    let masked = PictureRequest {
        sketch: Some(Pixels::new(64, 64, [200, 10, 20])),
        mask: Some(mask),
        ..request(1)
    };
    let made = tokio::spawn(async move { place.generate(masked).await });
    end(next(&mut jobs).await, [1, 2, 3]);
    let pixels = made.await.unwrap().unwrap().pixels;
    assert_eq!(pixels.pixel(7, 0), [1, 2, 3]);
    assert_eq!(pixels.pixel(8, 0), [200, 10, 20]);
    assert_eq!(pixels.pixel(0, 1), [200, 10, 20]);
}

#[test]
fn a_picture_has_the_size_that_was_asked_for_or_its_sketchs() {
    let (rooms, ..) = registry(1, zooming());
    let size = |width, height, sketch| rooms.generate_size(width, height, sketch);
    let sketch = Some(sides(300, 200));
    assert_eq!(size(None, None, None).unwrap(), sides(512, 512));
    assert_eq!(size(None, None, sketch).unwrap(), sides(320, 256));
    assert_eq!(size(Some(65), None, sketch).unwrap(), sides(128, 256));
    assert_eq!(size(Some(1024), Some(512), None).unwrap(), sides(1024, 512));
    for (width, height) in [(0, 64), (64, 4097)] {
        let refused = size(Some(width), Some(height), None).unwrap_err();
        assert!(matches!(refused, GenerateError::Size(_)), "{refused}");
    }
    let refused = size(Some(1024), Some(576), None).unwrap_err();
    assert!(refused.to_string().contains("512 x 512"), "{refused}");
    // Too low to be seen smaller than it is, and too long then.
    assert!(size(Some(1024), Some(256), None).is_err());
}

#[test]
fn settings_are_refused_as_a_room_refuses_them() {
    let (rooms, ..) = registry(1, model());
    let settings = |json: &str| rooms.generate_settings(&serde_json::from_str(json).unwrap());
    let made = settings(r#"{"prompt":"sea","seed":3}"#).unwrap();
    assert_eq!((made.prompt.as_str(), made.seed, made.steps), ("sea", 3, 2));
    for (json, code) in [
        (r#"{"guidance_scale":31}"#, ErrorCode::InvalidValue),
        (r#"{"steps":9}"#, ErrorCode::InvalidValue),
        (r#"{"steps":0}"#, ErrorCode::InvalidValue),
        (r#"{"seed":9007199254740992}"#, ErrorCode::InvalidValue),
        (r#"{"sampler":"dice"}"#, ErrorCode::UnknownSampler),
    ] {
        let Err(GenerateError::Settings(refusal)) = settings(json) else {
            panic!("{json} was taken");
        };
        assert_eq!(refusal.code, code, "{json}");
    }
}

#[test]
fn a_picture_has_the_models_schedule_where_nothing_is_asked_for_and_with_its_sampler() {
    let trailing = TimestepSpacingChoice::Trailing;
    let choices = ScheduleChoices {
        timestep_spacing: vec![trailing],
        sigmas: vec![SigmasChoice::Karras],
        ..ScheduleChoices::NONE
    };
    let mut spaced = model();
    spaced.schedules = ["lcm", "ddim"]
        .map(|name| (name.to_owned(), choices.clone()))
        .into();
    spaced.defaults.timestep_spacing = trailing;
    spaced.defaults.sigmas = SigmasChoice::Karras;
    let (rooms, ..) = registry(1, spaced);
    let schedule = |json: &str| {
        let patch = serde_json::from_str(json).unwrap();
        let settings = rooms.generate_settings(&patch).unwrap();
        (settings.timestep_spacing, settings.sigmas)
    };
    let own = (TimestepSpacingChoice::Default, SigmasChoice::Default);
    assert_eq!(schedule("{}"), (trailing, SigmasChoice::Karras));
    let named = r#"{"sampler":"lcm"}"#;
    assert_eq!(schedule(named), (trailing, SigmasChoice::Karras));
    assert_eq!(
        schedule(r#"{"sigmas":"default"}"#),
        (trailing, SigmasChoice::Default)
    );
    assert_eq!(schedule(r#"{"sampler":"ddim"}"#), own);
    assert_eq!(
        schedule(r#"{"sampler":"ddim","sigmas":"karras"}"#),
        (TimestepSpacingChoice::Default, SigmasChoice::Karras)
    );
}

#[test]
fn the_model_sees_a_picture_as_it_sees_a_rooms_canvas() {
    let seen = |width, height, grid| {
        let request = PictureRequest {
            size: sides(width, height),
            ..request(1)
        };
        edit_of(&request, &zooming(), WindowRules { grid, ..RULES })
    };
    let edit = seen(512, 512, 64);
    assert_eq!(edit.window, Rect::new(0, 0, 256, 256));
    assert_eq!(edit.output.rect, Rect::new(0, 0, 512, 512));
    assert!(edit.sketch.is_white(), "the words have it to themselves");
    assert_eq!(seen(256, 512, 64).window, Rect::new(0, 0, 256, 512));
    assert_eq!(seen(576, 512, 32).window, Rect::new(0, 0, 288, 256));
    // Half of it would not lie on the grid.
    assert_eq!(seen(576, 512, 64).window, Rect::new(0, 0, 576, 512));
}
