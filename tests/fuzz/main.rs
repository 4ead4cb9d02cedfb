//! Fuzz targets: what strangers, downloads and disks may hand to the program.
//!
//! In `cargo test` each is a bounded run, counted in executions: over its corpus
//! (`__fuzz__/NAME/corpus`), over random bytes, and over inputs near the corpus, which random bytes
//! hardly ever hit. `docs/security.md` says how to run one for hours under libFuzzer or AFL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod images;
mod models;
mod near;
mod rooms;
mod wire;

/// A target by its name, which is also that of its corpus: the target itself, and one near the
/// corpus and `seeds`.
macro_rules! target {
    ($name:ident, $near:ident, $property:path, $executions:expr, $seeds:expr) => {
        #[test]
        fn $name() {
            bolero::check!()
                .with_iterations($executions)
                .for_each(|bytes: &[u8]| $property(bytes));
        }

        #[test]
        fn $near() {
            let mut seeds = near::corpus(stringify!($name));
            seeds.extend($seeds);
            bolero::check!()
                .with_iterations($executions)
                .with_type::<near::Change>()
                .for_each(|change| $property(&near::changed(&seeds, change)));
        }
    };
}

/// No seeds but the corpus.
const NONE: [Vec<u8>; 0] = [];

target!(
    client_messages,
    near_client_messages,
    wire::client_message,
    2000,
    NONE
);
target!(frames, near_frames, wire::frame, 2000, NONE);
target!(
    pictures,
    near_pictures,
    images::picture,
    500,
    images::pictures()
);
target!(
    safetensors_files,
    near_safetensors_files,
    models::safetensors_file,
    200,
    models::whole_files()
);
target!(
    safetensors_headers,
    near_safetensors_headers,
    models::safetensors_header,
    100,
    models::headers()
);
target!(lora_keys, near_lora_keys, models::lora_key, 2000, NONE);
target!(
    scheduler_configs,
    near_scheduler_configs,
    models::scheduler_config,
    300,
    NONE
);
target!(
    journal_records,
    near_journal_records,
    rooms::record,
    1000,
    NONE
);
target!(
    snapshots,
    near_snapshots,
    rooms::snapshot,
    300,
    rooms::snapshots()
);
