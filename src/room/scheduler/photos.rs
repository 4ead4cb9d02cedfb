//! The inverted photos of a room: which of their patches are inverted, and which one is next.
//! Decisions only.

use crate::{
    canvas::{PhotoPatch, Pixels, pixel_rms, psnr, squared_distance},
    protocol::{CanvasSize, Rect},
};

/// Photos of no more patches than this are inverted whole as soon as they are placed; of larger ones
/// what the brush needs.
const EAGER_PATCHES: usize = 16;
/// Photos whose latents the engine keeps for a room: the one that is edited, and one to undo to.
const PHOTOS_KEPT: usize = 2;
/// What a photo's pictures show where nothing is inverted.
const GREY: [u8; 3] = [128; 3];

/// A patch of a photo.
#[derive(Clone, Debug)]
struct Patch {
    place: PhotoPatch,
    state: PatchState,
}

/// How far a patch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PatchState {
    /// Not inverted.
    Missing,
    /// Not inverted, and a window waits for it.
    Awaited,
    /// Windows over it can be edited.
    Inverted,
    /// The way back is made too, and in the pictures.
    Verified,
}

/// What can be seen of an inversion.
#[derive(Debug)]
struct Pictures {
    noise: Pixels,
    reconstruction: Pixels,
}

/// An inverted photo.
#[derive(Debug)]
pub(super) struct Photo {
    /// The id of the op that placed it.
    pub(super) id: u64,
    /// The source prompt.
    pub(super) prompt: String,
    patches: Vec<Patch>,
    /// Whether patches that no window waits for are inverted too.
    is_eager: bool,
    pictures: Option<Pictures>,
    /// Squared differences of the reconstruction from the photo, as fractions of the full range, and
    /// how many values they are of.
    squares: f64,
    values: f64,
}

/// The photos of a room.
#[derive(Debug, Default)]
pub(super) struct Photos {
    /// The one that was edited last at the end.
    photos: Vec<Photo>,
    focus: Option<(f32, f32)>,
}

impl Photo {
    fn new(id: u64, prompt: String, patches: Vec<PhotoPatch>) -> Self {
        let is_eager = patches.len() <= EAGER_PATCHES;
        let patches = patches.into_iter().map(|place| Patch {
            place,
            state: PatchState::Missing,
        });
        Self {
            id,
            prompt,
            patches: patches.collect(),
            is_eager,
            pictures: None,
            squares: 0.0,
            values: 0.0,
        }
    }

    /// True when every latent of a window is inverted.
    pub(super) fn covers(&self, window: &Rect) -> bool {
        let mut under = self.patches.iter().filter(|patch| patch.lies_under(window));
        under.all(Patch::is_inverted)
    }

    /// A window waits for its patches.
    pub(super) fn await_window(&mut self, window: &Rect) {
        for patch in self
            .patches
            .iter_mut()
            .filter(|patch| patch.lies_under(window))
        {
            patch.state = patch.state.max(PatchState::Awaited);
        }
    }

    /// Nothing is inverted until a window waits for it.
    pub(super) fn stop(&mut self) {
        self.is_eager = false;
        for patch in self.patches.iter_mut().filter(|patch| !patch.is_inverted()) {
            patch.state = PatchState::Missing;
        }
    }

    /// Of the patches that windows wait for the one nearest to `focus`.
    pub(super) fn awaited_patch(&self, focus: (f32, f32)) -> Option<PhotoPatch> {
        self.nearest_missing(focus, |patch| patch.state == PatchState::Awaited)
    }

    /// Of all patches, where the photo is small, the one nearest to `focus`.
    pub(super) fn patch_ahead(&self, focus: (f32, f32)) -> Option<PhotoPatch> {
        self.nearest_missing(focus, |_| self.is_eager)
    }

    fn nearest_missing(
        &self,
        focus: (f32, f32),
        counts: impl Fn(&Patch) -> bool,
    ) -> Option<PhotoPatch> {
        let missing = self.patches.iter().filter(|patch| !patch.is_inverted());
        let distance = |patch: &&Patch| squared_distance(&patch.place.core, focus);
        missing
            .filter(|patch| counts(patch))
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .map(|patch| patch.place)
    }

    /// Windows over a patch can be edited now.
    pub(super) fn inverted(&mut self, core: &Rect) {
        for patch in self.patches.iter_mut().filter(|t| t.place.core == *core) {
            patch.state = patch.state.max(PatchState::Inverted);
        }
    }

    /// Nothing of the photo is inverted any more.
    fn lose(&mut self) {
        for patch in self.patches.iter_mut().filter(|patch| patch.is_inverted()) {
            patch.state = PatchState::Missing;
        }
        (self.pictures, self.squares, self.values) = (None, 0.0, 0.0);
    }

    /// Takes in what an inversion shows of a patch's core.
    pub(super) fn show(
        &mut self,
        core: &Rect,
        canvas: CanvasSize,
        photo: &Pixels,
        [noise, reconstruction]: [&Pixels; 2],
    ) {
        let pictures = self.pictures.get_or_insert_with(|| {
            let grey = Pixels::new(canvas.width, canvas.height, GREY);
            Pictures {
                noise: grey.clone(),
                reconstruction: grey,
            }
        });
        pictures.noise.paste(noise, core.x, core.y);
        pictures
            .reconstruction
            .paste(reconstruction, core.x, core.y);
        let values = photo.data().len() as f64;
        if let Some(rms) = pixel_rms(photo.data(), reconstruction.data()) {
            self.squares += rms * rms * values;
            self.values += values;
        }
        for patch in self.patches.iter_mut().filter(|t| t.place.core == *core) {
            patch.state = PatchState::Verified;
        }
    }

    /// The cores of the patches that are in the pictures.
    pub(super) fn shown(&self) -> impl Iterator<Item = Rect> {
        let shown = self
            .patches
            .iter()
            .filter(|patch| patch.state == PatchState::Verified);
        shown.map(|patch| patch.place.core)
    }

    /// The PSNR of all that has come back so far, in decibels; none before anything has.
    pub(super) fn psnr_db(&self) -> Option<f64> {
        (self.values > 0.0).then(|| psnr((self.squares / self.values).sqrt()))
    }

    /// The noise, as the decoder shows it; none before anything is inverted.
    pub(super) fn noise(&self) -> Option<&Pixels> {
        self.pictures.as_ref().map(|pictures| &pictures.noise)
    }

    /// What DDIM makes of the noise again; none before anything is inverted.
    pub(super) fn reconstruction(&self) -> Option<&Pixels> {
        self.pictures
            .as_ref()
            .map(|pictures| &pictures.reconstruction)
    }
}

impl Patch {
    fn is_inverted(&self) -> bool {
        self.state >= PatchState::Inverted
    }

    fn lies_under(&self, window: &Rect) -> bool {
        !self.place.core.intersect(window).is_empty()
    }
}

impl Photos {
    /// A photo was placed.
    pub(super) fn push(&mut self, id: u64, prompt: String, patches: Vec<PhotoPatch>, most: usize) {
        self.photos.push(Photo::new(id, prompt, patches));
        if self.photos.len() > most {
            self.photos.remove(0);
        }
    }

    /// A photo.
    pub(super) fn get(&self, id: u64) -> Option<&Photo> {
        self.photos.iter().find(|photo| photo.id == id)
    }

    /// A photo, to be changed.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Photo> {
        self.photos.iter_mut().find(|photo| photo.id == id)
    }

    /// This photo is the one that is edited now. Answers those whose latents are too many: what is
    /// inverted of them is lost.
    pub(super) fn edit(&mut self, id: u64) -> Vec<u64> {
        let Some(place) = self.photos.iter().position(|photo| photo.id == id) else {
            return Vec::new();
        };
        let photo = self.photos.remove(place);
        self.photos.push(photo);
        let too_many = self.photos.len().saturating_sub(PHOTOS_KEPT);
        let old = self.photos.iter_mut().take(too_many);
        let held = old.filter(|photo| photo.patches.iter().any(Patch::is_inverted));
        held.map(|photo| {
            photo.lose();
            photo.id
        })
        .collect()
    }

    /// Patchs near this canvas point come first.
    pub(super) fn look_at(&mut self, x: f32, y: f32) {
        self.focus = Some((x, y));
    }

    /// Where the brush was last; the middle before it was anywhere.
    pub(super) fn focus(&self, size: CanvasSize) -> (f32, f32) {
        self.focus
            .unwrap_or((size.width as f32 / 2.0, size.height as f32 / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::{WindowRules, photo_patches};

    const SIZE: CanvasSize = CanvasSize {
        width: 192,
        height: 64,
    };

    fn patches(width: u32) -> Vec<PhotoPatch> {
        let rules = WindowRules {
            zoom: 1,
            grid: 16,
            context: 16,
            minimum: 64,
            maximum: 64,
        };
        photo_patches(&Rect::new(0, 0, width, SIZE.height), &rules)
    }

    fn photo(width: u32) -> Photo {
        Photo::new(1, String::new(), patches(width))
    }

    fn next_patch(photo: &Photo, focus: (f32, f32)) -> Option<PhotoPatch> {
        photo
            .awaited_patch(focus)
            .or_else(|| photo.patch_ahead(focus))
    }

    fn invert_next(photo: &mut Photo, focus: (f32, f32)) -> Option<Rect> {
        let core = next_patch(photo, focus)?.core;
        photo.inverted(&core);
        Some(core)
    }

    #[test]
    fn a_small_photo_is_inverted_whole_from_the_brush_outwards() {
        let mut photo = photo(SIZE.width);
        let first = invert_next(&mut photo, (100.0, 30.0)).unwrap();
        assert!(first.x <= 100 && 100 < first.right());
        let mut last = 0.0;
        while let Some(core) = invert_next(&mut photo, (100.0, 30.0)) {
            let distance = squared_distance(&core, (100.0, 30.0));
            assert!(distance >= last, "{core:?} came too late");
            last = distance;
        }
        assert!(photo.covers(&Rect::new(0, 0, SIZE.width, SIZE.height)));
    }

    #[test]
    fn what_a_window_waits_for_comes_first() {
        let mut photo = photo(SIZE.width);
        let window = Rect::new(150, 0, 42, 64);
        photo.await_window(&window);
        while !photo.covers(&window) {
            let core = invert_next(&mut photo, (0.0, 0.0)).unwrap();
            assert!(!core.intersect(&window).is_empty());
        }
        let next = next_patch(&photo, (0.0, 0.0)).unwrap();
        assert_eq!(next.core.x, 0, "then the rest");
    }

    #[test]
    fn a_large_photo_and_one_that_was_stopped_wait_for_windows() {
        let mut large = photo(1024);
        assert!(large.patches.len() > EAGER_PATCHES);
        assert!(next_patch(&large, (0.0, 0.0)).is_none());
        large.await_window(&Rect::new(500, 0, 64, 64));
        assert!(next_patch(&large, (0.0, 0.0)).is_some());
        let mut small = photo(SIZE.width);
        small.await_window(&Rect::new(0, 0, 64, 64));
        small.stop();
        assert!(next_patch(&small, (0.0, 0.0)).is_none());
        small.await_window(&Rect::new(0, 0, 8, 8));
        assert_eq!(invert_next(&mut small, (190.0, 0.0)).unwrap().x, 0);
        assert!(next_patch(&small, (0.0, 0.0)).is_none());
    }

    #[test]
    fn the_psnr_is_over_all_that_has_come_back() {
        let mut photo = photo(SIZE.width);
        assert_eq!(photo.psnr_db(), None);
        let shown = |photo: &mut Photo, x: u32, width: u32, off: u8| {
            let core = Rect::new(x, 0, width, 64);
            let there = Pixels::new(width, 64, [100; 3]);
            let back = Pixels::new(width, 64, [100 + off; 3]);
            let noise = Pixels::new(width, 64, [7; 3]);
            photo.show(&core, SIZE, &there, [&noise, &back]);
            photo.psnr_db().unwrap()
        };
        assert_eq!(shown(&mut photo, 0, 48, 0), 99.0);
        // Half of the pixels are off by 10 of 255.
        let expected = -10.0 * ((10.0f64 / 255.0).powi(2) / 2.0).log10();
        let found = shown(&mut photo, 48, 48, 10);
        assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        let (noise, back) = (photo.noise().unwrap(), photo.reconstruction().unwrap());
        assert_eq!(noise.pixel(95, 63), [7; 3]);
        assert_eq!(back.pixel(95, 63), [110; 3]);
        assert_eq!(back.pixel(96, 0), GREY);
    }

    #[test]
    fn a_room_keeps_the_photos_that_were_edited_last() {
        let mut photos = Photos::default();
        let window = Rect::new(0, 0, 8, 8);
        for id in 1..=3 {
            photos.push(id, String::new(), patches(SIZE.width), 3);
            let lost = photos.edit(id);
            assert_eq!(lost, if id == 3 { vec![1] } else { vec![] });
            let photo = photos.get_mut(id).unwrap();
            invert_next(photo, (0.0, 0.0));
            assert!(photo.covers(&window));
        }
        assert!(!photos.get(1).unwrap().covers(&window));
        assert_eq!(photos.edit(1), [2], "undone to");
        photos.push(4, String::new(), patches(SIZE.width), 3);
        assert!(photos.get(2).is_none(), "too old to be undone to");
    }
}
