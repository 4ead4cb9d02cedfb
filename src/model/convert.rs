//! A checkpoint in a single file, written as the folder that diffusers would have of it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::{Map, Value, json};

use super::clip_vocabulary::{BEGIN, ClipVocabulary, END};
use super::weights::StoredTensor;
use super::{
    ClipTextConfig, Component, ConfigFile, DEFAULTS_FILE, ModelError, ModelFolder, PARTS, PartKind,
    Supplied, TOKENIZER_FILES, Weights,
};

/// Writes the folder `out`, which must not be there yet, or be empty. Weights keep their number
/// format. `on_bytes` hears how many bytes of how many are written.
///
/// The folder appears whole: what is under way lies in a folder beside it, which goes when
/// something fails.
///
/// # Errors
/// `NoFolder` when the source is a folder already, or `out` is not empty; `Unwritable` when the disk
/// fails; and what is wrong with the source.
pub fn convert(
    source: &Path,
    supplied: &Supplied,
    out: &Path,
    on_bytes: &mut dyn FnMut(u64, u64),
) -> Result<(), ModelError> {
    let folder = ModelFolder::open_with(source, supplied)?;
    if !folder.is_single_file() {
        return Err(ModelError::NoFolder {
            path: source.to_owned(),
            what: "a diffusers folder already".to_owned(),
            way_out: "use it as it is".to_owned(),
        });
    }
    let is_taken = match fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => out.exists(),
    };
    if is_taken {
        return Err(ModelError::NoFolder {
            path: out.to_owned(),
            what: "there already".to_owned(),
            way_out: "name a folder that is not, or empty it".to_owned(),
        });
    }
    let parent = match out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(|source| unwritable(parent, source))?;
    let under_way = tempfile::Builder::new()
        .prefix(".converting-")
        .tempdir_in(parent)
        .map_err(|source| unwritable(parent, source))?;
    Writer::new(&folder, under_way.path(), on_bytes)?.run()?;
    if out.is_dir() {
        fs::remove_dir(out).map_err(|source| unwritable(out, source))?;
    }
    fs::rename(under_way.path(), out).map_err(|source| unwritable(out, source))?;
    // What the name was taken from is no more there to be removed.
    let _ = under_way.keep();
    open_to_all(out);
    Ok(())
}

/// Folders for what is under way are their maker's alone; this one is a folder like any other.
fn open_to_all(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Where that fails the folder can still be read by whoever made it.
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
    }
    #[cfg(not(unix))]
    let _ = folder;
}

struct Writer<'a> {
    folder: &'a ModelFolder,
    out: &'a Path,
    on_bytes: &'a mut dyn FnMut(u64, u64),
    networks: Vec<(Component, Weights)>,
    autoencoder: String,
    written: u64,
    total: u64,
}

impl<'a> Writer<'a> {
    fn new(
        folder: &'a ModelFolder,
        out: &'a Path,
        on_bytes: &'a mut dyn FnMut(u64, u64),
    ) -> Result<Self, ModelError> {
        let mut networks = Vec::new();
        let (vae, autoencoder) = folder.autoencoder()?;
        for part in folder.parts()? {
            if part.kind == PartKind::Network {
                let component = match part.name {
                    "vae" => vae.clone(),
                    name => folder.component(name)?,
                };
                let weights = component.weights(&Device::Cpu, DType::F32)?;
                networks.push((component, weights));
            }
        }
        let tensors = networks.iter().flat_map(|(_, weights)| weights.stored());
        let total = tensors.map(|tensor| tensor.bytes() as u64).sum();
        Ok(Self {
            folder,
            out,
            on_bytes,
            networks,
            autoencoder,
            written: 0,
            total,
        })
    }

    fn run(mut self) -> Result<(), ModelError> {
        let index = self.folder.index_with(&self.autoencoder);
        write_json(&self.out.join("model_index.json"), &index)?;
        for part in PARTS {
            if !self.folder.classes().contains_key(part.name) {
                continue;
            }
            let place = self.out.join(part.name);
            fs::create_dir_all(&place).map_err(|source| unwritable(&place, source))?;
            match part.kind {
                PartKind::Scheduler => {
                    let (config, _) = self.folder.scheduler()?;
                    let settings = Value::Object(config.fields().clone());
                    write_json(&place.join("scheduler_config.json"), &settings)?;
                }
                PartKind::Tokenizer => self.tokenizer(part.name, &place)?,
                PartKind::Network => {}
            }
        }
        for (component, weights) in std::mem::take(&mut self.networks) {
            self.network(&component, &weights)?;
        }
        let own = self.folder.file(DEFAULTS_FILE);
        if own.is_file() {
            let place = self.out.join(DEFAULTS_FILE);
            fs::copy(&own, &place).map_err(|source| unwritable(&place, source))?;
        }
        Ok(())
    }

    fn network(&mut self, component: &Component, weights: &Weights) -> Result<(), ModelError> {
        let place = self.out.join(component.name());
        let config = component.config()?;
        let fields = Value::Object(config.fields().clone());
        write_json(&place.join("config.json"), &fields)?;
        let name = match config.fields().contains_key("_class_name") {
            true => "diffusion_pytorch_model.safetensors",
            false => "model.safetensors",
        };
        let path = place.join(name);
        // The order in which safetensors itself writes: wide formats first, then by name.
        let mut tensors: Vec<StoredTensor> = weights.stored().collect();
        tensors.sort_by(|one, other| {
            let by_format = other.info.dtype.cmp(&one.info.dtype);
            by_format.then_with(|| one.name.cmp(other.name))
        });
        let io = |source| unwritable(&path, source);
        let mut file = BufWriter::new(File::create(&path).map_err(io)?);
        let header = header(&tensors).map_err(io)?;
        file.write_all(&(header.len() as u64).to_le_bytes())
            .and_then(|()| file.write_all(&header))
            .map_err(io)?;
        for tensor in tensors {
            let bytes = tensor.file.read_stored(tensor.stored)?;
            file.write_all(&bytes).map_err(io)?;
            self.written += bytes.len() as u64;
            (self.on_bytes)(self.written, self.total);
        }
        file.flush().map_err(io)
    }

    fn tokenizer(&self, name: &str, place: &Path) -> Result<(), ModelError> {
        let encoder = self
            .folder
            .component(&name.replace("tokenizer", "text_encoder"))?;
        let positions = ClipTextConfig::read(&encoder.config()?)?.max_position_embeddings;
        // It has to be one, and to fit.
        let tokenizer = self.folder.tokenizer(name, positions)?;
        let first_word = self.folder.pads_with_first_word(name);
        let padding = first_word.then(|| tokenizer.word(0)).flatten();
        match self.folder.supplied_tokenizer() {
            Some(given) => copy_tokenizer(&given, place, padding),
            None => clip_tokenizer(place, positions, padding),
        }
    }
}

fn header(tensors: &[StoredTensor]) -> std::io::Result<Vec<u8>> {
    let mut start = 0;
    let infos = tensors.iter().map(|tensor| {
        let end = start + tensor.bytes();
        let info = TensorInfo {
            dtype: tensor.info.dtype,
            shape: tensor.stored.shape.clone(),
            data_offsets: (start, end),
        };
        start = end;
        (tensor.name.to_owned(), info)
    });
    let infos = infos.collect();
    let notes = [("format".to_owned(), "pt".to_owned())].into();
    let metadata = Metadata::new(Some(notes), infos).map_err(std::io::Error::other)?;
    let mut header = serde_json::to_vec(&metadata)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// The files of CLIP's own vocabulary.
fn clip_tokenizer(
    place: &Path,
    positions: usize,
    padding: Option<String>,
) -> Result<(), ModelError> {
    let clip = ClipVocabulary::unpack().map_err(|source| unwritable(place, source))?;
    write(&place.join("vocab.json"), clip.vocab_json().as_bytes())?;
    write(&place.join("merges.txt"), clip.text.as_bytes())?;
    let special = json!({
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": padding.unwrap_or_else(|| END.to_owned()),
        "unk_token": END,
    });
    write_json(&place.join("special_tokens_map.json"), &special)?;
    let mut config = special;
    for (field, value) in [
        ("tokenizer_class", json!("CLIPTokenizer")),
        ("model_max_length", json!(positions)),
        ("add_prefix_space", json!(false)),
        ("do_lower_case", json!(true)),
        ("errors", json!("replace")),
    ] {
        config[field] = value;
    }
    write_json(&place.join("tokenizer_config.json"), &config)
}

/// The files of a tokenizer that was given, with another padding where that is called for.
fn copy_tokenizer(from: &Path, to: &Path, padding: Option<String>) -> Result<(), ModelError> {
    for name in TOKENIZER_FILES {
        let (source, place) = (from.join(name), to.join(name));
        if source.is_file() {
            fs::copy(&source, &place).map_err(|error| unwritable(&place, error))?;
        }
    }
    let Some(padding) = padding else {
        return Ok(());
    };
    for name in ["tokenizer_config.json", "special_tokens_map.json"] {
        let place = to.join(name);
        let mut fields = match place.is_file() {
            true => ConfigFile::read(&place)?.fields().clone(),
            false if name == "tokenizer_config.json" => Map::new(),
            false => continue,
        };
        fields.insert("pad_token".to_owned(), Value::String(padding.clone()));
        write_json(&place, &Value::Object(fields))?;
    }
    Ok(())
}

fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    write(path, format!("{value:#}\n").as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    fs::write(path, bytes).map_err(|source| unwritable(path, source))
}

fn unwritable(path: &Path, source: std::io::Error) -> ModelError {
    ModelError::Unwritable {
        path: PathBuf::from(path),
        source,
    }
}
