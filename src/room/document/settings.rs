//! Settings against what the model can do, and which changes need new renders.

use super::{refusal::Refusal, settings_log::SettingsLog};
use crate::protocol::{
    ModelInfo, Schedule, Settings, SettingsPatch, SigmasChoice, TimestepSpacingChoice,
};

/// Checks what only the model knows: steps and the names of samplers, controls and IP-Adapters.
///
/// # Errors
/// Too many steps, a sampler, a control or an IP-Adapter that the model does not list.
pub(super) fn check_against_model(patch: &SettingsPatch, model: &ModelInfo) -> Result<(), Refusal> {
    if let Some(steps) = patch.steps {
        check_steps(steps, model)?;
    }
    if let Some(name) = &patch.control {
        check_control(name, model)?;
    }
    if let Some(name) = &patch.ip_adapter {
        check_ip_adapter(name, model)?;
    }
    if patch.reference.as_ref().is_some_and(|id| !id.is_empty()) && model.ip_adapters.is_empty() {
        return Err(Refusal::NoIpAdapter);
    }
    match &patch.sampler {
        Some(name) if !model.samplers.contains(name) => {
            Err(Refusal::UnknownSampler(model.samplers.join(", ")))
        }
        _ => Ok(()),
    }
}

/// A change of these settings as the room makes it. A sampler that cannot have the schedule which is
/// set takes the scheduler's own with it, so that everybody sees that it changed.
///
/// # Errors
/// What the model does not list, and a schedule that is asked for and that the sampler cannot have.
pub(super) fn settings_change(
    patch: SettingsPatch,
    settings: &Settings,
    model: &ModelInfo,
) -> Result<SettingsPatch, Refusal> {
    check_against_model(&patch, model)?;
    let after = settings.patched(&patch);
    let choices = model.schedule_choices(&after.sampler);
    let asked = Schedule::Spaced {
        timestep_spacing: patch.timestep_spacing.unwrap_or_default(),
        sigmas: patch.sigmas.unwrap_or_default(),
    };
    asked.check(&after.sampler, choices)?;
    if patch.sampler.is_none() {
        return Ok(patch);
    }
    let Schedule::Spaced {
        timestep_spacing,
        sigmas,
    } = choices.possible(after.timestep_spacing, after.sigmas)
    else {
        return Ok(patch);
    };
    let other_spacing = (timestep_spacing != after.timestep_spacing).then_some(timestep_spacing);
    let other_sigmas = (sigmas != after.sigmas).then_some(sigmas);
    Ok(SettingsPatch {
        timestep_spacing: patch.timestep_spacing.or(other_spacing),
        sigmas: patch.sigmas.or(other_sigmas),
        ..patch
    })
}

/// Whether any of the model's samplers can have a spacing of timesteps.
fn has_spacing(model: &ModelInfo, spacing: TimestepSpacingChoice) -> bool {
    let mut choices = model.schedules.values();
    spacing == TimestepSpacingChoice::Default
        || choices.any(|choices| choices.timestep_spacing.contains(&spacing))
}

/// Whether any of the model's samplers can have a spacing of sigmas.
fn has_sigmas(model: &ModelInfo, sigmas: SigmasChoice) -> bool {
    let mut choices = model.schedules.values();
    sigmas == SigmasChoice::Default || choices.any(|choices| choices.sigmas.contains(&sigmas))
}

/// Checks the name of a control; none, which is empty, is always there.
fn check_control(name: &str, model: &ModelInfo) -> Result<(), Refusal> {
    let names = model.controls.iter().map(|control| control.name.as_str());
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        names if name.is_empty() || names.contains(&name) => Ok(()),
        [] => Err(Refusal::NoControl),
        names => Err(Refusal::UnknownControl(names.join(", "))),
    }
}

/// Checks the name of an IP-Adapter; none, which is empty, is always there.
fn check_ip_adapter(name: &str, model: &ModelInfo) -> Result<(), Refusal> {
    let names = model
        .ip_adapters
        .iter()
        .map(|adapter| adapter.name.as_str());
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        names if name.is_empty() || names.contains(&name) => Ok(()),
        [] => Err(Refusal::NoIpAdapter),
        names => Err(Refusal::UnknownIpAdapter(names.join(", "))),
    }
}

/// Checks a number of steps against the model's most.
///
/// # Errors
/// Outside 1 … `max_steps`.
pub(super) fn check_steps(steps: u32, model: &ModelInfo) -> Result<(), Refusal> {
    match (1..=model.max_steps).contains(&steps) {
        true => Ok(()),
        false => Err(Refusal::Steps(model.max_steps)),
    }
}

/// What has to change so that settings are ones that a model can have, whatever is undone: what it
/// cannot becomes `defaults`, which are its own, and what only an undone change has stays as it is.
pub(super) fn settings_to_fit(
    log: &SettingsLog,
    settings: &Settings,
    model: &ModelInfo,
    defaults: &Settings,
) -> SettingsPatch {
    let base = log.base();
    let steps = log.patches().filter_map(|patch| patch.steps);
    let samplers = log.patches().filter_map(|patch| patch.sampler.as_ref());
    let controls = log.patches().filter_map(|patch| patch.control.as_ref());
    let spacings = log.patches().filter_map(|patch| patch.timestep_spacing);
    let sigmas = log.patches().filter_map(|patch| patch.sigmas);
    let has_steps = |steps: u32| check_steps(steps, model).is_ok();
    let has_sampler = |name: &String| model.samplers.contains(name);
    let has_control = |name: &String| check_control(name, model).is_ok();
    let ip_adapters = log.patches().filter_map(|patch| patch.ip_adapter.as_ref());
    let has_ip_adapter = |name: &String| check_ip_adapter(name, model).is_ok();
    let fit_steps = match has_steps(settings.steps) {
        true => settings.steps,
        false => defaults.steps,
    };
    let fit_sampler = match has_sampler(&settings.sampler) {
        true => &settings.sampler,
        false => &defaults.sampler,
    };
    let fit_control = match has_control(&settings.control) {
        true => &settings.control,
        false => &defaults.control,
    };
    let fit_spacing = match has_spacing(model, settings.timestep_spacing) {
        true => settings.timestep_spacing,
        false => defaults.timestep_spacing,
    };
    let fit_sigmas = match has_sigmas(model, settings.sigmas) {
        true => settings.sigmas,
        false => defaults.sigmas,
    };
    let fit_ip_adapter = match has_ip_adapter(&settings.ip_adapter) {
        true => &settings.ip_adapter,
        false => &defaults.ip_adapter,
    };
    let all_ip_adapters = ip_adapters.chain([&base.ip_adapter]).all(has_ip_adapter);
    let all_steps = steps.chain([base.steps]).all(has_steps);
    let all_samplers = samplers.chain([&base.sampler]).all(has_sampler);
    let all_controls = controls.chain([&base.control]).all(has_control);
    let mut spacings = spacings.chain([base.timestep_spacing]);
    let mut sigmas = sigmas.chain([base.sigmas]);
    let all_spacings = spacings.all(|spacing| has_spacing(model, spacing));
    let all_sigmas = sigmas.all(|sigmas| has_sigmas(model, sigmas));
    SettingsPatch {
        control: (!all_controls).then(|| fit_control.clone()),
        ip_adapter: (!all_ip_adapters).then(|| fit_ip_adapter.clone()),
        steps: (!all_steps).then_some(fit_steps),
        sampler: (!all_samplers).then(|| fit_sampler.clone()),
        timestep_spacing: (!all_spacings).then_some(fit_spacing),
        sigmas: (!all_sigmas).then_some(fit_sigmas),
        ..SettingsPatch::default()
    }
}

/// The settings that what the model paints depends on, the others at fixed values.
pub(super) fn picture_settings(settings: &Settings) -> Settings {
    Settings {
        spread: 0,
        live: false,
        ..settings.clone()
    }
}

/// Steps of the render that refines a picture: twice as many, at least four, as the model allows.
pub(in crate::room) fn refine_steps(steps: u32, max_steps: u32) -> u32 {
    steps.saturating_mul(2).max(4).min(max_steps).max(steps)
}

/// The seed of an epoch: each apply moves the room on to new noise, and its undo moves it back.
/// Epoch 0 is the seed itself; the others are mixed in with splitmix64's finaliser.
pub(in crate::room) fn seed_in_epoch(seed: u64, epoch: u64) -> u64 {
    if epoch == 0 {
        return seed;
    }
    let mut mixed = seed ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
