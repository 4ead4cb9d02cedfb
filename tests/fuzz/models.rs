//! Files of models that people download.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use impasto::model::fuzzing::lora_module;
use impasto::model::{Lora, LoraChoice, SafetensorsFile, Supplied, inspect_with};
use impasto::sampler::{SchedulerConfig, StepTableRequest, sampler_by_name};
use safetensors::tensor::Metadata;

/// The most bytes of tensors that are put behind a header.
const DATA_MOST: usize = 1 << 20;
/// Steps that are asked of a scheduler.
const STEPS: u32 = 4;

thread_local! {
    /// Made once for all runs: to make and remove it costs more than what is tested.
    static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap();
}

/// A file as it is.
pub fn safetensors_file(bytes: &[u8]) {
    safetensors_file_of(bytes, bytes.len());
}

/// A file that begins with `bytes`, with zeros after them.
fn safetensors_file_of(bytes: &[u8], length: usize) {
    let path = FOLDER.with(|folder| folder.path().join("model.safetensors"));
    let mut file = File::create(&path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_len(length as u64).unwrap();
    drop(file);
    // What a server does with a file that is said to be a model, or a LoRA: it is refused or read.
    drop(inspect_with(&path, &Supplied::default()));
    drop(Lora::open(&LoraChoice::new(path.clone(), 1.0)));
    let Ok(file) = SafetensorsFile::open(&path) else {
        return;
    };
    for name in file.names() {
        let (start, end) = file.info(&name).unwrap().data_offsets;
        assert!(start <= end && end < length);
        assert_eq!(file.read_bytes(&name).unwrap().len(), end - start);
    }
}

/// A header, with as much behind it as it says.
pub fn safetensors_header(header: &[u8]) {
    let said = serde_json::from_slice::<Metadata>(header).map_or(0, |header| header.data_len());
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    let length = bytes.len() + said.min(DATA_MOST);
    safetensors_file_of(&bytes, length);
}

/// A tensor's name: what is found in it is found again under the plainest name for it.
pub fn lora_key(bytes: &[u8]) {
    let Ok(key) = std::str::from_utf8(bytes) else {
        return;
    };
    let Some((_, module)) = lora_module(key) else {
        return;
    };
    assert!(module.len() <= key.len());
    // Parts that mean something in a name would be taken out once more.
    if !module.contains(".processor.") && !module.contains(".lora_") {
        let plain = format!("unet.{module}.lora_A.weight");
        let found = lora_module(&plain).map(|(_, found)| found);
        assert_eq!(found, Some(module), "{plain}");
    }
}

/// A scheduler's settings: what is read makes as many steps as are asked for, or says why not.
pub fn scheduler_config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(config) = SchedulerConfig::from_json(text) else {
        return;
    };
    let (class, prediction) = (config.class(), config.prediction_type());
    let own = config.default_sampler().ok();
    let config = config.for_pipeline("StableDiffusionPipeline");
    assert_eq!(
        (config.class(), config.prediction_type()),
        (class, prediction)
    );
    for name in own.into_iter().chain(["ddim", "dpm-solver++", "lcm"]) {
        let sampler = sampler_by_name(name).unwrap();
        if let Ok(table) = sampler.step_table(&config, &StepTableRequest::new(STEPS)) {
            // PNDM takes one more to begin with.
            assert!(
                (1..=STEPS as usize + 1).contains(&table.steps.len()),
                "{name}"
            );
        }
    }
}

/// Whole small files: a LoRA of each naming.
pub fn whole_files() -> Vec<Vec<u8>> {
    let names = ["ink", "sdxl-new", "sdxl-old"];
    let loras = names.map(|name| fixtures().join(format!("loras/{name}.safetensors")));
    loras.map(|path| std::fs::read(path).unwrap()).into()
}

/// The headers of checkpoints of every line.
pub fn headers() -> Vec<Vec<u8>> {
    let lines = ["sd15", "sd21", "sdxl"];
    let files =
        lines.map(|line| fixtures().join(format!("single-files/{line}/{line}.safetensors")));
    files.map(|path| header_of(&path)).into()
}

fn header_of(path: &Path) -> Vec<u8> {
    let file = std::fs::read(path).unwrap();
    let (length, rest) = file.split_first_chunk::<8>().unwrap();
    rest[..u64::from_le_bytes(*length) as usize].to_vec()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures")
}
