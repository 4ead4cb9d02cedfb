//! Renders by turning colours: red becomes green, green blue, blue red.

use futures_util::future::BoxFuture;
use impasto::canvas::{Pixels, WindowRules};
use impasto::engine::{Command, EngineError, Event, Request, RoomKey, Work};
use impasto::model::{Defaults, Family};
use impasto::protocol::{EditMethod, Finish, LoraWeight, ModelInfo, Settings, TimingsMs};
use impasto::room::{RenderRefused, Renderer};
use impasto::server::LoraControl;
use tokio::sync::mpsc;

/// A deterministic renderer without a model.
pub struct TestRenderer {
    model: ModelInfo,
    settings: Settings,
}

impl Default for TestRenderer {
    fn default() -> Self {
        Self {
            model: ModelInfo {
                id: "turner".to_owned(),
                family: "test".to_owned(),
                native_size: 256,
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
            },
            settings: Settings {
                prompt: String::new(),
                negative_prompt: String::new(),
                guidance_scale: 1.0,
                guidance_rescale: None,
                image_guidance_scale: None,
                steps: 2,
                strength: 1.0,
                seed: 0,
                variation: 0.0,
                sampler: "lcm".to_owned(),
                timestep_spacing: impasto::protocol::TimestepSpacingChoice::Default,
                sigmas: impasto::protocol::SigmasChoice::Default,
                spread: 16,
                live: true,
                method: EditMethod::Ddim,
                finish: Finish::None,
                finish_strength: 1.0,
                control: String::new(),
                control_preprocess: impasto::protocol::ControlPreprocess::default(),
                control_scale: 1.0,
                control_start: 0.0,
                control_end: 1.0,
                ip_adapter: String::new(),
                reference: String::new(),
                reference_scale: 0.6,
                reference_start: 0.0,
                reference_end: 1.0,
            },
        }
    }
}

/// A prompt that makes the room's own task panic.
pub const BREAKS_THE_ROOM: &str = "break the room";

/// A prompt whose picture is never done.
pub const NEVER_ENDS: &str = "never ends";

/// A prompt whose picture is made, and may not be shown.
pub const HELD_BACK: &str = "hold it back";

/// What a pixel becomes.
pub fn turned([red, green, blue]: [u8; 3]) -> [u8; 3] {
    [blue, red, green]
}

fn turned_picture(sketch: &Pixels) -> Pixels {
    let mut picture = sketch.clone();
    for pixel in picture.data_mut().chunks_exact_mut(3) {
        let [red, green, blue] = turned([pixel[0], pixel[1], pixel[2]]);
        pixel.copy_from_slice(&[red, green, blue]);
    }
    picture
}

impl Renderer for TestRenderer {
    fn model_info(&self) -> &ModelInfo {
        &self.model
    }

    fn default_settings(&self) -> &Settings {
        &self.settings
    }

    fn window_rules(&self) -> WindowRules {
        WindowRules {
            zoom: 1,
            grid: 64,
            context: 32,
            minimum: 128,
            maximum: 256,
        }
    }

    fn send(
        &self,
        _room: RoomKey,
        command: Command,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), RenderRefused> {
        let Command::Start(Request { ticket, work }) = command else {
            return Ok(());
        };
        let Work::Render(work) = work else {
            return Err(RenderRefused::Never(
                "colours cannot be inverted".to_owned(),
            ));
        };
        let prompt = &work.edit.settings.prompt;
        assert_ne!(prompt, BREAKS_THE_ROOM, "as a fault in a room would");
        let events = events.clone();
        if prompt == NEVER_ENDS {
            tokio::spawn(async move { events.closed().await });
            return Ok(());
        }
        let may_be_shown = prompt != HELD_BACK;
        tokio::spawn(async move {
            let pixels = work.edit.output.apply(turned_picture(&work.edit.sketch));
            let timings = TimingsMs::from([("denoise".to_owned(), 1.0), ("total".to_owned(), 1.0)]);
            let started = events.send(Event::Started { ticket }).await;
            let ended = match may_be_shown {
                true => Event::Rendered {
                    ticket,
                    pixels,
                    timings,
                },
                false => Event::HeldBack {
                    ticket,
                    message: "the picture is held back".to_owned(),
                },
            };
            let done = events.send(ended).await;
            // A room that ended meanwhile gets nothing, as with the engine.
            drop((started, done));
        });
        Ok(())
    }
}

/// It was started without LoRAs.
impl LoraControl for TestRenderer {
    fn loras(&self) -> Vec<LoraWeight> {
        Vec::new()
    }

    fn set_loras(&self, weights: Vec<LoraWeight>) -> BoxFuture<'_, Result<(), EngineError>> {
        let unknown = |request: &LoraWeight| EngineError::UnknownLora {
            name: request.name.clone(),
            known: "none".to_owned(),
        };
        let refused = weights.first().map(unknown);
        Box::pin(async move { refused.map_or(Ok(()), Err) })
    }
}
