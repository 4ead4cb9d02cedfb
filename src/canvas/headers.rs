//! What the files of pictures say of themselves, where their decoders do not look in time.

/// True when a JPEG goes on to its end marker. Decoders fill up what is cut off with grey; and the
/// small picture that cameras put inside has an end marker of its own, so that segments are skipped
/// by their length.
pub(super) fn jpeg_has_its_end(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    const START: u8 = 0xd8;
    let mut rest = bytes;
    loop {
        let Some(at) = next_marker(rest) else {
            return false;
        };
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

/// How a JPEG is laid out, as far as its headers say.
#[derive(Debug, Default)]
pub(super) struct JpegLayout {
    /// Not progressive.
    is_sequential: bool,
    /// Each component's id and sampling factors, four bits across and four down.
    components: Vec<(u8, u8)>,
    scans: Vec<JpegScan>,
}

#[derive(Debug)]
struct JpegScan {
    /// The components' ids.
    ids: Vec<u8>,
    /// A bit for each of a block's 64 coefficients that is whole after this scan.
    finished: u64,
}

impl JpegLayout {
    pub(super) fn read(bytes: &[u8]) -> Self {
        const SEQUENTIAL: [u8; 2] = [0xc0, 0xc1];
        const PROGRESSIVE: u8 = 0xc2;
        const SCAN: u8 = 0xda;
        let mut layout = Self::default();
        let mut rest = bytes;
        while let Some(at) = next_marker(rest) {
            let kind = rest[at + 1];
            rest = &rest[at + 2..];
            if kind == 0xd8 {
                continue;
            }
            let [high, low, ..] = rest else { break };
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let content = rest.get(2..length).unwrap_or_default();
            if SEQUENTIAL.contains(&kind) || kind == PROGRESSIVE {
                layout.is_sequential = kind != PROGRESSIVE;
                // Precision, height, width and count come before three bytes for each component.
                let components = content.get(6..).unwrap_or_default();
                let component = |part: &[u8]| Some((*part.first()?, *part.get(1)?));
                layout.components = components.chunks_exact(3).filter_map(component).collect();
            } else if kind == SCAN {
                let scan = JpegScan::read(content, layout.is_sequential);
                layout.scans.extend(scan);
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        layout
    }

    /// True for colours that lie in scans of their own and are not all of one size: the decoder
    /// (zune-jpeg 0.5.15) puts such colours in wrong places, without an error. Progressive files
    /// are read well, and so are those with nothing but narrower colours, each in its own scan.
    pub(super) fn is_misread(&self) -> bool {
        let count = self.components.len();
        let is_tall = self
            .components
            .iter()
            .any(|(_, sampling)| sampling & 0x0f > 1);
        let is_wide = |scan: &JpegScan| {
            let mut components = self.components.iter();
            components.any(|(id, sampling)| scan.ids.contains(id) && sampling >> 4 > 1)
        };
        let mut apart = self.scans.iter().take_while(|scan| scan.ids.len() < count);
        self.is_sequential && apart.any(|scan| is_tall || (scan.ids.len() > 1 && is_wide(scan)))
    }

    /// True when there is a scan for every coefficient of every component, whole or cut off.
    pub(super) fn has_all_scans(&self) -> bool {
        let finished = |id: u8| {
            let scans = self.scans.iter().filter(|scan| scan.ids.contains(&id));
            scans.fold(0, |finished, scan| finished | scan.finished)
        };
        !self.components.is_empty() && self.components.iter().all(|(id, _)| finished(*id) == !0)
    }
}

impl JpegScan {
    /// Reads a scan's header; none where it is cut off.
    fn read(content: &[u8], is_sequential: bool) -> Option<Self> {
        let (count, rest) = content.split_first()?;
        let (components, band) = rest.split_at_checked(2 * usize::from(*count))?;
        let [first, last, bits, ..] = band else {
            return None;
        };
        // Sequential scans have all of a block whatever is said of it; of the others those that
        // leave no lower bit finish what they have.
        let finished = match (is_sequential, bits & 0x0f) {
            (true, _) => !0,
            (false, 0) if first <= last && *last < 64 => (!0 >> (63 - (last - first))) << first,
            (false, _) => 0,
        };
        let ids = components.chunks_exact(2).map(|part| part[0]).collect();
        Some(Self { ids, finished })
    }
}

/// Where the next marker of a JPEG is. Stuffed zeros, restarts and fill bytes are no segments.
fn next_marker(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(2)
        .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0x01 | 0xd0..=0xd7 | 0xff))
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
