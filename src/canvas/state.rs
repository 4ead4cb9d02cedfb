//! A canvas as plain data, to be kept and made again.

use std::sync::Arc;

use super::entry::{Entry, EntryKind, Stroke};
use super::layer_tiles::{LayerTile, LayerTiles};
use super::layers::Floor;
use super::stack::LayerMap;
use super::stroke_state::{CanvasStateError, StrokeState};
use super::tile::{TILE, TILE_AREA, tile_rect};
use super::{Canvas, Mask, Pixels, StackLayer};
use crate::protocol::{CanvasSize, LOWEST_LAYER, MAX_CANVAS_SIDE, MAX_SPREAD, Rect};

/// More layers than a room and its history of layers can have.
const MOST_LAYERS: usize = 1024;

/// All that a [`Canvas`] cannot compute again: sketch, base and footprint are a replay of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CanvasState {
    /// The canvas, in pixels.
    pub size: CanvasSize,
    /// How far beyond the footprint the model may repaint, in pixels.
    pub dilation: u32,
    /// How the layers lie, the lowest first.
    pub stack: Vec<StackLayer>,
    /// What lies under everything that can be undone.
    pub floor: FloorState,
    /// What can be undone, the oldest first.
    pub entries: Vec<EntryState>,
    /// What the model made of the sketch.
    pub result: Pixels,
}

/// What is too old to be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct FloorState {
    /// The image that people painted on.
    pub base: Arc<Pixels>,
    /// Which placed image or applied result that is; none for white paper.
    pub base_id: Option<u64>,
    /// The image with the strokes that are too old.
    pub sketch: Arc<Pixels>,
    /// Where those strokes let the model repaint.
    pub footprint: Mask,
    /// What is painted on the layers above the lowest.
    pub layers: Vec<LayerState>,
}

/// What is painted on a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerState {
    /// Its id.
    pub id: u64,
    /// Its tiles, by column and row.
    pub tiles: Vec<LayerTileState>,
}

/// A tile of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTileState {
    /// Column and row.
    pub index: (u32, u32),
    /// [`super::TILE`]² pixels, straight RGBA.
    pub rgba: Vec<u8>,
    /// [`super::TILE`]² bytes that say where strokes let the model repaint.
    pub footprint: Vec<u8>,
}

/// Something that can be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryState {
    /// `seq` of its first op.
    pub id: u64,
    /// Whether it is in the picture.
    pub active: bool,
    /// What it is.
    pub kind: EntryStateKind,
}

/// A stroke or an image.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryStateKind {
    /// A stroke, a mask, or a part of one; or a picture that is laid on a layer.
    Stroke(StrokeState),
    /// A placed image or an applied result.
    Image {
        /// As large as the canvas.
        pixels: Arc<Pixels>,
        /// An applied result.
        is_apply: bool,
        /// The layers at that moment.
        stack: Vec<StackLayer>,
    },
}

impl Canvas {
    /// What the canvas is made of.
    pub fn state(&self) -> CanvasState {
        CanvasState {
            size: self.size(),
            dilation: self.dilation,
            stack: self.stack.clone(),
            floor: FloorState {
                base: self.floor.base.clone(),
                base_id: self.floor.base_id,
                sketch: self.floor.sketch.clone(),
                footprint: self.floor.footprint.clone(),
                layers: self.floor.layers.iter().map(LayerState::of).collect(),
            },
            entries: self.entries.iter().map(Entry::state).collect(),
            result: self.result.clone(),
        }
    }

    /// The canvas that had this state, to the byte.
    ///
    /// # Errors
    /// [`CanvasStateError`] when a picture or a tile has another size, or a number is one that no
    /// canvas or stroke has.
    pub fn from_state(state: CanvasState) -> Result<Self, CanvasStateError> {
        if !is_canvas_size(state.size) {
            return Err(CanvasStateError("no canvas has that size"));
        }
        let mut canvas = Canvas::new(state.size);
        let bounds = canvas.bounds;
        let fits = |pixels: &Pixels| pixels.bounds() == bounds;
        let FloorState {
            base,
            base_id,
            sketch,
            footprint,
            layers,
        } = state.floor;
        let is_mask_whole =
            footprint.width() == bounds.width && footprint.height() == bounds.height;
        if !fits(&state.result) || !fits(&base) || !fits(&sketch) || !is_mask_whole {
            return Err(CanvasStateError("a layer has another size"));
        }
        let is_lowest_first = state.stack.first().is_some_and(|it| it.id == LOWEST_LAYER);
        if !is_lowest_first || state.stack.len() > MOST_LAYERS {
            return Err(CanvasStateError("no canvas has such layers"));
        }
        canvas.dilation = state.dilation.min(MAX_SPREAD);
        canvas.stack = state.stack;
        let layers = layers.into_iter().map(|layer| layer.into_tiles(&bounds));
        canvas.floor = Floor {
            base,
            base_id,
            sketch,
            footprint,
            layers: layers.collect::<Result<LayerMap, _>>()?,
        };
        for entry in state.entries {
            canvas.entries.push_back(Entry::from_state(entry, &bounds)?);
        }
        canvas.base = match canvas.last_image().map(|index| &canvas.entries[index].kind) {
            Some(EntryKind::Image { pixels, .. }) => pixels.clone(),
            _ => canvas.floor.base.clone(),
        };
        canvas.result = state.result;
        canvas.mix_all_anew();
        canvas.replay(&bounds, canvas.entries.len());
        canvas.replay_layers(&bounds);
        canvas.flatten(&bounds);
        Ok(canvas)
    }

    /// Puts a part of an earlier result back, as [`Canvas::paste_result`] left it then. What lies
    /// outside the canvas falls away.
    pub fn restore_result(&mut self, x: u32, y: u32, part: &Pixels) {
        self.result.paste(part, x, y);
    }
}

impl LayerState {
    fn of((id, tiles): (&u64, &LayerTiles)) -> Self {
        let tiles = tiles.iter().map(|(index, tile)| LayerTileState {
            index,
            rgba: tile.rgba.to_vec(),
            footprint: tile.footprint.to_vec(),
        });
        Self {
            id: *id,
            tiles: tiles.collect(),
        }
    }

    fn into_tiles(self, canvas: &Rect) -> Result<(u64, LayerTiles), CanvasStateError> {
        let mut tiles = LayerTiles::default();
        for LayerTileState {
            index,
            rgba,
            footprint,
        } in self.tiles
        {
            let is_inside = index.0 < canvas.width && index.1 < canvas.height;
            let is_whole = rgba.len() == TILE_AREA * 4 && footprint.len() == TILE_AREA;
            if !is_whole || !is_inside || !canvas.contains(&tile_rect(index)) {
                return Err(CanvasStateError("a tile of a layer has another size"));
            }
            let (rgba, footprint) = (rgba.into_boxed_slice(), footprint.into_boxed_slice());
            tiles.put(index, Some(Arc::new(LayerTile { rgba, footprint })));
        }
        Ok((self.id, tiles))
    }
}

/// Whether both sides are multiples of a tile, and no longer than any canvas.
fn is_canvas_size(size: CanvasSize) -> bool {
    let fits = |side: u32| side.is_multiple_of(TILE) && (TILE..=MAX_CANVAS_SIDE).contains(&side);
    fits(size.width) && fits(size.height)
}

impl Entry {
    fn state(&self) -> EntryState {
        let kind = match &self.kind {
            EntryKind::Image {
                pixels,
                is_apply,
                stack,
            } => EntryStateKind::Image {
                pixels: pixels.clone(),
                is_apply: *is_apply,
                stack: stack.clone(),
            },
            EntryKind::Stroke(stroke) => EntryStateKind::Stroke(stroke.state()),
        };
        EntryState {
            id: self.id,
            active: self.active,
            kind,
        }
    }

    fn from_state(state: EntryState, canvas: &Rect) -> Result<Self, CanvasStateError> {
        let kind = match state.kind {
            EntryStateKind::Image { pixels, .. } if pixels.bounds() != *canvas => {
                return Err(CanvasStateError("a placed image has another size"));
            }
            EntryStateKind::Image {
                pixels,
                is_apply,
                stack,
            } => EntryKind::Image {
                pixels,
                is_apply,
                stack,
            },
            EntryStateKind::Stroke(stroke) => {
                EntryKind::Stroke(Box::new(Stroke::from_state(stroke, canvas)?))
            }
        };
        Ok(Self {
            id: state.id,
            active: state.active,
            kind,
        })
    }
}
