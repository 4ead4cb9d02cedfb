//! Which files of a repository painting needs (pure).

use std::collections::BTreeSet;

use super::HubError;
use super::client::Repository;
use crate::model::{
    DEFAULTS_FILE, ModelFolder, PartKind, SafetyChecker, T5Tokenizer, TOKENIZER_FILES,
    WEIGHT_STEMS, index_names,
};

/// The file that says what a diffusers repository is.
pub(super) const INDEX: &str = "model_index.json";

/// The same weights in another number format, as diffusers' `variant` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Half the size of float32.
    Fp16,
    /// Half the size of float32, with its range.
    Bf16,
    /// Float32 where the files without a variant are smaller.
    Fp32,
}

impl Variant {
    /// As in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Fp32 => "fp32",
        }
    }
}

/// Refuses a repository with a file that would lie outside its folder.
pub(super) fn check_names(repository: &Repository) -> Result<(), HubError> {
    let mut files = repository.files.iter();
    match files.find(|file| leads_outside(&file.name)) {
        None => Ok(()),
        Some(file) => Err(HubError::UnsafeName {
            id: repository.id.to_string(),
            name: file.name.clone(),
        }),
    }
}

/// Whether a file's name may lead out of the folder that it is joined to.
pub(super) fn leads_outside(name: &str) -> bool {
    name.contains(['\\', '\0', ':']) || name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

/// The names of the files that this pipeline needs, and those of its safety checker where that is
/// asked for. Of each network's weights one variant: the one that was asked for where it is there,
/// else the one without a name, else any.
pub(super) fn plan(
    repository: &Repository,
    pipeline: &ModelFolder,
    variant: Option<Variant>,
    safety_checker: bool,
) -> Result<Vec<String>, HubError> {
    let names: BTreeSet<&str> = repository
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    let unsupported = |source| HubError::Unsupported {
        id: repository.id.to_string(),
        source: Box::new(source),
    };
    let needed = |file: String| {
        if names.contains(file.as_str()) {
            return Ok(file);
        }
        Err(repository.lacks(&file))
    };
    let network = |folder: &str| -> Result<(Option<Variant>, Vec<String>), HubError> {
        let config = needed(format!("{folder}/config.json"))?;
        let (found, files) =
            weights(&names, folder, variant).ok_or_else(|| HubError::NoWeights {
                id: repository.id.to_string(),
                revision: repository.revision.to_string(),
                component: folder.to_owned(),
            })?;
        Ok((found, std::iter::once(config).chain(files).collect()))
    };
    let mut planned = vec![INDEX.to_owned()];
    planned.extend(names.get(DEFAULTS_FILE).map(|name| (*name).to_owned()));
    let mut variant_found = false;
    for part in pipeline.parts().map_err(unsupported)? {
        let folder = part.name;
        match part.kind {
            PartKind::Scheduler => planned.push(needed(format!("{folder}/scheduler_config.json"))?),
            PartKind::Tokenizer => {
                let there = |file: &str| names.contains(format!("{folder}/{file}").as_str());
                let class = pipeline.classes().get(folder);
                let is_t5 =
                    class.is_some_and(|class| T5Tokenizer::CLASSES.contains(&class.as_str()));
                if !there("tokenizer.json") && is_t5 {
                    needed(format!("{folder}/tokenizer.json"))?;
                } else if !there("tokenizer.json") {
                    needed(format!("{folder}/vocab.json"))?;
                    needed(format!("{folder}/merges.txt"))?;
                }
                let files = TOKENIZER_FILES.into_iter().filter(|file| there(file));
                planned.extend(files.map(|file| format!("{folder}/{file}")));
            }
            PartKind::Network => {
                let (found, files) = network(folder)?;
                variant_found |= found == variant;
                planned.extend(files);
            }
        }
    }
    if safety_checker {
        let (_, files) = network(SafetyChecker::FOLDER)?;
        planned.extend(files);
        let processor = SafetyChecker::IMAGE_PROCESSOR_FOLDER;
        planned.push(needed(format!("{processor}/preprocessor_config.json"))?);
    }
    match variant {
        Some(variant) if !variant_found => Err(HubError::NoVariant {
            id: repository.id.to_string(),
            variant: variant.name().to_owned(),
        }),
        _ => Ok(planned),
    }
}

/// A network's weights: one file, or an index and its shards.
fn weights(
    names: &BTreeSet<&str>,
    folder: &str,
    wanted: Option<Variant>,
) -> Option<(Option<Variant>, Vec<String>)> {
    let others = [
        None,
        Some(Variant::Fp32),
        Some(Variant::Bf16),
        Some(Variant::Fp16),
    ];
    let there = |file: &String| names.contains(file.as_str());
    for variant in std::iter::once(wanted).chain(others) {
        let suffix = variant.map_or(String::new(), |variant| format!(".{}", variant.name()));
        for stem in WEIGHT_STEMS {
            let single = format!("{folder}/{stem}{suffix}.safetensors");
            if there(&single) {
                return Some((variant, vec![single]));
            }
            let stem = format!("{folder}/{stem}");
            if let Some(index) = index_names(&stem, &suffix).into_iter().find(there) {
                let shards = names
                    .iter()
                    .filter(|name| is_shard(name, &stem, &suffix))
                    .map(|name| (*name).to_owned());
                return Some((variant, std::iter::once(index).chain(shards).collect()));
            }
        }
    }
    None
}

/// Whether a name is `stem.fp16-00001-of-00002.safetensors` or, as older versions of diffusers
/// wrote it, `stem-00001-of-00002.fp16.safetensors`.
fn is_shard(name: &str, stem: &str, suffix: &str) -> bool {
    let Some(middle) = name
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_suffix(".safetensors"))
    else {
        return false;
    };
    let numbers = middle
        .strip_prefix(suffix)
        .or_else(|| middle.strip_suffix(suffix))
        .unwrap_or_default();
    let digits = |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    numbers
        .strip_prefix('-')
        .and_then(|numbers| numbers.split_once("-of-"))
        .is_some_and(|(number, count)| digits(number) && digits(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(files: &[&str], wanted: Option<Variant>) -> Option<Vec<String>> {
        let names = files.iter().copied().collect();
        weights(&names, "unet", wanted).map(|(_, files)| files)
    }

    #[test]
    fn one_variant_is_taken_and_not_both() {
        let plain = "unet/diffusion_pytorch_model.safetensors";
        let half = "unet/diffusion_pytorch_model.fp16.safetensors";
        let ema = "unet/diffusion_pytorch_model.non_ema.safetensors";
        let all = [plain, half, ema, "unet/diffusion_pytorch_model.bin"];
        assert_eq!(chosen(&all, None).unwrap(), [plain]);
        assert_eq!(chosen(&all, Some(Variant::Fp16)).unwrap(), [half]);
        assert_eq!(chosen(&all, Some(Variant::Bf16)).unwrap(), [plain]);
        assert_eq!(chosen(&[half, ema], None).unwrap(), [half]);
        assert_eq!(chosen(&[ema], None), None);
    }

    #[test]
    fn shards_come_with_their_index_and_no_others() {
        let files = [
            "text_encoder/model.safetensors.index.json",
            "text_encoder/model-00001-of-00002.safetensors",
            "text_encoder/model-00002-of-00002.safetensors",
            "text_encoder/model.safetensors.index.fp16.json",
            "text_encoder/model.fp16-00001-of-00001.safetensors",
            "text_encoder/model-00001-of-00001.fp16.safetensors",
            "text_encoder/model-x-of-y.safetensors",
        ];
        let names: BTreeSet<&str> = files.into_iter().collect();
        let (_, plain) = weights(&names, "text_encoder", None).unwrap();
        assert_eq!(plain, files[..3]);
        let (_, mut half) = weights(&names, "text_encoder", Some(Variant::Fp16)).unwrap();
        half.sort();
        let mut expected = files[3..6].to_vec();
        expected.sort_unstable();
        assert_eq!(half, expected);
    }

    /// Older versions of diffusers put the variant elsewhere in the index's name.
    #[test]
    fn shards_of_older_versions_are_found() {
        let files = [
            "unet/diffusion_pytorch_model.safetensors.fp16.index.json",
            "unet/diffusion_pytorch_model-00001-of-00002.fp16.safetensors",
            "unet/diffusion_pytorch_model-00002-of-00002.fp16.safetensors",
        ];
        assert_eq!(chosen(&files, Some(Variant::Fp16)).unwrap(), files);
        assert_eq!(chosen(&files, None).unwrap(), files);
    }
}
