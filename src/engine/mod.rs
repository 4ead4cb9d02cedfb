//! Device threads: admission, step-level batches across rooms, cancel, latent residency.
//!
//! One thread per device owns the model and every tensor. Rooms hand it
//! [`RenderRequest`]s through an [`EngineHandle`] that never blocks, and hear
//! of them through [`RenderEvent`]s.

mod active;
mod admission;
mod device;
mod error;
mod inversion_line;
mod inverting;
mod latent_folder;
mod loras;
mod parts;
mod request;
mod residency;
mod worker;

pub use device::device_from_name;
pub use error::EngineError;
pub use request::{
    EVENTS_PER_INVERSION, InversionEvent, InversionRequest, InvertedPart, RenderEvent,
    RenderRequest, RoomKey,
};

#[cfg(test)]
pub(crate) use inversion_line::{Errand, InversionKey, InversionLine};

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use crate::canvas::WindowRules;
use crate::model::{Family, LoadOptions, LoraChoice, Model};
use crate::pipeline::Pipeline;
use crate::protocol::{EditMethod, LoraWeight, ModelInfo, Settings};
use crate::sampler::sampler_names;
use admission::Admission;
use loras::{KnownLoras, LoraSwitch};
use worker::Worker;

/// How an engine is started.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// A diffusers folder.
    pub model: PathBuf,
    /// `cpu`, `cuda:N` or `metal`.
    pub device: String,
    /// The LoRAs that this engine may use, each under a name of its own, with the weights that
    /// they have at first.
    pub loras: Vec<LoraChoice>,
    /// Prompts whose embeddings are kept.
    pub text_entries: usize,
    /// Renders whose steps go in one batch.
    pub batch: usize,
    /// Renders that may wait, over all rooms.
    pub waiting: usize,
    /// Threads that compute on the CPU; one per core when left out.
    pub threads: Option<usize>,
    /// Bytes of device memory for what stays there between renders, over all rooms.
    pub latent_budget: u64,
}

/// Device memory for latents and trajectories, unless something else is asked for: 512 MiB.
pub const DEFAULT_LATENT_BUDGET: u64 = 512 << 20;

impl EngineOptions {
    /// Defaults for a model folder on the CPU.
    pub fn new(model: PathBuf) -> Self {
        Self {
            model,
            device: "cpu".to_owned(),
            loras: Vec::new(),
            text_entries: 256,
            batch: 4,
            waiting: 1024,
            threads: None,
            latent_budget: DEFAULT_LATENT_BUDGET,
        }
    }
}

/// A running device thread; dropping it stops and joins the thread.
pub struct Engine {
    handle: EngineHandle,
    thread: Option<JoinHandle<()>>,
    alive: watch::Receiver<()>,
}

/// Held by the device thread: what waits for it hears of its end, in a panic too.
struct DeviceGuard {
    admission: Arc<Admission>,
    /// Dropped with the guard, which ends the receivers.
    _alive: watch::Sender<()>,
}

impl Drop for DeviceGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the device thread panicked: nothing can be painted any more");
        }
        self.admission.close();
    }
}

/// What rooms hold of an engine.
#[derive(Clone)]
pub struct EngineHandle {
    admission: Arc<Admission>,
    info: Arc<ModelInfo>,
    rules: WindowRules,
    defaults: Arc<Settings>,
    known_loras: Arc<KnownLoras>,
    loras: watch::Receiver<Vec<LoraWeight>>,
}

impl Engine {
    /// Loads the model, warms it up and starts its thread. Blocks until it is ready.
    ///
    /// # Errors
    /// When the device does not exist or the model cannot be used.
    pub fn start(options: EngineOptions) -> Result<Self, EngineError> {
        let known_loras = Arc::new(KnownLoras::new(options.loras.clone())?);
        let (active_loras, loras) = watch::channel(loras::weights_of(&options.loras));
        let (ready, loaded) = std::sync::mpsc::sync_channel(1);
        let admission = Arc::new(Admission::new(options.waiting));
        let shared = admission.clone();
        let (alive_sender, alive) = watch::channel(());
        let guard = DeviceGuard {
            admission: admission.clone(),
            _alive: alive_sender,
        };
        let thread = std::thread::Builder::new()
            .name("impasto-device".to_owned())
            .spawn(move || {
                let _guard = guard;
                latent_folder::sweep();
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(options.threads.unwrap_or_default())
                    .thread_name(|index| format!("impasto-cpu-{index}"))
                    .build();
                let pool = match pool {
                    Ok(pool) => pool,
                    Err(error) => {
                        let _ = ready.send(Err(EngineError::Threads(error.to_string())));
                        return;
                    }
                };
                // Inside the pool, kernels need no hand-over from this thread for each operation.
                pool.install(|| match load(&options) {
                    Ok((pipeline, description)) => {
                        let _ = ready.send(Ok(description));
                        let (batch, budget) = (options.batch, options.latent_budget);
                        Worker::new(pipeline, shared, batch, budget, active_loras).run();
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                });
            })
            .map_err(EngineError::Thread)?;
        let Description {
            info,
            rules,
            defaults,
        } = loaded.recv().map_err(|_| EngineError::Stopped)??;
        let handle = EngineHandle {
            admission,
            info: Arc::new(info),
            rules,
            defaults: Arc::new(defaults),
            known_loras,
            loras,
        };
        Ok(Self {
            handle,
            thread: Some(thread),
            alive,
        })
    }

    /// A handle for rooms.
    pub fn handle(&self) -> EngineHandle {
        self.handle.clone()
    }

    /// Ends when the device thread has ended, whether it was told to or panicked.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut alive = self.alive.clone();
        async move { while alive.changed().await.is_ok() {} }
    }

    /// Stops the thread after its current step and waits for it.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.handle.admission.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the device thread ended in a panic");
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

impl EngineHandle {
    /// The model, as clients see it.
    pub fn model_info(&self) -> &ModelInfo {
        &self.info
    }

    /// How windows are cut for this model.
    pub fn window_rules(&self) -> WindowRules {
        self.rules
    }

    /// The settings that suit the model, for a new room.
    pub fn default_settings(&self) -> &Settings {
        &self.defaults
    }

    /// Queues a render. A waiting one of the same room and member is replaced
    /// and told so. Never blocks.
    ///
    /// # Errors
    /// When too many renders wait, or the engine has stopped.
    pub fn submit(&self, request: RenderRequest) -> Result<(), EngineError> {
        self.admission.submit(request)
    }

    /// The LoRAs that the engine was started with, in their order, with the weights that they
    /// have now; 0 is off.
    pub fn loras(&self) -> Vec<LoraWeight> {
        self.loras.borrow().clone()
    }

    /// Gives the LoRAs other weights, 0 to those that are left out, without loading the model
    /// again. Renders under way are finished first; those that wait begin after it. Returns when
    /// it is done.
    ///
    /// # Errors
    /// When a name is unknown or stands twice, a LoRA's file cannot be read any more, another
    /// switch waits, or the engine has stopped; then everything stays as it is.
    pub async fn set_loras(&self, weights: &[LoraWeight]) -> Result<(), EngineError> {
        let choices = self.known_loras.with_weights(weights)?;
        let (done, told) = oneshot::channel();
        self.admission.switch_loras(LoraSwitch { choices, done })?;
        told.await.map_err(|_| EngineError::Stopped)?
    }

    /// Queues the inversion of a part of a photo. Never blocks. Of all that are queued those that
    /// somebody waits for take their steps first, then those on their way back, which tells how
    /// good they are. A room that asks for one that is wanted and one ahead of need at a time
    /// shares the device fairly with others.
    ///
    /// # Errors
    /// When too many wait, or the engine has stopped; then no news comes.
    pub fn invert(&self, request: InversionRequest) -> Result<(), EngineError> {
        self.admission.invert(request)
    }

    /// Somebody's brush waits for an inversion that is under way: it goes before all that is done
    /// ahead of need. Without effect on one that has ended.
    pub fn want_inversion(&self, room: RoomKey, ticket: u64) {
        self.admission.want_inversion(room, ticket);
    }

    /// Stops an inversion at its next step; what is inverted of the photo stays.
    pub fn cancel_inversion(&self, room: RoomKey, ticket: u64) {
        self.admission.cancel_inversion(room, ticket);
    }

    /// Drops what is inverted of a photo.
    pub fn forget_photo(&self, room: RoomKey, photo: u64) {
        self.admission.forget_photo(room, photo);
    }

    /// Drops what waits for a room, and its latents.
    pub fn forget_room(&self, room: RoomKey) {
        self.admission.forget_room(room);
    }
}

#[cfg(test)]
mod guard_tests {
    use super::*;

    #[tokio::test]
    async fn a_device_thread_that_panics_is_noticed_and_takes_nothing_more() {
        let admission = Arc::new(Admission::new(4));
        let (sender, mut alive) = watch::channel(());
        let guard = DeviceGuard {
            admission: admission.clone(),
            _alive: sender,
        };
        let thread = std::thread::spawn(move || {
            let _guard = guard;
            panic!("as a kernel would");
        });
        assert!(alive.changed().await.is_err());
        assert!(thread.join().is_err());
        let (choices, done) = (Vec::new(), oneshot::channel().0);
        let refused = admission.switch_loras(LoraSwitch { choices, done });
        assert!(matches!(refused, Err(EngineError::Stopped)));
    }
}

struct Description {
    info: ModelInfo,
    rules: WindowRules,
    defaults: Settings,
}

fn load(options: &EngineOptions) -> Result<(Pipeline, Description), EngineError> {
    let load_options = LoadOptions {
        loras: options.loras.clone(),
        ..LoadOptions::on(device_from_name(&options.device)?)
    };
    let model = Model::load(&options.model, &load_options)?;
    let description = describe(&model, &options.device);
    let mut pipeline = Pipeline::new(model, options.text_entries)?;
    worker::warm_up(&mut pipeline, &description.rules, &description.defaults)?;
    Ok((pipeline, description))
}

fn describe(model: &Model, device: &str) -> Description {
    let native_size = model.native_side();
    let defaults = Settings {
        prompt: String::new(),
        negative_prompt: String::new(),
        guidance_scale: match model.family {
            Family::InstructPix2Pix => 7.5,
            _ => 1.0,
        },
        guidance_rescale: None,
        image_guidance_scale: None,
        steps: 2,
        strength: match model.family {
            Family::Sketch | Family::InstructPix2Pix => 1.0,
            // An inpainting model sees what lies around the strokes, but the strokes only here.
            _ => 0.7,
        },
        seed: 0,
        sampler: default_sampler(model.family).to_owned(),
        spread: 16,
        live: true,
        method: EditMethod::default(),
    };
    let mut samplers = vec![defaults.sampler.clone()];
    samplers.extend(
        sampler_names()
            .filter(|name| *name != defaults.sampler && paints(name))
            .map(str::to_owned),
    );
    let info = ModelInfo {
        id: model.name.clone(),
        family: model.family.name().to_owned(),
        native_size,
        largest_zoom: match model.family {
            // It knows things and landscapes as whole small pictures, not parts of large ones.
            Family::Sketch => 2,
            _ => 1,
        },
        device: device.to_owned(),
        dtype: model.dtype.as_str().to_owned(),
        max_steps: 50,
        max_guidance_scale: model.family.is_guidance_free().then_some(1.0),
        samplers,
    };
    let grid = model.window_grid();
    let rules = WindowRules {
        zoom: 1,
        grid,
        context: 16,
        minimum: 128.min(native_size),
        maximum: native_size.max(grid),
    };
    Description {
        info,
        rules,
        defaults,
    }
}

/// The sampler that few steps look best with.
fn default_sampler(family: Family) -> &'static str {
    match family {
        Family::Turbo | Family::SdxlTurbo => "turbo",
        Family::Sketch | Family::Lcm => "lcm",
        Family::Sd | Family::Sdxl | Family::Inpainting | Family::InstructPix2Pix => "dpm-solver++",
    }
}

/// Inversion turns pictures into noise, not the other way round.
fn paints(sampler: &str) -> bool {
    sampler != "ddim-inverse"
}
