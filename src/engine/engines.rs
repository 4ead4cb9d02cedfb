//! Several devices for the rooms of one server: an engine for each, and each room on one of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::select_all;
use metrics::gauge;
use tokio::sync::{Semaphore, mpsc};

use super::error::EngineError;
use super::keys::RoomKey;
use super::placement::Placement;
use super::request::{Command, Event};
use super::{Engine, EngineHandle, EngineOptions};
use crate::canvas::WindowRules;
use crate::protocol::{LoraWeight, ModelInfo, Settings};

/// Device threads that paint with the same model; dropping them stops and joins them.
pub struct Engines {
    engines: Vec<Engine>,
    handle: EnginesHandle,
}

/// What rooms hold of several engines. A room is given the engine with the fewest rooms with its first
/// job, and keeps it until it has ended: what stays on a device of a room is on that one.
#[derive(Clone)]
pub struct EnginesHandle {
    engines: Arc<[EngineHandle]>,
    info: Arc<ModelInfo>,
    placement: Arc<Mutex<Placement>>,
    /// One switch of LoRAs at a time.
    switching: Arc<Semaphore>,
}

/// The names in a list such as `cuda:0,cuda:1`.
///
/// # Errors
/// `Devices` for an empty name, for devices of several kinds, whose pictures would differ, and for
/// one that is named twice: two engines on one GPU would take each other's memory. Of the CPU there
/// may be several.
pub fn device_names(list: &str) -> Result<Vec<String>, EngineError> {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    let refuse = |reason: &str| {
        Err(EngineError::Devices {
            list: list.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let parts = |name: &String| {
        let (kind, number) = name.split_once(':').unwrap_or((name, "0"));
        (kind.to_owned(), number.to_owned())
    };
    let devices: Vec<(String, String)> = names.iter().map(parts).collect();
    if names.iter().any(String::is_empty) {
        return refuse("a name is empty");
    }
    if devices.iter().any(|(kind, _)| *kind != devices[0].0) {
        return refuse("they are of several kinds, whose pictures would differ");
    }
    let is_twice = |(index, device): (usize, &(String, String))| devices[..index].contains(device);
    if devices[0].0 != "cpu" && devices.iter().enumerate().any(is_twice) {
        return refuse("one is named twice");
    }
    Ok(names)
}

impl Engines {
    /// Loads the model on each of the devices, one after another. Blocks until all are ready. Each has
    /// the whole latent budget; those on the CPU share its threads.
    ///
    /// # Errors
    /// When there is no device, or one of them does not exist or cannot use the model.
    pub fn start(options: &EngineOptions, devices: &[String]) -> Result<Self, EngineError> {
        let on_cpu = devices.iter().filter(|name| name.starts_with("cpu"));
        let threads = match on_cpu.count() {
            0 | 1 => options.threads,
            sharing => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                Some((options.threads.unwrap_or(cores) / sharing).max(1))
            }
        };
        let start = |device: &String| {
            Engine::start(EngineOptions {
                device: device.clone(),
                threads,
                ..options.clone()
            })
        };
        let engines = devices.iter().map(start).collect::<Result<Vec<_>, _>>()?;
        let handles: Vec<EngineHandle> = engines.iter().map(Engine::handle).collect();
        let first = handles.first().ok_or_else(|| EngineError::Devices {
            list: String::new(),
            reason: "none is named".to_owned(),
        })?;
        let info = ModelInfo {
            device: devices.join(","),
            ..first.model_info().clone()
        };
        let handle = EnginesHandle {
            info: Arc::new(info),
            placement: Arc::new(Mutex::new(Placement::new(handles.len()))),
            switching: Arc::new(Semaphore::new(1)),
            engines: handles.into(),
        };
        handle.report(&handle.placement());
        Ok(Self { engines, handle })
    }

    /// A handle for rooms.
    pub fn handle(&self) -> EnginesHandle {
        self.handle.clone()
    }

    /// Ends when one of the devices paints nothing any more: its thread has ended, or stands still.
    /// The rooms on it would wait for good.
    pub fn failed(&self) -> impl Future<Output = ()> + Send + use<> {
        let fails = self.engines.iter().map(|engine| {
            let (ended, stalled) = (engine.ended(), engine.stalled());
            Box::pin(async move {
                tokio::select! {
                    () = ended => {}
                    () = stalled => {}
                }
            })
        });
        let first = select_all(fails);
        async move {
            first.await;
        }
    }

    /// Stops the threads after their current steps and waits for them.
    pub fn shutdown(self) {
        self.engines.into_iter().for_each(Engine::shutdown);
    }
}

impl EnginesHandle {
    /// The model, as clients see it; `device` names all devices.
    pub fn model_info(&self) -> &ModelInfo {
        &self.info
    }

    /// How windows are cut for this model.
    pub fn window_rules(&self) -> WindowRules {
        self.engines[0].window_rules()
    }

    /// The settings that suit the model, for a new room.
    pub fn default_settings(&self) -> &Settings {
        self.engines[0].default_settings()
    }

    /// Takes a command of a room to its engine, as [`EngineHandle::send`]. Never blocks.
    ///
    /// # Errors
    /// Those of [`EngineHandle::send`].
    pub fn send(
        &self,
        room: RoomKey,
        command: Command,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), EngineError> {
        let mut placement = self.placement();
        let before = placement.find(room);
        let device = match &command {
            Command::Start(_) => placement.place(room),
            Command::ForgetRoom => placement.forget(room),
            // Of a room that never had a job there is nothing.
            _ => before,
        };
        if placement.find(room) != before {
            self.report(&placement);
        }
        drop(placement);
        match device {
            Some(device) => self.engines[device].send(room, command, events),
            None => Ok(()),
        }
    }

    /// The LoRAs that the engines were started with, with the weights that they have now.
    pub fn loras(&self) -> Vec<LoraWeight> {
        self.engines[0].loras()
    }

    /// Gives the LoRAs other weights on every device, as [`EngineHandle::set_loras`], one device after
    /// another; also where the caller has gone away meanwhile.
    ///
    /// # Errors
    /// Those of [`EngineHandle::set_loras`]. Devices that had switched already go back.
    pub async fn set_loras(&self, weights: &[LoraWeight]) -> Result<(), EngineError> {
        if let [engine] = self.engines.as_ref() {
            return engine.set_loras(weights).await;
        }
        let turn = self.switching.clone().try_acquire_owned();
        let turn = turn.map_err(|_| EngineError::Switching)?;
        let (engines, weights) = (self.engines.clone(), weights.to_vec());
        let switch = tokio::spawn(async move {
            let _turn = turn;
            set_all_loras(&engines, &weights).await
        });
        switch.await.map_err(|_| EngineError::Stopped)?
    }

    fn placement(&self) -> MutexGuard<'_, Placement> {
        self.placement
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, placement: &Placement) {
        // Of engines on one CPU the rooms are told together.
        let mut rooms: BTreeMap<&str, usize> = BTreeMap::new();
        for (engine, count) in self.engines.iter().zip(placement.counts()) {
            *rooms.entry(&engine.model_info().device).or_default() += count;
        }
        for (device, count) in rooms {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            gauge!("impasto_device_rooms", "device" => device.to_owned()).set(f64::from(count));
        }
    }
}

async fn set_all_loras(
    engines: &[EngineHandle],
    weights: &[LoraWeight],
) -> Result<(), EngineError> {
    for (index, engine) in engines.iter().enumerate() {
        let before = engine.loras();
        let Err(error) = engine.set_loras(weights).await else {
            continue;
        };
        for switched in &engines[..index] {
            if let Err(cause) = switched.set_loras(&before).await {
                let device = &switched.model_info().device;
                tracing::error!(%cause, device, "a device has other LoRAs than the rest");
            }
        }
        return Err(error);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_of_one_kind_and_no_gpu_is_named_twice() {
        assert_eq!(device_names("cpu").unwrap(), ["cpu"]);
        assert_eq!(device_names("cpu, cpu").unwrap(), ["cpu", "cpu"]);
        assert_eq!(device_names("cuda:0,cuda:1").unwrap(), ["cuda:0", "cuda:1"]);
        for list in ["", "cuda:0,", "cuda:1,cpu", "cuda:0,cuda:0", "cuda,cuda:0"] {
            let told = device_names(list).unwrap_err().to_string();
            assert!(told.contains(&format!("{list:?}")), "{told}");
        }
    }
}
