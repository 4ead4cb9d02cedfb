//! One safetensors file, its header read at once and its tensors one by one, so that a file
//! larger than memory can still be looked into.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Metadata, TensorInfo};

use super::ModelError;
use super::stored::{Change, Stored, transposed};

/// The format's own limit on the header, in bytes.
const LARGEST_HEADER: u64 = 100_000_000;

/// Whether a file begins as Git LFS's stand-ins do (`version https://git-lfs…`).
pub(super) fn is_lfs_pointer(beginning: &[u8]) -> bool {
    beginning.starts_with(b"version ")
}

/// An open safetensors file.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    file: Mutex<File>,
    header: Metadata,
    data_start: u64,
}

impl SafetensorsFile {
    /// Opens a file and checks its header against its length.
    ///
    /// # Errors
    /// `Missing` or `Unreadable` when it cannot be opened; `Damaged` when the header cannot be
    /// parsed or the file ends before the last tensor does (that tensor is named).
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let unreadable = |source| ModelError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let damaged = |reason: String| ModelError::Damaged {
            path: path.to_owned(),
            reason,
        };
        let mut file = File::open(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ModelError::Missing {
                path: path.to_owned(),
                hint: "copy the weights there, as safetensors".to_owned(),
            },
            _ => unreadable(source),
        })?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length < 8 {
            return Err(damaged(format!(
                "it has {length} bytes, too few for a header"
            )));
        }
        let mut header_length = [0u8; 8];
        file.read_exact(&mut header_length).map_err(unreadable)?;
        if is_lfs_pointer(&header_length) {
            return Err(ModelError::LfsPointer {
                path: path.to_owned(),
            });
        }
        let header_length = u64::from_le_bytes(header_length);
        if header_length > LARGEST_HEADER || header_length > length - 8 {
            return Err(damaged(format!(
                "its header claims {header_length} bytes, but {} are left",
                length - 8
            )));
        }
        let mut header = vec![0u8; header_length as usize];
        file.read_exact(&mut header).map_err(unreadable)?;
        let header: Metadata = serde_json::from_slice(&header)
            .map_err(|error| damaged(format!("its header cannot be parsed: {error}")))?;
        let data_start = 8 + header_length;
        let available = length - data_start;
        if available < header.data_len() as u64 {
            let mut cut: Vec<_> = header
                .tensors()
                .into_iter()
                .filter(|(_, info)| info.data_offsets.1 as u64 > available)
                .map(|(name, info)| (info.data_offsets.0, name))
                .collect();
            cut.sort();
            let first = cut
                .into_iter()
                .next()
                .map(|(_, name)| name)
                .unwrap_or_default();
            return Err(damaged(format!(
                "it ends within tensor `{first}`: {} of {} bytes of data are there",
                available,
                header.data_len()
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
            header,
            data_start,
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all tensors, in no particular order.
    pub fn names(&self) -> Vec<String> {
        self.header.tensors().into_keys().collect()
    }

    /// Shape, number format and place of a tensor; none when it is not in this file.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.header.info(name)
    }

    /// An entry of the header's free text, `__metadata__`.
    pub fn note(&self, key: &str) -> Option<&str> {
        self.header
            .metadata()
            .as_ref()?
            .get(key)
            .map(String::as_str)
    }

    /// The bytes of a tensor, little-endian, in its own number format.
    ///
    /// # Errors
    /// `MissingTensor` or `Unreadable`.
    pub fn read_bytes(&self, name: &str) -> Result<Vec<u8>, ModelError> {
        let info = self.info(name).ok_or_else(|| self.missing(name))?;
        self.read_range(info.data_offsets)
    }

    /// The bytes of a tensor as the one that is asked for.
    ///
    /// # Errors
    /// `MissingTensor` or `Unreadable`.
    pub(super) fn read_stored(&self, stored: &Stored) -> Result<Vec<u8>, ModelError> {
        let info = self
            .info(&stored.name)
            .ok_or_else(|| self.missing(&stored.name))?;
        let (start, end) = info.data_offsets;
        match (stored.change, stored.shape.as_slice()) {
            (Change::Third(third), _) => {
                let length = (end - start) / 3;
                let start = start + third * length;
                self.read_range((start, start + length))
            }
            (Change::Transposed, [columns, rows]) => {
                Ok(transposed(&self.read_range((start, end))?, *rows, *columns))
            }
            _ => self.read_range((start, end)),
        }
    }

    fn read_range(&self, (start, end): (usize, usize)) -> Result<Vec<u8>, ModelError> {
        let mut data = vec![0u8; end - start];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.data_start + start as u64))
            .and_then(|_| file.read_exact(&mut data))
            .map_err(|source| ModelError::Unreadable {
                path: self.path.clone(),
                source,
            })?;
        Ok(data)
    }

    fn missing(&self, name: &str) -> ModelError {
        ModelError::MissingTensor {
            path: self.path.clone(),
            tensor: name.to_owned(),
        }
    }

    /// The number format of a tensor, which must be one that networks are made of.
    ///
    /// # Errors
    /// `MissingTensor`, or `WrongDType` for formats that are not numbers here.
    pub(super) fn number_format(&self, name: &str) -> Result<DType, ModelError> {
        let info = self.info(name).ok_or_else(|| self.missing(name))?;
        DType::try_from(info.dtype)
            .ok()
            .filter(|dtype| matches!(dtype, DType::F32 | DType::F16 | DType::BF16 | DType::F64))
            .ok_or_else(|| ModelError::WrongDType {
                path: self.path.clone(),
                tensor: name.to_owned(),
                found: format!("{:?}", info.dtype),
            })
    }

    /// Reads a tensor to the CPU, in the number format that it is stored in.
    ///
    /// # Errors
    /// `MissingTensor`, `Unreadable`, or `WrongDType` for formats that are not numbers here.
    pub fn read(&self, name: &str) -> Result<Tensor, ModelError> {
        let info = self.info(name).ok_or_else(|| self.missing(name))?;
        self.tensor(&Stored::plain(name, &info.shape))
    }

    /// Reads a tensor as the one that is asked for, as [`SafetensorsFile::read`] does.
    ///
    /// # Errors
    /// Those of [`SafetensorsFile::read`].
    pub(super) fn tensor(&self, stored: &Stored) -> Result<Tensor, ModelError> {
        let dtype = self.number_format(&stored.name)?;
        let data = self.read_stored(stored)?;
        Tensor::from_raw_buffer(&data, dtype, &stored.shape, &Device::Cpu).map_err(|source| {
            ModelError::Prepare {
                path: self.path.clone(),
                tensor: stored.name.clone(),
                source: Box::new(source),
            }
        })
    }
}
