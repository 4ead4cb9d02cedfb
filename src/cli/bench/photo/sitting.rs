//! One photo in a room of its own: placed, inverted, edited and undone again and again.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::findings::{Findings, Moment};
use super::inversion::InversionWatch;
use super::masks::{MaskPlan, PlannedMask};
use super::untouched::{changed_pixels, compare};
use super::view::CanvasView;
use crate::canvas::{Mask, Pixels};
use crate::cli::Failure;
use crate::cli::bench::client::{BenchClient, Heard, make_room, upload};
use crate::cli::bench::painting::{ANSWER_WITHIN, Listener, listen, paint};
use crate::protocol::{
    CanvasSize, ClientMessage, FrameFormat, FrameHeader, Layer, MAX_GUIDANCE_SCALE, PlaceMode,
    Placement, RenderState, ServerMessage,
};

/// How long an inversion may tell nothing.
const NEWS_WITHIN: Duration = Duration::from_secs(120);

/// What all sittings have in common.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The server, `host:port`.
    pub authority: &'a str,
    /// The operator's token, where it is known.
    pub token: Option<&'a str>,
    /// Side of the canvas.
    pub side: u32,
    /// Edits of each photo.
    pub masks: usize,
    /// Sampling steps.
    pub steps: u32,
    /// Seed of the edits.
    pub seed: u32,
}

/// A photo on a canvas, and somebody who edits it.
struct Sitting<'a> {
    client: BenchClient,
    onlooker: Onlooker<'a>,
    photo: Pixels,
    file: String,
}

/// Watches what the server sends.
struct Onlooker<'a> {
    findings: &'a mut Findings,
    view: CanvasView,
    inversion: InversionWatch,
    guard: Option<Guard>,
    /// Ops that are not acknowledged yet.
    awaited: usize,
    last_seq: u64,
}

/// What no frame may change.
struct Guard {
    photo: Pixels,
    file: String,
    mask: Mask,
    number: usize,
}

/// Edits the photo of a file, which is the `number`th, and undoes it again, many times over.
///
/// # Errors
/// When the file cannot be read, or the server does not do its part.
pub async fn sit(
    site: &Site<'_>,
    (number, file): (usize, &Path),
    findings: &mut Findings,
    progress: &ProgressBar,
) -> Result<(), Failure> {
    let bytes = tokio::fs::read(file)
        .await
        .map_err(|cause| Failure::usage(format!("cannot read {} ({cause})", file.display())))?;
    let room = make_room(site.authority, site.token, site.side).await?;
    let (client, welcome) = BenchClient::join(site.authority, &room).await?;
    let image = upload(site.authority, &room, bytes)
        .await
        .map_err(|cause| Failure::broken(format!("{}: {cause}", file.display())))?;
    let plan = MaskPlan {
        canvas: welcome.canvas,
        steps: site.steps,
        spread: welcome.settings.spread,
        guidance_scale_max: match welcome.model.guidance_free {
            true => 1.0,
            false => MAX_GUIDANCE_SCALE,
        },
        seed: site.seed,
    };
    let onlooker = Onlooker::new(welcome.canvas, findings);
    let mut sitting = Sitting::begin(client, onlooker, file, image).await?;
    for mask in 0..site.masks {
        let planned = plan.mask(number * site.masks + mask);
        sitting
            .edit(mask, &planned.map_err(Failure::broken)?)
            .await?;
        progress.inc(1);
    }
    Ok(())
}

impl<'a> Sitting<'a> {
    /// Places the photo and waits until it is there and inverted, there and back.
    async fn begin(
        mut client: BenchClient,
        mut onlooker: Onlooker<'a>,
        file: &Path,
        image: String,
    ) -> Result<Self, Failure> {
        let words = file.file_stem().unwrap_or_default().to_string_lossy();
        let place = ClientMessage::Place(Placement {
            image,
            mode: PlaceMode::Invert,
            prompt: Some(words.replace(['-', '_'], " ")),
            ..Placement::default()
        });
        onlooker.awaited += 1;
        client.send(&place).await?;
        while onlooker.inversion.done_after().is_none() {
            let heard = onlooker.inversion.news();
            let until = Instant::now() + NEWS_WITHIN;
            let more = |onlooker: &Onlooker| onlooker.inversion.news() > heard;
            if !listen(&mut client, &mut onlooker, until, more).await? {
                return Err(Failure::broken(
                    "the photo is not inverted any further: photos of more than 16 windows are \
                     inverted only where they are brushed, so choose a smaller --canvas",
                ));
            }
        }
        onlooker.findings.inverted(&onlooker.inversion);
        let until = Instant::now() + ANSWER_WITHIN;
        let is_there =
            |o: &Onlooker| o.awaited == 0 && o.view.is_final() && o.view.includes(o.last_seq);
        if !listen(&mut client, &mut onlooker, until, is_there).await? {
            return Err(Failure::broken("the placed photo is not shown"));
        }
        Ok(Self {
            client,
            photo: onlooker.view.pixels().clone(),
            onlooker,
            file: file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        })
    }

    /// Edits the photo, looks at what has become of it, and undoes the edit.
    async fn edit(&mut self, number: usize, planned: &PlannedMask) -> Result<(), Failure> {
        self.onlooker.guard = Some(Guard {
            photo: self.photo.clone(),
            file: self.file.clone(),
            mask: planned.mask.clone(),
            number,
        });
        self.send(ClientMessage::Settings(planned.settings.clone()))
            .await?;
        for stroke in &planned.strokes {
            self.onlooker.awaited += stroke.chunks.len();
            let watch = paint(&mut self.client, &mut self.onlooker, stroke).await?;
            self.onlooker.findings.painted(planned.method, &watch);
        }
        let is_settled = |onlooker: &Onlooker| onlooker.awaited == 0 && onlooker.view.is_final();
        let is_settled = self.wait_until(is_settled).await?;
        self.look(number, planned, is_settled);

        for _ in &planned.strokes {
            self.send(ClientMessage::Undo {}).await?;
        }
        let photo = self.photo.clone();
        let is_back =
            |onlooker: &Onlooker| onlooker.awaited == 0 && *onlooker.view.pixels() == photo;
        // What is not back in time is found by the comparison.
        self.wait_until(is_back).await?;
        let everywhere = Mask::new(photo.width(), photo.height(), 0);
        self.compare(number, Moment::Undone, &everywhere);
        Ok(())
    }

    fn look(&mut self, number: usize, planned: &PlannedMask, is_settled: bool) {
        self.compare(number, Moment::Final, &planned.mask);
        let shown = self.onlooker.view.pixels();
        let changed = changed_pixels(&self.photo, shown, &planned.mask);
        let findings = &mut *self.onlooker.findings;
        findings.masks += 1;
        findings.masks_without_end += usize::from(!is_settled);
        findings.masks_without_change += usize::from(changed == 0);
        findings.changed_pixels += changed;
    }

    fn compare(&mut self, number: usize, moment: Moment, mask: &Mask) {
        let shown = self.onlooker.view.pixels();
        let compared = compare(&self.photo, shown, mask, &self.photo.bounds());
        self.onlooker
            .findings
            .compared(&self.file, number, moment, &compared);
    }

    async fn send(&mut self, message: ClientMessage) -> Result<(), Failure> {
        self.onlooker.awaited += 1;
        self.client.send(&message).await
    }

    async fn wait_until(
        &mut self,
        enough: impl Fn(&Onlooker<'a>) -> bool,
    ) -> Result<bool, Failure> {
        let until = Instant::now() + ANSWER_WITHIN;
        listen(&mut self.client, &mut self.onlooker, until, enough).await
    }
}

impl<'a> Onlooker<'a> {
    fn new(canvas: CanvasSize, findings: &'a mut Findings) -> Self {
        Self {
            findings,
            view: CanvasView::new(canvas),
            inversion: InversionWatch::new(canvas, Instant::now()),
            guard: None,
            awaited: 0,
            last_seq: 0,
        }
    }

    fn hear_message(&mut self, message: &ServerMessage) -> Result<(), Failure> {
        match message {
            ServerMessage::Ack { seq, .. } => {
                self.awaited = self.awaited.saturating_sub(1);
                self.last_seq = self.last_seq.max(*seq);
                Ok(())
            }
            ServerMessage::Error(refusal) => Err(Failure::broken(format!(
                "the server refuses: {}",
                refusal.message
            ))),
            ServerMessage::Render(news) if news.state == RenderState::Failed => {
                let message = news
                    .message
                    .as_deref()
                    .unwrap_or("the server does not say why");
                Err(Failure::broken(format!("a render failed: {message}")))
            }
            _ => Ok(()),
        }
    }

    fn look_at_frame(&mut self, header: &FrameHeader) {
        let is_lossless = header.format != FrameFormat::Jpeg;
        if let Some(guard) = &self.guard
            && header.layer == Layer::Result
            && is_lossless
        {
            let shown = self.view.pixels();
            let compared = compare(&guard.photo, shown, &guard.mask, &header.rect);
            self.findings
                .compared(&guard.file, guard.number, Moment::OnTheWay, &compared);
        }
    }
}

impl Listener for Onlooker<'_> {
    fn hear(&mut self, heard: &Heard, now: Instant) -> Result<(), Failure> {
        self.findings.tally.hear(heard, now)?;
        self.inversion.hear(heard, now)?;
        match heard {
            Heard::Message(message) => self.hear_message(message),
            Heard::Frame(header, image) => {
                self.view.show(header, image)?;
                self.look_at_frame(header);
                Ok(())
            }
        }
    }
}
