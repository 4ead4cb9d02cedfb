//! News of renders, in order, each after its frames are encoded: so that `done` can say how long
//! the codec took, and members find their frames ready.

use std::time::Instant;

use tokio::sync::mpsc;

use super::{
    frames::{FrameEncoder, MemberFrame},
    mail::Mail,
};
use crate::protocol::{RenderNews, ServerMessage};

/// The most pieces of news that wait.
pub(super) const LANE_MOST: usize = 256;

/// News, and the frames to encode before it is told.
#[derive(Debug)]
pub(super) struct LaneItem {
    pub(super) news: RenderNews,
    pub(super) frames: Vec<MemberFrame>,
    pub(super) arrived: Option<Instant>,
}

/// Runs until the actor drops its end.
pub(super) async fn run_lane(
    mut items: mpsc::Receiver<LaneItem>,
    mailbox: mpsc::Sender<Mail>,
    encoder: FrameEncoder,
) {
    while let Some(mut item) = items.recv().await {
        let begun = Instant::now();
        for frame in &item.frames {
            frame.image.encoded(&encoder).await;
        }
        if let Some(timings) = &mut item.news.timings_ms {
            let codec = begun.elapsed().as_secs_f64() * 1000.0;
            timings.insert("codec".to_owned(), codec);
            if let Some(total) = timings.get_mut("total") {
                *total += codec;
            }
        }
        if let Some(arrived) = item.arrived {
            let now = tokio::time::Instant::now().into_std();
            metrics::histogram!("impasto_stroke_to_pixel_seconds")
                .record(now.saturating_duration_since(arrived));
        }
        if mailbox
            .send(Mail::Tell(ServerMessage::Render(item.news)))
            .await
            .is_err()
        {
            return;
        }
    }
}
