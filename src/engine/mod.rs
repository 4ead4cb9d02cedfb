//! Device threads: admission, step-level batches across rooms, cancel, latent residency.
//!
//! One thread per device owns the model and every tensor. Rooms hand it
//! [`Command`]s through an [`EngineHandle`] that never blocks, and get [`Event`]s
//! back.

mod admission;
mod description;
mod device;
mod device_guard;
mod device_shares;
mod engines;
mod error;
mod inversion_run;
mod keys;
mod latent_folder;
mod loras;
mod options;
mod patches;
mod placement;
mod priority_queue;
mod request;
mod residency;
mod run;
mod thread_priority;
mod warm_up;
mod watchdog;
mod worker;

pub use device::device_from_name;
pub use engines::{Engines, EnginesHandle, device_names};
pub use error::EngineError;
pub use keys::RoomKey;
pub use options::{DEFAULT_LATENT_BUDGET, EngineOptions};
pub use priority_queue::Priority;
pub use request::{
    Command, EVENTS_PER_JOB, Event, InversionWork, InvertedPatch, RenderWork, Request, Work,
};

#[cfg(test)]
pub(crate) use keys::JobKey;
#[cfg(test)]
pub(crate) use priority_queue::PriorityQueue;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use candle_core::Device;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::canvas::WindowRules;
use crate::model::{LoadOptions, Model, SafetyChecker};
use crate::pipeline::Pipeline;
use crate::protocol::{LoraWeight, ModelInfo, Settings};
use admission::Admission;
use description::{Description, describe};
use device_guard::DeviceGuard;
use loras::{KnownLoras, LoraChange};
use request::Job;
use warm_up::warm_up;
use watchdog::Watchdog;
use worker::Worker;

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
    warm_up(&mut pipeline, &description.rules)?;
    Ok((pipeline, description, begun.elapsed()))
}
