//! Pictures without a room: for programs that want one, and no canvas.
//!
//! They go through the engine's queues as a room's windows do. At most one of them is with the engine
//! at a time, under a key of its own, so that all of them together have a room's share of the device.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use uuid::Uuid;

use super::{
    document::{Document, Refusal},
    error::RoomError,
    options::canvas_size,
    registry::RoomRegistry,
    renderer::Renderer,
};
use crate::{
    canvas::{Mask, Pixels, WindowRules, resize_bicubic, zoom_for},
    engine::{Command, EVENTS_PER_JOB, Event, RenderWork, Request, RoomKey, Work},
    pipeline::{
        ControlPicture, ControlSettings, Edit, MicroConditioning, Output, ReferencePicture,
        ReferenceSettings, RenderSettings, hundredths,
    },
    protocol::{
        CanvasSize, ClientMessage, ErrorMessage, ModelInfo, Rect, Schedule, Settings,
        SettingsPatch, SigmasChoice, TimestepSpacingChoice, TimingsMs, validate_client_message,
    },
};

/// The most pixels of a picture as the model sees it, in windows of its own size: rooms wait for
/// every step of it, and it takes that many times as long as one of theirs.
const WINDOWS_MOST: u64 = 2;
/// The number of the only job under [`RoomKey::NO_ROOM`].
const TICKET: u64 = 1;

/// What a picture should be.
#[derive(Clone, Debug)]
pub struct PictureRequest {
    /// How it is made: what the model's pictures look best with, and what was asked for over it.
    pub settings: Settings,
    /// Which timesteps and sigmas its steps have, where they are a list; otherwise as the settings say.
    pub listed: Option<Schedule>,
    /// Width and height: what [`RoomRegistry::generate_size`] answered.
    pub size: CanvasSize,
    /// What to start from, of that size; the words alone where there is none.
    pub sketch: Option<Pixels>,
    /// Where the sketch may change, of that size; everywhere when left out.
    pub mask: Option<Mask>,
    /// What the control of the settings steers by, of that size; the sketch when left out.
    pub control: Option<Pixels>,
    /// What is seen beside the prompt, of any size.
    pub reference: Option<Arc<Pixels>>,
}

/// A picture, and how long its stages took.
#[derive(Debug)]
pub struct Generated {
    /// The picture.
    pub pixels: Pixels,
    /// Milliseconds by stage; `queue` has all waiting in it.
    pub timings: TimingsMs,
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A setting is out of its range, or not one that the model has.
    #[error("{}", .0.message)]
    Settings(ErrorMessage),
    /// Sides that no canvas has.
    #[error(transparent)]
    Size(#[from] RoomError),
    /// More than the model may see at once.
    #[error(
        "a picture of {width} x {height} pixels is too large for this model to make at once; ask \
         for {side} x {side} or less, or paint it in a room"
    )]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// The side of a square that fits.
        side: u32,
    },
    /// As many pictures are made, or wait, as may.
    #[error("{0} pictures are being made already; try again in a moment")]
    TooMany(usize),
    /// The engine does not take it.
    #[error("{0}")]
    Refused(String),
    /// The safety checker does not let it be shown.
    #[error("{0}")]
    HeldBack(String),
    /// The engine began, and could not end it.
    #[error("the picture could not be made: {0}")]
    Failed(String),
    /// The engine has stopped.
    #[error("the server is about to stop; come back in a moment")]
    Stopped,
}

const fn square(side: u32) -> u64 {
    side as u64 * side as u64
}

impl RoomRegistry {
    /// The settings of a picture: the model's defaults with a patch over them. The schedule among the
    /// defaults is that of the default sampler: another has its scheduler's own.
    ///
    /// # Errors
    /// [`GenerateError::Settings`], as a room would refuse them.
    pub fn generate_settings(&self, patch: &SettingsPatch) -> Result<Settings, GenerateError> {
        let renderer = &self.shared.renderer;
        validate_client_message(&ClientMessage::Settings(patch.clone()))
            .map_err(GenerateError::Settings)?;
        let mut defaults = renderer.default_settings().clone();
        let other = patch.sampler.as_ref();
        if other.is_some_and(|sampler| *sampler != defaults.sampler) {
            defaults.timestep_spacing = TimestepSpacingChoice::Default;
            defaults.sigmas = SigmasChoice::Default;
        }
        Document::settings_change(&defaults, patch.clone(), renderer.model_info())
            .map(|patch| defaults.patched(&patch))
            .map_err(|refusal| GenerateError::Settings(refusal.to_message(None)))
    }

    /// Checks that the sampler of these settings can have a schedule, of which a room's settings hold
    /// no lists.
    ///
    /// # Errors
    /// [`GenerateError::Settings`].
    pub fn check_schedule(
        &self,
        settings: &Settings,
        schedule: &Schedule,
    ) -> Result<(), GenerateError> {
        let model = self.shared.renderer.model_info();
        let choices = model.schedule_choices(&settings.sampler);
        let refused = schedule
            .check(&settings.sampler, choices)
            .map_err(Refusal::from);
        refused.map_err(|refusal| GenerateError::Settings(refusal.to_message(None)))
    }

    /// The size of a picture: what is asked for, otherwise the sketch's, otherwise the largest square
    /// that the model sees as a picture of its own size. Sides are rounded up to multiples of 64.
    ///
    /// # Errors
    /// [`GenerateError::Size`], [`GenerateError::TooLarge`].
    pub fn generate_size(
        &self,
        width: Option<u32>,
        height: Option<u32>,
        sketch: Option<CanvasSize>,
    ) -> Result<CanvasSize, GenerateError> {
        let renderer = &self.shared.renderer;
        let (model, rules) = (renderer.model_info(), renderer.window_rules());
        let side = model.native_size * model.largest_zoom.max(1);
        let usual = sketch.unwrap_or(CanvasSize {
            width: side,
            height: side,
        });
        let (width, height) = (width.unwrap_or(usual.width), height.unwrap_or(usual.height));
        let size = canvas_size(width, height)?;
        let zoom = zoom_of(size, model, rules.grid);
        let seen = u64::from(size.width / zoom) * u64::from(size.height / zoom);
        match seen <= WINDOWS_MOST * square(model.native_size) {
            true => Ok(size),
            false => Err(GenerateError::TooLarge {
                width: size.width,
                height: size.height,
                side,
            }),
        }
    }

    /// A place for a picture without a room, until it is dropped.
    ///
    /// # Errors
    /// [`GenerateError::TooMany`].
    pub fn picture_place(&self) -> Result<PicturePlace, GenerateError> {
        let places = self.shared.picture_places.clone();
        let most = self.shared.limits.pictures_max;
        let permit = places
            .try_acquire_owned()
            .map_err(|_| GenerateError::TooMany(most))?;
        Ok(PicturePlace {
            rooms: self.clone(),
            _permit: permit,
        })
    }
}

/// A place among the pictures without a room.
pub struct PicturePlace {
    rooms: RoomRegistry,
    _permit: OwnedSemaphorePermit,
}

impl PicturePlace {
    /// Makes a picture once its turn has come. Whoever drops the future takes it back: what waits is
    /// dropped, what runs stops at its next step.
    ///
    /// # Errors
    /// [`GenerateError`], when the engine does not take it, fails or stops.
    pub async fn generate(&self, request: PictureRequest) -> Result<Generated, GenerateError> {
        let began = Instant::now();
        let shared = &self.rooms.shared;
        let turn = shared.picture_turn.clone().acquire_owned().await;
        let _turn = turn.map_err(|_| GenerateError::Stopped)?;
        let waited = began.elapsed();
        let renderer = shared.renderer.clone();
        let edit = edit_of(&request, renderer.model_info(), renderer.window_rules());
        let (events, received) = mpsc::channel(EVENTS_PER_JOB);
        // Dropped before the turn is given back.
        let _end = EndOfPicture(renderer.clone());
        let work = RenderWork {
            author: Uuid::new_v4(),
            is_refinement: false,
            edit,
        };
        let start = Request {
            ticket: TICKET,
            work: Work::Render(Box::new(work)),
        };
        renderer
            .send(RoomKey::NO_ROOM, Command::Start(start), &events)
            .map_err(|refused| GenerateError::Refused(refused.to_string()))?;
        // From here on the channel ends when the engine lets the job go.
        drop(events);
        let (rendered, mut timings) = end_of_job(received).await?;
        add_waiting(&mut timings, waited);
        let pixels = match (request.sketch, request.mask) {
            (Some(mut sketch), Some(mask)) => {
                sketch.paste_inside(&rendered, &mask);
                sketch
            }
            _ => rendered,
        };
        Ok(Generated { pixels, timings })
    }
}

/// Takes a job back, and what the engine keeps for it; one that has ended too.
struct EndOfPicture(Arc<dyn Renderer>);

impl Drop for EndOfPicture {
    fn drop(&mut self) {
        let (events, _) = mpsc::channel(1);
        let forget = Command::ForgetRoom;
        if let Err(cause) = self.0.send(RoomKey::NO_ROOM, forget, &events) {
            tracing::debug!(%cause, "the engine keeps what it has of a picture");
        }
    }
}

async fn end_of_job(
    mut events: mpsc::Receiver<Event>,
) -> Result<(Pixels, TimingsMs), GenerateError> {
    while let Some(event) = events.recv().await {
        match event {
            Event::Rendered {
                pixels, timings, ..
            } => return Ok((pixels, timings)),
            Event::HeldBack { message, .. } => return Err(GenerateError::HeldBack(message)),
            Event::Failed { message, .. } => return Err(GenerateError::Failed(message)),
            Event::Superseded { .. } => return Err(GenerateError::Stopped),
            Event::Started { .. } | Event::Progress { .. } | Event::Inverted { .. } => {}
        }
    }
    Err(GenerateError::Stopped)
}

fn add_waiting(timings: &mut TimingsMs, waited: Duration) {
    let waited = waited.as_secs_f64() * 1000.0;
    for stage in ["queue", "total"] {
        let spent = timings.entry(stage.to_owned()).or_default();
        *spent = hundredths(*spent + waited);
    }
}

/// The whole picture as one window.
pub(super) fn edit_of(request: &PictureRequest, model: &ModelInfo, rules: WindowRules) -> Edit {
    let CanvasSize { width, height } = request.size;
    let zoom = zoom_of(request.size, model, rules.grid);
    let seen = CanvasSize {
        width: width / zoom,
        height: height / zoom,
    };
    let sketch = match &request.sketch {
        Some(sketch) if zoom == 1 => sketch.clone(),
        Some(sketch) => resize_bicubic(sketch, seen),
        // White paper is no sketch.
        None => Pixels::new(seen.width, seen.height, [255; 3]),
    };
    let mask = match &request.mask {
        Some(mask) => mask.shrunk(zoom),
        None => Mask::new(seen.width, seen.height, u8::MAX),
    };
    let sketch = Arc::new(sketch);
    let control = ControlSettings::of(&request.settings).map(|settings| ControlPicture {
        settings,
        picture: match &request.control {
            // The pipeline scales it to what the model sees.
            Some(picture) => Arc::new(picture.clone()),
            None => sketch.clone(),
        },
    });
    Edit {
        control,
        window: Rect::new(0, 0, seen.width, seen.height),
        known: sketch.clone(),
        sketch,
        mask: Arc::new(mask),
        settings: render_settings(request, seen),
        output: Output {
            rect: Rect::new(0, 0, width, height),
            finish: request.settings.finish,
            finish_strength: request.settings.finish_strength,
        },
        photo: None,
    }
}

/// How many times smaller the model sees the picture: as in a room, as far as its grid allows.
fn zoom_of(size: CanvasSize, model: &ModelInfo, grid: u32) -> u32 {
    let largest = zoom_for(size, model.native_size, model.largest_zoom);
    let fits = |zoom: &u32| {
        let step = zoom * grid.max(1);
        size.width.is_multiple_of(step) && size.height.is_multiple_of(step)
    };
    (1..=largest).rev().find(fits).unwrap_or(1)
}

fn render_settings(request: &PictureRequest, seen: CanvasSize) -> RenderSettings {
    // Unlike a room's window it is a whole picture.
    let size = Some((seen.width, seen.height));
    let reference = ReferenceSettings::of(&request.settings).zip(request.reference.clone());
    let references = reference.map(|(settings, picture)| ReferencePicture { settings, picture });
    let settings = RenderSettings::from(&request.settings);
    RenderSettings {
        schedule: request.listed.clone().unwrap_or(settings.schedule),
        references: references.into_iter().collect(),
        micro_conditioning: MicroConditioning {
            original_size: size,
            target_size: size,
            ..MicroConditioning::default()
        },
        ..settings
    }
}
