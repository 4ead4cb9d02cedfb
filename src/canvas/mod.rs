//! Pixels without a model: strokes, masks, layers, windows, image codecs.
