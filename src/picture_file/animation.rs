//! Pictures one after another as an animated PNG, written as they come.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Notes;
use super::encode::{PNG_XMP, encode_error};
use crate::canvas::{CodecError, Pixels};
use crate::protocol::{CanvasSize, Rect};

/// The media type of an animated PNG.
pub const ANIMATION_TYPE: &str = "image/apng";

/// Writes an animated PNG (PNG, third edition, section 4.9) that plays for ever. Each frame holds
/// what it changes of the one before it, and its bytes can be sent before the next one is made.
pub struct Animation {
    writer: png::Writer<Written>,
    written: Written,
    size: CanvasSize,
    /// What the newest frame shows.
    shown: Option<Pixels>,
}

impl Animation {
    /// Begins a file of `frames` pictures of `size`. Of the notes it says where the pixels come from.
    ///
    /// # Errors
    /// [`CodecError::Encode`] without frames or pixels.
    pub fn new(size: CanvasSize, frames: u32, notes: &Notes) -> Result<Self, CodecError> {
        let written = Written::default();
        let mut encoder = png::Encoder::new(written.clone(), size.width, size.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        encoder.set_filter(png::Filter::Adaptive);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        encoder.validate_sequence(true);
        let begun = encoder
            .set_animated(frames, 0)
            .and_then(|()| encoder.add_itxt_chunk(PNG_XMP.to_owned(), notes.xmp()))
            .and_then(|()| encoder.write_header());
        Ok(Self {
            writer: begun.map_err(encode_error)?,
            written,
            size,
            shown: None,
        })
    }

    /// Adds a picture that is shown for `delay`, of a millisecond's precision and a minute at most.
    /// Answers the file's bytes up to here that were not answered before.
    ///
    /// # Errors
    /// [`CodecError::Encode`] for a picture of another size, or one more than there should be.
    pub fn add(&mut self, picture: &Pixels, delay: Duration) -> Result<Vec<u8>, CodecError> {
        if (picture.width(), picture.height()) != (self.size.width, self.size.height) {
            let message = "a frame of an animation has another size than the first";
            return Err(CodecError::Encode(message.to_owned()));
        }
        let changed = match &self.shown {
            Some(shown) => changed_bounds(shown, picture),
            None => Rect::new(0, 0, self.size.width, self.size.height),
        };
        self.write(picture, &changed, delay).map_err(encode_error)?;
        self.shown = Some(picture.clone());
        Ok(self.written.take())
    }

    fn write(
        &mut self,
        picture: &Pixels,
        changed: &Rect,
        delay: Duration,
    ) -> Result<(), png::EncodingError> {
        let milliseconds = u16::try_from(delay.as_millis()).unwrap_or(u16::MAX);
        let writer = &mut self.writer;
        writer.set_frame_delay(milliseconds, 1000)?;
        // Place and size are checked together: the old ones must not be in each other's way.
        writer.set_frame_position(0, 0)?;
        writer.set_frame_dimension(changed.width, changed.height)?;
        writer.set_frame_position(changed.x, changed.y)?;
        writer.write_image_data(picture.crop(changed).data())
    }

    /// Ends the file and answers its last bytes.
    ///
    /// # Errors
    /// [`CodecError::Encode`] with fewer frames than there should be.
    pub fn finish(self) -> Result<Vec<u8>, CodecError> {
        self.writer.finish().map_err(encode_error)?;
        Ok(self.written.take())
    }
}

/// The smallest rectangle with all that differs; one pixel where nothing does, since no frame may be
/// empty. Both pictures have one size.
fn changed_bounds(before: &Pixels, after: &Pixels) -> Rect {
    let (width, height) = (after.width(), after.height());
    let mut bounds = Rect::default();
    for y in 0..height {
        let (old, new) = (before.span(0, y, width), after.span(0, y, width));
        if old == new {
            continue;
        }
        let differs = |(old, new): (&[u8], &[u8])| old != new;
        let pairs = || old.chunks_exact(3).zip(new.chunks_exact(3));
        let first = pairs().position(differs).unwrap_or(0) as u32;
        let last = pairs().rposition(differs).unwrap_or(0) as u32;
        bounds = bounds.union(&Rect::new(first, y, last + 1 - first, 1));
    }
    match bounds.is_empty() {
        true => Rect::new(0, 0, 1, 1),
        false => bounds,
    }
}

/// Bytes that wait to be taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture_file::Origin;

    const NOTES: Notes = Notes {
        dpi: None,
        origin: Origin::Generated,
        parameters: None,
    };

    fn size(width: u32, height: u32) -> CanvasSize {
        CanvasSize { width, height }
    }

    /// What a reader shows of each frame, and for how many milliseconds.
    fn frames(file: &[u8]) -> Vec<(Pixels, u32)> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let (width, height) = (reader.info().width, reader.info().height);
        let count = reader.info().animation_control().unwrap().num_frames;
        let mut canvas = Pixels::new(width, height, [0; 3]);
        let mut shown = Vec::new();
        for _ in 0..count {
            let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut bytes).unwrap();
            let frame = *reader.info().frame_control().unwrap();
            bytes.truncate(frame.width as usize * frame.height as usize * 3);
            let part = Pixels::from_raw(frame.width, frame.height, bytes).unwrap();
            canvas.paste(&part, frame.x_offset, frame.y_offset);
            let delay = u32::from(frame.delay_num) * 1000 / u32::from(frame.delay_den);
            shown.push((canvas.clone(), delay));
        }
        shown
    }

    #[test]
    fn each_frame_is_what_it_was_and_is_sent_as_it_comes() {
        let mut pictures = vec![Pixels::new(40, 24, [250, 240, 230])];
        for step in 0..6 {
            let mut next = pictures[pictures.len() - 1].clone();
            let part = Pixels::new(5, 3, [step * 40, 10, 200]);
            next.paste(&part, u32::from(step) * 6, 20 - u32::from(step) * 3);
            pictures.push(next);
        }
        // Twice the same, then another one all over.
        pictures.push(pictures[6].clone());
        pictures.push(Pixels::new(40, 24, [1, 2, 3]));
        let mut animation = Animation::new(size(40, 24), pictures.len() as u32, &NOTES).unwrap();
        let mut file = Vec::new();
        for (place, picture) in pictures.iter().enumerate() {
            let delay = Duration::from_millis(100 + place as u64);
            let part = animation.add(picture, delay).unwrap();
            assert!(!part.is_empty(), "frame {place}");
            file.extend(part);
        }
        file.extend(animation.finish().unwrap());
        let delays = 100..;
        let expected: Vec<(Pixels, u32)> = pictures.into_iter().zip(delays).collect();
        assert!(frames(&file) == expected);
        let xmp = String::from_utf8_lossy(&file);
        assert!(xmp.contains("digitalsourcetype/trainedAlgorithmicMedia<"));
    }

    #[test]
    fn a_small_change_takes_few_bytes() {
        let mut noise = Pixels::new(128, 128, [0; 3]);
        let mut state = 1_u32;
        for byte in noise.data_mut() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        let mut changed = noise.clone();
        changed.paste(&Pixels::new(8, 8, [255; 3]), 60, 60);
        let mut animation = Animation::new(size(128, 128), 2, &NOTES).unwrap();
        let first = animation.add(&noise, Duration::from_millis(10)).unwrap();
        let second = animation.add(&changed, Duration::from_millis(10)).unwrap();
        assert!(
            first.len() > 40_000 && second.len() < 400,
            "{}",
            second.len()
        );
    }

    #[test]
    fn what_is_no_animation_is_refused() {
        assert!(Animation::new(size(8, 8), 0, &NOTES).is_err());
        let mut animation = Animation::new(size(8, 8), 2, &NOTES).unwrap();
        let delay = Duration::from_millis(10);
        assert!(animation.add(&Pixels::new(9, 8, [0; 3]), delay).is_err());
        animation.add(&Pixels::new(8, 8, [0; 3]), delay).unwrap();
        assert!(animation.finish().is_err(), "a frame is missing");
    }
}
