//! Encoding of frames: off the actor, bounded, and once for all members who want the same. The
//! encoder says itself how long it took, and how long the ops waited that a frame is the first to
//! show.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::Instant,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, Shared};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::view::FramePlan;
use crate::{
    canvas::{Pixels, encode_image},
    protocol::{FrameFormat, FrameHeader, encode_frame},
};

/// Quality of lossy frames, 1 … 100.
const JPEG_QUALITY: u8 = 90;

/// The most pixels of a picture that is encoded where it is asked for: it takes some tenths of a
/// millisecond, and to hand it to another thread and back takes as long on a busy machine.
const SMALL: u32 = 96 * 96;

/// A picture that is being encoded, for all who wait for it; none when that fails, which is logged.
type Encoding = Shared<BoxFuture<'static, Option<Bytes>>>;

/// Encodes frames for all rooms of a process, a bounded number at once.
#[derive(Clone, Debug)]
pub(in crate::room) struct FrameEncoder {
    at_once: Arc<Semaphore>,
}

impl FrameEncoder {
    pub(in crate::room) fn new(at_once: usize) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once.max(1))),
        }
    }

    /// Begins to encode a picture, in a task of its own: a connection that writes to a slow client
    /// polls nothing else meanwhile, and would hold its place and whoever wants the same picture.
    fn begin(&self, pixels: Arc<Pixels>, format: FrameFormat) -> Encoding {
        let encoded =
            AbortOnDropHandle::new(tokio::spawn(encode(self.at_once.clone(), pixels, format)));
        let encoded = async {
            encoded.await.unwrap_or_else(|error| {
                tracing::error!(%error, "the encoding of a frame broke off");
                None
            })
        };
        encoded.boxed().shared()
    }
}

/// Encodes when one of the places is free; small pictures at once.
async fn encode(
    at_once: Arc<Semaphore>,
    pixels: Arc<Pixels>,
    format: FrameFormat,
) -> Option<Bytes> {
    if pixels.width() * pixels.height() <= SMALL {
        return encode_now(&pixels, format);
    }
    let permit = at_once.acquire_owned().await.ok()?;
    let encoded = tokio::task::spawn_blocking(move || {
        let encoded = encode_now(&pixels, format);
        drop(permit);
        encoded
    });
    encoded.await.unwrap_or_else(|error| {
        tracing::error!(%error, "the encoding of a frame broke off");
        None
    })
}

fn encode_now(pixels: &Pixels, format: FrameFormat) -> Option<Bytes> {
    let begun = Instant::now();
    let encoded = encode_image(pixels, format, JPEG_QUALITY);
    metrics::histogram!("impasto_stage_seconds", "stage" => "codec").record(begun.elapsed());
    match encoded {
        Ok(image) => Some(image.into()),
        Err(error) => {
            tracing::error!(%error, "a frame could not be encoded");
            None
        }
    }
}

/// The pixels of a frame and, once somebody has asked, their encoded form.
#[derive(Debug)]
struct SharedImage {
    plan: FramePlan,
    pixels: Arc<Pixels>,
    encoded: OnceLock<Encoding>,
}

impl SharedImage {
    fn new(plan: FramePlan, pixels: Pixels) -> Self {
        Self {
            plan,
            pixels: Arc::new(pixels),
            encoded: OnceLock::new(),
        }
    }

    /// True when a plan wants the same bytes.
    fn serves(&self, plan: &FramePlan) -> bool {
        let key = |plan: &FramePlan| (plan.layer, plan.rect, plan.format, plan.version);
        key(&self.plan) == key(plan)
    }

    /// The encoded image; the first caller's work is shared.
    async fn encoded(&self, encoder: &FrameEncoder) -> Option<Bytes> {
        let encoding = self
            .encoded
            .get_or_init(|| encoder.begin(self.pixels.clone(), self.plan.format));
        encoding.clone().await
    }
}

/// Encoded images that are kept for members who want the same.
const IMAGES_KEPT: usize = 32;

/// The images that were cut last, the oldest first.
#[derive(Debug, Default)]
pub(in crate::room) struct SharedImages(VecDeque<Arc<SharedImage>>);

impl SharedImages {
    /// The image of a plan: one that is kept, or a new one of what `pixels` cuts out.
    pub(in crate::room) fn frame(
        &mut self,
        plan: FramePlan,
        pixels: impl FnOnce() -> Pixels,
    ) -> MemberFrame {
        let known = self.0.iter().find(|image| image.serves(&plan)).cloned();
        let image = known.unwrap_or_else(|| {
            let image = Arc::new(SharedImage::new(plan, pixels()));
            if self.0.len() == IMAGES_KEPT {
                self.0.pop_front();
            }
            self.0.push_back(image.clone());
            image
        });
        MemberFrame { plan, image }
    }
}

/// A frame that a member is to get.
#[derive(Clone, Debug)]
pub(in crate::room) struct MemberFrame {
    plan: FramePlan,
    image: Arc<SharedImage>,
}

impl MemberFrame {
    /// The binary frame; none when it could not be encoded, which is logged.
    pub(in crate::room) async fn into_bytes(self, encoder: &FrameEncoder) -> Option<Bytes> {
        let image = self.image.encoded(encoder).await?;
        if let Some(arrived) = self.plan.arrived {
            let now = tokio::time::Instant::now().into_std();
            metrics::histogram!("impasto_stroke_to_pixel_seconds")
                .record(now.saturating_duration_since(arrived));
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::protocol::{Layer, Rect};

    /// Larger than what is encoded at once.
    const SIDE: u32 = 128;

    fn image(shade: u8) -> Arc<SharedImage> {
        let plan = FramePlan {
            layer: Layer::Result,
            rect: Rect::new(0, 0, SIDE, SIDE),
            rev: 1,
            step: 1,
            steps: 1,
            is_final: true,
            format: FrameFormat::Png,
            version: 1,
            arrived: None,
        };
        Arc::new(SharedImage::new(plan, Pixels::new(SIDE, SIDE, [shade; 3])))
    }

    /// One place, and a connection that asks for a frame and then polls nothing any more.
    #[tokio::test]
    async fn who_does_not_read_holds_no_place_and_no_picture() {
        let encoder = FrameEncoder::new(1);
        let place = encoder.at_once.clone().acquire_owned().await.unwrap();
        let first = image(1);
        let mut stuck = Box::pin(first.encoded(&encoder));
        assert!((&mut stuck).now_or_never().is_none());
        drop(place);
        let soon = |image: Arc<SharedImage>| {
            let encoder = encoder.clone();
            async move { timeout(Duration::from_secs(60), image.encoded(&encoder)).await }
        };
        assert!(soon(image(2)).await.unwrap().is_some());
        let same = soon(first.clone()).await.unwrap();
        assert!(same.is_some());
        assert_eq!(stuck.await, same);
    }
}
