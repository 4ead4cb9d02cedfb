//! `impasto serve`.

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::reference::ip_adapter_choices;
use super::{Failure, ServeFlags, ServeSettings, SuppliedFlags, find_model, spinner, telemetry};
use crate::engine::{EngineOptions, Engines, device_names};
use crate::pipeline::scheduler_notice;
use crate::room::{RegistryLimits, RoomOptions, RoomRegistry, RoomStore};
use crate::server::{
    BlockedWords, Server, ServerOptions, Switch, allow_open_files, end_within, stop_signal,
};

/// Rooms that the operator may open when the server is full.
const ROOMS_OF_THE_OPERATOR: usize = 8;
/// How often pictures that no room needs are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// The fewest files that a process may open for a server to start: the model's, the journal's, and
/// some connections.
const FILES_LEAST: usize = 64;
/// How long blocking work may hold up the end of the process.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// One line: a port in use, a model or data folder that cannot be used, flags
/// that make no sense.
pub fn run(flags: ServeFlags) -> Result<(), Failure> {
    let settings = ServeSettings::resolve(&flags)?;
    telemetry::start(&settings.log, settings.log_format)?;
    require_files()?;
    let model = find_model(settings.model.as_deref())?;
    let data = settings.data_folder()?;
    let lock = data.as_deref().map(lock_data_folder).transpose()?;
    let store = data.as_deref().map(open_store).transpose()?;
    let runtime = Runtime::new()
        .map_err(|cause| Failure::broken(format!("cannot start the network threads: {cause}")))?;
    // From here on the folder that there is, not the one that was asked for.
    let settings = ServeSettings { data, ..settings };
    let result = runtime.block_on(serve(settings, model, store));
    // A model that is still being loaded does not keep the process alive.
    runtime.shutdown_timeout(LAST_WAIT);
    drop(lock);
    result
}

/// Before anything is opened: runtimes and libraries panic where they find no descriptor.
fn require_files() -> Result<(), Failure> {
    match allow_open_files(FILES_LEAST) {
        Some(most) if most < FILES_LEAST => Err(Failure::usage(format!(
            "this process may open {most} files only: raise the limit to {FILES_LEAST} or more \
             (ulimit -n)"
        ))),
        _ => Ok(()),
    }
}

async fn serve(
    settings: ServeSettings,
    model: PathBuf,
    store: Option<RoomStore>,
) -> Result<(), Failure> {
    let options = server_options(&settings)?;
    let devices = device_names(&settings.device).map_err(Failure::usage)?;
    let server_limits = options.limits.clone();
    // The drain, then blocking work, then a moment for the rest.
    let within = server_limits.drain_timeout + 2 * LAST_WAIT;
    let stop = stop_signal(within).map_err(Failure::broken)?;
    tokio::pin!(stop);
    let server = Server::bind(options).await.map_err(Failure::usage)?;
    let address = server.local_addr();
    let switch = server.switch();
    let mut serving = tokio::spawn(server.run());

    let started = Instant::now();
    let loading = spinner(format!("loading {}", model.display()));
    let threads = settings.threads;
    let latent_budget = settings.latent_budget;
    // Where there is a disk for rooms, latents are not left to a temporary folder that may be memory.
    let latent_parent = settings.data.clone();
    let loras = settings.lora.iter().cloned().map(Into::into).collect();
    let controls = settings.control.iter().cloned().map(Into::into).collect();
    let ip_adapters = ip_adapter_choices(&settings.ip_adapter, settings.image_encoder.as_deref());
    let safety_checker = settings.safety_checker.0.clone();
    let supplied = SuppliedFlags {
        vae: settings.vae.clone(),
        tokenizer: settings.tokenizer.clone(),
        prediction: settings.prediction,
        embedding: settings.embedding.clone(),
    };
    let mut start = tokio::task::spawn_blocking(move || {
        let options = EngineOptions {
            threads,
            latent_budget,
            latent_parent,
            loras,
            controls,
            ip_adapters,
            safety_checker,
            supplied: supplied.into(),
            ..EngineOptions::new(model)
        };
        Engines::start(&options, &devices).map_err(Failure::usage)
    });
    let engines = tokio::select! {
        engines = &mut start => engines.map_err(Failure::broken)?,
        () = &mut stop => {
            loading.finish_and_clear();
            return end(&switch, serving).await;
        }
    };
    loading.finish_and_clear();
    let engines = match engines {
        Ok(engines) => engines,
        Err(failure) => {
            end(&switch, serving).await?;
            return Err(failure);
        }
    };
    let info = engines.handle().model_info().clone();
    let mut options = RoomOptions::new(engines.handle().default_settings().clone());
    options.inversion.steps = settings.inversion_steps;
    options.members_max = settings.members_per_room;
    let limits = RegistryLimits {
        create_on_join: true,
        rooms_max: server_limits.rooms + ROOMS_OF_THE_OPERATOR,
        ..RegistryLimits::default()
    };
    let renderer = Arc::new(engines.handle());
    let shutdown = CancellationToken::new();
    let rooms = match store {
        None => RoomRegistry::new(renderer.clone(), options, limits, shutdown),
        Some(store) => RoomRegistry::open(renderer.clone(), options, limits, shutdown, store)
            .map_err(Failure::usage)?,
    };
    let sweeper = tokio::spawn(sweep_now_and_then(rooms.clone()));
    switch.open(rooms, info.clone(), renderer);
    let url = switch
        .url_to_open(address)
        .map_err(|error| Failure::broken(error.message()))?;
    tracing::info!(model = info.id, device = info.device, elapsed = ?started.elapsed(), "ready");
    println!(
        "Impasto is at {url} (model {}, device {})",
        info.id, info.device
    );
    if let Some(notice) = info.scheduler.as_deref().and_then(|class| {
        let default = info.samplers.first()?;
        scheduler_notice(class, default)
    }) {
        println!("{notice}");
    }

    let result = tokio::select! {
        () = &mut stop => end(&switch, serving).await,
        () = engines.failed() => {
            switch.fail();
            // Tasks that wait for the device do not keep a server alive that cannot paint.
            end_within(within);
            match serving.await {
                Ok(result) => result.map_err(Failure::broken),
                Err(cause) => Err(Failure::broken(cause)),
            }
        }
        ended = &mut serving => match ended {
            Ok(result) => result.map_err(Failure::broken),
            Err(cause) => Err(Failure::broken(cause)),
        },
    };
    sweeper.abort();
    tokio::task::spawn_blocking(move || engines.shutdown())
        .await
        .map_err(Failure::broken)?;
    result
}

/// Deletes what no room needs any more, once a day.
async fn sweep_now_and_then(rooms: RoomRegistry) {
    loop {
        let sweeping = rooms.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || sweeping.sweep()).await {
            tracing::error!(%error, "the data folder could not be swept");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// Lets everybody go, then waits for the server to end.
async fn end(
    switch: &Switch,
    serving: tokio::task::JoinHandle<Result<(), crate::server::ServerError>>,
) -> Result<(), Failure> {
    if std::io::stderr().is_terminal() {
        eprintln!("impasto: shutting down");
    }
    switch.drain();
    match serving.await {
        Ok(result) => result.map_err(Failure::broken),
        Err(cause) => Err(Failure::broken(cause)),
    }
}

/// # Errors
/// When the file of blocked words cannot be read, or blocks nothing.
fn server_options(settings: &ServeSettings) -> Result<ServerOptions, Failure> {
    let mut options = ServerOptions::new(settings.listen);
    options.auth = settings.auth_required();
    options.allowed_origins.clone_from(&settings.allow_origin);
    options.public_url.clone_from(&settings.public_url);
    options.trusted_proxies.clone_from(&settings.trusted_proxy);
    options.data.clone_from(&settings.data);
    options.limits.sockets = settings.sockets;
    options.limits.connections = settings.connections.max(settings.sockets);
    options.limits.connections_per_address = settings.connections_per_address;
    options.limits.rooms = settings.rooms;
    options.limits.empty_rooms = (settings.rooms * 3 / 4).max(1);
    options.limits.room_bytes = settings.room_memory;
    if let Some(file) = &settings.blocked_words {
        let refuse = |what: String| {
            let file = file.display();
            Failure::usage(format!("the file of blocked words {file} {what}"))
        };
        let text = std::fs::read_to_string(file)
            .map_err(|cause| refuse(format!("cannot be read: {cause}")))?;
        options.blocked_words = BlockedWords::parse(&text)
            .map_err(|cause| refuse(format!("cannot be used: {cause}")))?;
    }
    Ok(options)
}

/// The rooms in the data folder.
///
/// # Errors
/// When it is of another version, damaged, or cannot be written.
fn open_store(folder: &Path) -> Result<RoomStore, Failure> {
    RoomStore::open(folder).map_err(|error| {
        let place = folder.display();
        Failure::usage(format!("the data folder {place} cannot be used: {error}"))
    })
}

/// Makes the data folder and locks it for this process.
///
/// # Errors
/// When it cannot be written, or another server uses it.
fn lock_data_folder(folder: &Path) -> Result<File, Failure> {
    let place = folder.display();
    let refuse = |cause: std::io::Error| {
        Failure::usage(format!(
            "the data folder {place} cannot be written ({cause}): make it writable, or give --data another"
        ))
    };
    std::fs::create_dir_all(folder).map_err(refuse)?;
    let lock = File::create(folder.join("impasto.lock")).map_err(refuse)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(Failure::usage(format!(
            "another server uses the data folder {place}: stop it, or give --data another folder"
        ))),
        Err(std::fs::TryLockError::Error(cause)) => Err(refuse(cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_is_made_and_locked_for_one() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("new/data");
        let lock = lock_data_folder(&folder).unwrap();
        let second = lock_data_folder(&folder).unwrap_err();
        assert!(second.to_string().contains("another server"), "{second}");
        drop(lock);
        lock_data_folder(&folder).unwrap();
    }

    #[test]
    fn a_data_folder_that_cannot_be_is_refused_with_its_name() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let failure = lock_data_folder(&file.join("data")).unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(
            failure.to_string().contains("cannot be written"),
            "{failure}"
        );
    }
}
