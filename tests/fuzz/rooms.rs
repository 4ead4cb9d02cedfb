//! What lies on the disk of a server.

use impasto::protocol::{EditMethod, Finish, Settings};
use impasto::room::fuzzing::{packed, record_survives, snapshot_of_a_room, snapshot_survives};

/// A record that is read is the same once it was written again.
pub fn record(bytes: &[u8]) {
    assert_ne!(record_survives(bytes), Some(false));
}

/// So is a snapshot, both as it lies there and with these bytes inside its compression.
pub fn snapshot(bytes: &[u8]) {
    assert_ne!(snapshot_survives(bytes), Some(false));
    assert_ne!(snapshot_survives(&packed(bytes).unwrap()), Some(false));
}

/// What the snapshot of a small room holds.
pub fn snapshots() -> Vec<Vec<u8>> {
    let settings = Settings {
        prompt: "a boat".to_owned(),
        negative_prompt: String::new(),
        guidance_scale: 1.5,
        guidance_rescale: None,
        image_guidance_scale: None,
        steps: 2,
        strength: 0.7,
        seed: 7,
        variation: 0.1,
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
    };
    let content = snapshot_of_a_room(settings).unwrap();
    assert_eq!(
        snapshot_survives(&packed(&content).unwrap()),
        Some(true),
        "the seed itself is read"
    );
    vec![content]
}
