//! What the files of pictures say of themselves, where their decoders do not look in time.

/// True when a JPEG goes on to its end marker. Decoders fill up what is cut off with grey; and the
/// small picture that cameras put inside has an end marker of its own, so that segments are skipped
/// by their length.
pub(super) fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    const START: u8 = 0xd8;
    let mut rest = bytes;
    loop {
        // Stuffed zeros, restarts and fill bytes are no segments.
        let marker = rest.windows(2).position(|pair| {
            pair[0] == 0xff && !matches!(pair[1], 0x00 | 0x01 | 0xd0..=0xd7 | 0xff)
        });
        let Some(at) = marker else { return false };
        let kind = rest[at + 1];
        rest = &rest[at + 2..];
        match (kind, rest) {
            (END, _) => return true,
            (START, _) => {}
            (_, [high, low, ..]) => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = rest.get(length..).unwrap_or_default();
            }
            _ => return false,
        }
    }
}

/// True when no lossy picture inside a WebP is larger than the file says the whole is: the decoder
/// makes room for such a picture before it compares the two.
pub(super) fn webp_pictures_fit(bytes: &[u8], width: u32, height: u32) -> bool {
    /// After `RIFF`, the size, `WEBP`.
    const CHUNKS_AT: usize = 12;
    chunks_fit(bytes.get(CHUNKS_AT..).unwrap_or_default(), width, height)
}

fn chunks_fit(mut chunks: &[u8], width: u32, height: u32) -> bool {
    /// Place, size and duration of an animation's frame; its picture's chunks follow.
    const FRAME_HEADER: usize = 16;
    while let [a, b, c, d, s0, s1, s2, s3, rest @ ..] = chunks {
        let size = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
        let content = &rest[..size.min(rest.len())];
        let fits = match &[*a, *b, *c, *d] {
            b"VP8 " => lossy_picture_fits(content, width, height),
            b"ANMF" => chunks_fit(
                content.get(FRAME_HEADER..).unwrap_or_default(),
                width,
                height,
            ),
            _ => true,
        };
        if !fits {
            return false;
        }
        chunks = rest.get(size + size % 2..).unwrap_or_default();
    }
    true
}

/// The size stands after the frame's tag and start code, 14 bits each (RFC 6386, 9.1).
fn lossy_picture_fits(picture: &[u8], width: u32, height: u32) -> bool {
    let [_, _, _, _, _, _, w0, w1, h0, h1, ..] = picture else {
        return false;
    };
    let side = |low: &u8, high: &u8| u32::from(u16::from_le_bytes([*low, *high]) & 0x3fff);
    side(w0, w1) <= width && side(h0, h1) <= height
}
