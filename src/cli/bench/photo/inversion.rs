//! How the inversion of a photo comes along.

use std::time::{Duration, Instant};

use crate::cli::Failure;
use crate::cli::bench::client::Heard;
use crate::cli::bench::painting::Listener;
use crate::protocol::{CanvasSize, Rect, RenderNews, RenderState, RenderWork, ServerMessage};

/// Waits until all of a photo is inverted, and until the way back is made too.
#[derive(Debug)]
pub struct InversionWatch {
    area: u64,
    begun: Instant,
    news: usize,
    progress: usize,
    steps: u32,
    inverted: Vec<Rect>,
    inverted_after: Option<Duration>,
    done_area: u64,
    done_after: Option<Duration>,
    psnr_db: Option<f64>,
}

impl InversionWatch {
    /// Of a photo as large as the canvas, that is placed now.
    pub fn new(canvas: CanvasSize, now: Instant) -> Self {
        Self {
            area: u64::from(canvas.width) * u64::from(canvas.height),
            begun: now,
            news: 0,
            progress: 0,
            steps: 0,
            inverted: Vec::new(),
            inverted_after: None,
            done_area: 0,
            done_after: None,
            psnr_db: None,
        }
    }

    /// How much has been told.
    pub fn news(&self) -> usize {
        self.news
    }

    /// How often a step was told.
    pub fn progress(&self) -> usize {
        self.progress
    }

    /// Steps of the inversion.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// From the placing until all of the photo can be edited; none before that.
    pub fn inverted_after(&self) -> Option<Duration> {
        self.inverted_after
    }

    /// From the placing until the way back is made too; none before that.
    pub fn done_after(&self) -> Option<Duration> {
        self.done_after
    }

    /// Of the reconstruction, over all that has come back.
    pub fn psnr_db(&self) -> Option<f64> {
        self.psnr_db
    }

    fn inverted(&mut self, tile: Rect, now: Instant) {
        if self.inverted.contains(&tile) {
            return;
        }
        self.inverted.push(tile);
        if self.inverted.iter().map(Rect::area).sum::<u64>() >= self.area {
            self.inverted_after = Some(now.saturating_duration_since(self.begun));
        }
    }

    fn hear_news(&mut self, news: &RenderNews, now: Instant) -> Result<(), Failure> {
        self.news += 1;
        self.steps = news.steps;
        match news.state {
            RenderState::Started => {}
            RenderState::Progress => {
                self.progress += 1;
                if news.step >= Some(news.steps) {
                    self.inverted(news.rect, now);
                }
            }
            RenderState::Done => {
                self.inverted(news.rect, now);
                self.psnr_db = news.psnr_db.or(self.psnr_db);
                self.done_area += news.rect.area();
                if self.done_area >= self.area {
                    self.done_after = Some(now.saturating_duration_since(self.begun));
                }
            }
            RenderState::Superseded => {
                return Err(Failure::broken("somebody stopped the inversion"));
            }
            RenderState::Failed => {
                let message = news
                    .message
                    .as_deref()
                    .unwrap_or("the server does not say why");
                return Err(Failure::broken(format!("the inversion failed: {message}")));
            }
        }
        Ok(())
    }
}

impl Listener for InversionWatch {
    fn hear(&mut self, heard: &Heard, now: Instant) -> Result<(), Failure> {
        match heard {
            Heard::Message(ServerMessage::Render(news))
                if news.work == Some(RenderWork::Invert) =>
            {
                self.hear_news(news, now)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(state: RenderState, rect: Rect, step: Option<u32>, psnr_db: Option<f64>) -> Heard {
        Heard::Message(ServerMessage::Render(RenderNews {
            state,
            work: Some(RenderWork::Invert),
            client: None,
            rev: 1,
            rect,
            step,
            steps: 3,
            psnr_db,
            timings_ms: None,
            message: None,
            held_back: false,
        }))
    }

    #[test]
    fn a_photo_is_inverted_with_the_last_step_of_its_last_tile() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let canvas = CanvasSize {
            width: 128,
            height: 64,
        };
        let (left, right) = (Rect::new(0, 0, 64, 64), Rect::new(64, 0, 64, 64));
        let mut watch = InversionWatch::new(canvas, start);
        let mut hear = |heard, milliseconds| {
            watch.hear(&heard, at(milliseconds)).unwrap();
            (watch.inverted_after(), watch.done_after(), watch.psnr_db())
        };
        hear(news(RenderState::Started, left, None, None), 5);
        hear(news(RenderState::Progress, left, Some(2), None), 10);
        hear(news(RenderState::Progress, left, Some(3), None), 20);
        hear(news(RenderState::Done, left, Some(3), Some(30.0)), 25);
        hear(news(RenderState::Progress, right, Some(1), None), 30);
        let last = hear(news(RenderState::Progress, right, Some(3), None), 40);
        assert_eq!(last, (Some(Duration::from_millis(40)), None, Some(30.0)));
        let done = hear(news(RenderState::Done, right, Some(3), Some(31.5)), 50);
        let (inverted, back) = (Duration::from_millis(40), Duration::from_millis(50));
        assert_eq!(done, (Some(inverted), Some(back), Some(31.5)));
        assert_eq!((watch.progress(), watch.news(), watch.steps()), (4, 7, 3));
    }

    #[test]
    fn a_last_step_that_was_left_out_comes_with_the_end() {
        let start = Instant::now();
        let canvas = CanvasSize {
            width: 64,
            height: 64,
        };
        let mut watch = InversionWatch::new(canvas, start);
        let done = news(RenderState::Done, Rect::new(0, 0, 64, 64), Some(3), None);
        watch.hear(&done, start).unwrap();
        assert!(watch.inverted_after().is_some());
        let failed = news(RenderState::Failed, Rect::new(0, 0, 64, 64), None, None);
        assert!(watch.hear(&failed, start).is_err());
    }
}
