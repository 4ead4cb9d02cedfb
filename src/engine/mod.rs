//! Device threads: admission, step-level batches across rooms, cancel, latent residency.
//!
//! One thread per device owns the model and every tensor. Rooms hand it
//! [`Command`]s through an [`EngineHandle`] that never blocks, and get [`Event`]s
//! back.

mod admission;
mod device;
mod device_guard;
mod device_shares;
mod engines;
mod error;
mod inversion_run;
mod keys;
mod latent_folder;
mod loras;
mod patches;
mod placement;
mod priority_queue;
mod request;
mod residency;
mod run;
mod thread_priority;
mod watchdog;
mod worker;

pub use device::device_from_name;
pub use engines::{Engines, EnginesHandle, device_names};
pub use error::EngineError;
pub use keys::RoomKey;
pub use priority_queue::Priority;
pub use request::{
    Command, EVENTS_PER_JOB, Event, InversionWork, InvertedPatch, RenderWork, Request, Work,
};

#[cfg(test)]
pub(crate) use keys::JobKey;
#[cfg(test)]
pub(crate) use priority_queue::PriorityQueue;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use candle_core::Device;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::canvas::WindowRules;
use crate::model::{
    ControlChoice, IpAdapterChoice, LoadOptions, LoraChoice, MAX_STEPS, Model, SafetyChecker,
    SafetyCheckerChoice, Supplied,
};
use crate::pipeline::Pipeline;
use crate::protocol::{
    ControlInfo, ControlPreprocess, EditMethod, LoraWeight, ModelInfo, REFERENCE_SCALE, Settings,
    SigmasChoice, TimestepSpacingChoice,
};
use crate::sampler::{samplers_for, schedules_for};
use admission::Admission;
use device_guard::DeviceGuard;
use loras::{KnownLoras, LoraChange};
use request::Job;
use watchdog::Watchdog;
use worker::Worker;

/// How an engine is started.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// A diffusers folder, or a checkpoint in a single file.
    pub model: PathBuf,
    /// What is given beside the model's own files.
    pub supplied: Supplied,
    /// `cpu`, `cuda:N` or `metal`.
    pub device: String,
    /// The LoRAs that this engine may use, each under a name of its own, with the weights that
    /// they have at first.
    pub loras: Vec<LoraChoice>,
    /// What can steer the model, each under a name of its own.
    pub controls: Vec<ControlChoice>,
    /// What can show the model reference pictures, each under a name of its own.
    pub ip_adapters: Vec<IpAdapterChoice>,
    /// What looks at pictures before rooms get them.
    pub safety_checker: SafetyCheckerChoice,
    /// Prompts whose embeddings are kept.
    pub text_entries: usize,
    /// Renders whose steps go in one batch; when left out as many as suit the device.
    pub batch: Option<usize>,
    /// Renders that may wait, over all rooms.
    pub waiting: usize,
    /// Threads that compute on the CPU; one per core when left out.
    pub threads: Option<usize>,
    /// Bytes of device memory for what stays there between renders, over all rooms.
    pub latent_budget: u64,
    /// Where what has no place in memory goes: a folder is made there for this process. The system's
    /// temporary folder when left out, which may be in memory itself.
    pub latent_parent: Option<PathBuf>,
}

/// Device memory for latents and trajectories, unless something else is asked for: 512 MiB.
pub const DEFAULT_LATENT_BUDGET: u64 = 512 << 20;

impl EngineOptions {
    /// Defaults for a model folder on the CPU.
    pub fn new(model: PathBuf) -> Self {
        Self {
            model,
            supplied: Supplied::default(),
            device: "cpu".to_owned(),
            loras: Vec::new(),
            controls: Vec::new(),
            ip_adapters: Vec::new(),
            safety_checker: SafetyCheckerChoice::Off,
            text_entries: 256,
            batch: None,
            waiting: 1024,
            threads: None,
            latent_budget: DEFAULT_LATENT_BUDGET,
            latent_parent: None,
        }
    }
}

/// A running device thread; dropping it stops and joins the thread.
pub struct Engine {
    handle: EngineHandle,
    thread: Option<JoinHandle<()>>,
    alive: watch::Receiver<()>,
    /// How long the first render took.
    warm_up: Duration,
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
        let (guard, alive) = DeviceGuard::new(admission.clone());
        let thread = std::thread::Builder::new()
            .name("impasto-device".to_owned())
            .spawn(move || {
                let _guard = guard;
                let latent_parent = options.latent_parent.clone();
                let latent_parent = latent_parent.unwrap_or_else(std::env::temp_dir);
                latent_folder::sweep_in(&latent_parent);
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(options.threads.unwrap_or_default())
                    .thread_name(|index| format!("impasto-cpu-{index}"))
                    .start_handler(|_| thread_priority::yield_to_others())
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
                    Ok((pipeline, description, warm_up)) => {
                        let _ = ready.send(Ok((description, warm_up)));
                        let usual = batch_for(&pipeline.model().device);
                        let worker = Worker::new(
                            pipeline,
                            shared,
                            options.batch.unwrap_or(usual),
                            options.latent_budget,
                            latent_parent,
                            active_loras,
                            options.device,
                        );
                        worker.run();
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                });
            })
            .map_err(EngineError::Thread)?;
        let (description, warm_up) = loaded.recv().map_err(|_| EngineError::Stopped)??;
        let Description {
            info,
            rules,
            defaults,
        } = description;
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
            warm_up,
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

    /// Ends when the device has been at one step for much longer than any can take: it will not go
    /// on. The thread cannot be stopped then.
    pub fn stalled(&self) -> impl Future<Output = ()> + Send + use<> {
        let admission = self.handle.admission.clone();
        let mut watchdog = Watchdog::new(self.warm_up);
        async move {
            let mut seconds = tokio::time::interval(Duration::from_secs(1));
            // A process that was stopped has not looked in the meantime.
            seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !watchdog.look(admission.pulse()) {
                seconds.tick().await;
            }
            tracing::error!("the device stands still: nothing can be painted any more");
        }
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

/// How many renders share a step. On a CPU a step of two takes twice as long as one of one: both
/// would come late, and who comes next would wait for both.
fn batch_for(device: &Device) -> usize {
    match device.is_cpu() {
        true => 1,
        false => 4,
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

    /// Takes a command of a room; events of a job that it starts come through `events`, which must
    /// have room for [`EVENTS_PER_JOB`] of every job under way. Never blocks.
    ///
    /// Of all inversions that are queued those that somebody waits for take their steps first, then
    /// those on their way back, which tells how good they are. A room that asks for one interactive
    /// inversion and one prefetch at a time shares the device fairly with others.
    ///
    /// # Errors
    /// When a job is to be started and too many wait, or the engine has stopped; then no event of
    /// it comes.
    pub fn send(
        &self,
        room: RoomKey,
        command: Command,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), EngineError> {
        let key = |ticket| keys::JobKey { room, ticket };
        match command {
            Command::Start(Request { ticket, work }) => {
                let (key, events) = (key(ticket), events.clone());
                return match work {
                    Work::Render(work) => self.admission.render(Job {
                        key,
                        work: *work,
                        events,
                    }),
                    Work::Inversion(work) => self.admission.invert(Job {
                        key,
                        work: *work,
                        events,
                    }),
                };
            }
            Command::Prioritise(ticket) => self.admission.prioritise(key(ticket)),
            Command::Cancel(ticket) => self.admission.cancel(key(ticket)),
            Command::ForgetPhoto(photo) => self.admission.forget_photo(room, photo),
            Command::ForgetRoom => self.admission.forget_room(room),
        }
        Ok(())
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
    /// change waits, or the engine has stopped; then everything stays as it is.
    pub async fn set_loras(&self, weights: &[LoraWeight]) -> Result<(), EngineError> {
        let choices = self.known_loras.with_weights(weights)?;
        let (done, result) = oneshot::channel();
        self.admission.change_loras(LoraChange { choices, done })?;
        result.await.map_err(|_| EngineError::Stopped)?
    }
}

struct Description {
    info: ModelInfo,
    rules: WindowRules,
    defaults: Settings,
}

/// The model, what it is, and how long its first render took.
fn load(options: &EngineOptions) -> Result<(Pipeline, Description, Duration), EngineError> {
    let device = device_from_name(&options.device)?;
    // First, so that one that is not there is told before gigabytes are read.
    let safety_checker = SafetyChecker::chosen(&options.safety_checker, &options.model, &device)?;
    let load_options = LoadOptions {
        loras: options.loras.clone(),
        controls: options.controls.clone(),
        ip_adapters: options.ip_adapters.clone(),
        supplied: options.supplied.clone(),
        ..LoadOptions::on(device)
    };
    let model = Model::load(&options.model, &load_options)?;
    let pipeline = Pipeline::new(model, options.text_entries)?;
    let mut pipeline = pipeline.with_safety_checker(safety_checker);
    let description = describe(&pipeline, &options.device)?;
    let begun = Instant::now();
    worker::warm_up(&mut pipeline, &description.rules)?;
    Ok((pipeline, description, begun.elapsed()))
}

fn describe(pipeline: &Pipeline, device: &str) -> Result<Description, EngineError> {
    let (model, wanted) = (pipeline.model(), pipeline.defaults()?);
    let native_size = model.native_side();
    let controls: Vec<ControlInfo> = model
        .controls()
        .iter()
        .map(|control| ControlInfo {
            name: control.name.clone(),
            class: control.kind().class().to_owned(),
        })
        .collect();
    let ip_adapters: Vec<ControlInfo> = model
        .ip_adapters()
        .iter()
        .map(|adapter| ControlInfo {
            name: adapter.name.clone(),
            class: adapter.kind().class().to_owned(),
        })
        .collect();
    // Who starts a server with controls means to paint with the first of them.
    let first = |all: &[ControlInfo]| all.first().map(|one| one.name.clone()).unwrap_or_default();
    let defaults = Settings {
        prompt: String::new(),
        negative_prompt: String::new(),
        guidance_scale: wanted.guidance_scale,
        guidance_rescale: None,
        image_guidance_scale: None,
        steps: wanted.steps,
        strength: wanted.strength,
        seed: 0,
        variation: wanted.variation,
        sampler: wanted.sampler.clone(),
        timestep_spacing: TimestepSpacingChoice::Default,
        sigmas: SigmasChoice::Default,
        spread: 16,
        live: true,
        method: EditMethod::default(),
        finish: wanted.finish,
        finish_strength: wanted.finish_strength,
        control: first(&controls),
        control_preprocess: ControlPreprocess::default(),
        control_scale: 1.0,
        control_start: 0.0,
        control_end: 1.0,
        ip_adapter: first(&ip_adapters),
        reference: String::new(),
        reference_scale: REFERENCE_SCALE,
        reference_start: 0.0,
        reference_end: 1.0,
    };
    let mut samplers = vec![defaults.sampler.clone()];
    samplers.extend(
        samplers_for(pipeline.scheduler())
            .filter(|name| *name != defaults.sampler)
            .map(str::to_owned),
    );
    let info = ModelInfo {
        id: model.name.clone(),
        family: model.family.name().to_owned(),
        native_size,
        largest_zoom: model.defaults.largest_zoom,
        device: device.to_owned(),
        dtype: model.dtype.as_str().to_owned(),
        max_steps: MAX_STEPS,
        guidance_free: model.family.is_guidance_free(),
        scheduler: Some(pipeline.scheduler().class_name().to_owned()),
        samplers,
        schedules: schedules_for(pipeline.scheduler()),
        defaults: wanted,
        controls,
        ip_adapters,
        safety_checker: pipeline.has_safety_checker(),
    };
    let grid = model.window_grid();
    let rules = WindowRules {
        zoom: 1,
        grid,
        context: 16,
        minimum: 128.min(native_size),
        maximum: native_size.max(grid),
    };
    Ok(Description {
        info,
        rules,
        defaults,
    })
}
