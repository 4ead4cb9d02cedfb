//! Encoding of frames: off the actor, bounded, and once for all members who want the same.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};

use super::views::FramePlan;
use crate::{
    canvas::{Pixels, encode_image},
    protocol::{FrameFormat, FrameHeader, encode_frame},
};

/// Quality of lossy frames, 1 … 100.
const JPEG_QUALITY: u8 = 90;

/// Encodes frames for all rooms of a process, a bounded number at once.
#[derive(Clone, Debug)]
pub(super) struct FrameEncoder {
    at_once: Arc<Semaphore>,
}

impl FrameEncoder {
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once.max(1))),
        }
    }

    async fn encode(&self, pixels: Arc<Pixels>, format: FrameFormat) -> Option<Bytes> {
        let permit = self.at_once.clone().acquire_owned().await.ok()?;
        let encoded = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let encoded = encode_image(&pixels, format, JPEG_QUALITY);
            metrics::histogram!("impasto_stage_seconds", "stage" => "codec")
                .record(begun.elapsed());
            drop(permit);
            encoded
        });
        match encoded.await {
            Ok(Ok(image)) => Some(image.into()),
            Ok(Err(error)) => {
                tracing::error!(%error, "a frame could not be encoded");
                None
            }
            Err(error) => {
                tracing::error!(%error, "the encoding of a frame broke off");
                None
            }
        }
    }
}

/// The pixels of a frame and, once somebody has asked, their encoded form.
#[derive(Debug)]
pub(super) struct SharedImage {
    plan: FramePlan,
    pixels: Arc<Pixels>,
    encoded: OnceCell<Option<Bytes>>,
}

impl SharedImage {
    pub(super) fn new(plan: FramePlan, pixels: Pixels) -> Self {
        Self {
            plan,
            pixels: Arc::new(pixels),
            encoded: OnceCell::new(),
        }
    }

    /// True when a plan wants the same bytes.
    pub(super) fn serves(&self, plan: &FramePlan) -> bool {
        let key = |plan: &FramePlan| (plan.layer, plan.rect, plan.format, plan.version);
        key(&self.plan) == key(plan)
    }

    /// The encoded image; the first caller's work is shared.
    pub(super) async fn encoded(&self, encoder: &FrameEncoder) -> Option<Bytes> {
        self.encoded
            .get_or_init(|| encoder.encode(self.pixels.clone(), self.plan.format))
            .await
            .clone()
    }
}

/// A frame that a member is to get.
#[derive(Clone, Debug)]
pub(super) struct MemberFrame {
    pub(super) plan: FramePlan,
    pub(super) image: Arc<SharedImage>,
}

impl MemberFrame {
    /// The binary frame; none when it could not be encoded, which is logged.
    pub(super) async fn into_bytes(self, encoder: &FrameEncoder) -> Option<Bytes> {
        let image = self.image.encoded(encoder).await?;
        let header = FrameHeader {
            rev: self.plan.rev,
            rect: self.plan.rect,
            step: self.plan.step,
            steps: self.plan.steps,
            is_final: self.plan.is_final,
            format: self.plan.format,
            layer: self.plan.layer,
        };
        match encode_frame(&header, &image) {
            Ok(frame) => Some(frame),
            Err(error) => {
                tracing::error!(%error, "a frame header could not be written");
                None
            }
        }
    }
}
