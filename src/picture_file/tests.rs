//! What is written comes back, also through other readers than ours; hostile files do not.

use std::io::{Cursor, Write};

use exif::{In, Tag, Value};
use image::ImageDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::webp::WebPDecoder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::parameters::SAMPLER_NAMES;
use super::*;
use crate::canvas::{
    Canvas, CodecError, ImageLimits, Pixels, StackLayer, decode_image, encode_image,
};
use crate::protocol::{BlendMode, Brush, CanvasSize, FrameFormat, PaintLayer, SigmasChoice, Tool};

fn parameters() -> Parameters {
    Parameters {
        prompt: "a harbour,\nby night".to_owned(),
        negative_prompt: "people".to_owned(),
        steps: 4,
        sampler: "euler-ancestral".to_owned(),
        sigmas: SigmasChoice::Default,
        guidance_scale: 7.5,
        seed: 42,
        width: 512,
        height: 384,
        model: "sea: one".to_owned(),
        strength: Some(0.8),
    }
}

fn notes(origin: Origin) -> Notes {
    Notes {
        origin,
        dpi: None,
        parameters: Some(parameters()),
    }
}

fn picture() -> Pixels {
    let data = (0..48 * 32 * 3).map(|at| (at * 7 % 251) as u8).collect();
    Pixels::from_raw(48, 32, data).unwrap()
}

const TEXT: &str = "a harbour,\nby night\nNegative prompt: people\n\
    Steps: 4, Sampler: Euler a, CFG scale: 7.5, Seed: 42, Size: 512x384, Model: \"sea: one\", \
    Denoising strength: 0.8, Version: Impasto ";

/// The text in EXIF's user comment.
fn comment(exif: Vec<u8>) -> String {
    let exif = exif::Reader::new().read_raw(exif).unwrap();
    let field = exif.get_field(Tag::UserComment, In::PRIMARY).unwrap();
    let Value::Undefined(bytes, _) = &field.value else {
        panic!("a user comment is bytes: {:?}", field.value);
    };
    let text = bytes.strip_prefix(b"UNICODE\0").unwrap();
    let units: Vec<u16> = text
        .chunks_exact(2)
        .map(|unit| u16::from_be_bytes([unit[0], unit[1]]))
        .collect();
    String::from_utf16(&units).unwrap()
}

fn claims(xmp: &str, term: &str) -> bool {
    xmp.contains(&format!(
        "<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{term}</"
    ))
}

#[test]
fn parameters_are_written_as_other_programs_write_them() {
    let text = parameters().to_string();
    assert_eq!(text, format!("{TEXT}{}", env!("CARGO_PKG_VERSION")));
    let bare = Parameters {
        negative_prompt: String::new(),
        sampler: "flow-euler".to_owned(),
        sigmas: SigmasChoice::Karras,
        strength: None,
        ..parameters()
    };
    let text = bare.to_string();
    assert!(!text.contains("Negative prompt") && !text.contains("Denoising"));
    let sampler = "Sampler: flow-euler, Schedule type: Karras, CFG scale";
    assert!(text.contains(sampler), "{text}");
}

#[test]
fn the_page_knows_every_sampler_name_that_is_written() {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/web/src/studio/sampler-names.ts"
    );
    let page = std::fs::read_to_string(page).unwrap();
    for (own, other) in SAMPLER_NAMES {
        let line = format!("  \"{}\": \"{own}\",", other.to_lowercase());
        assert!(page.contains(&line), "sampler-names.ts has no line {line}");
        crate::sampler::sampler_by_name(own).unwrap();
    }
}

#[test]
fn png_keeps_text_and_xmp() {
    for (prompt, is_latin) in [("a harbour", true), ("ein Fährhafen", true), ("港", false)] {
        let mut notes = notes(Origin::Generated);
        if let Some(parameters) = &mut notes.parameters {
            parameters.prompt = prompt.to_owned();
        }
        let bytes = encode_with_notes(&picture(), FrameFormat::Png, 100, &notes).unwrap();
        let reader = png::Decoder::new(Cursor::new(&bytes)).read_info().unwrap();
        let info = reader.info();
        let latin = info.uncompressed_latin1_text.iter();
        let latin = latin.filter(|it| it.keyword == "parameters");
        let utf8 = |name: &str| {
            let found = info.utf8_text.iter().find(|it| it.keyword == name);
            found.map(|it| it.get_text().unwrap())
        };
        let text = match is_latin {
            true => latin.map(|it| it.text.clone()).next(),
            false => utf8("parameters"),
        };
        assert!(text.unwrap().starts_with(&format!("{prompt}\nNegative")));
        let xmp = utf8("XML:com.adobe.xmp").unwrap();
        assert!(claims(&xmp, "trainedAlgorithmicMedia"), "{xmp}");
        assert!(info.srgb.is_some());
        let back = decode_image(&bytes, &ImageLimits::default()).unwrap();
        assert_eq!(back, picture(), "the pixels are the same to the byte");
    }
}

#[test]
fn jpeg_and_webp_keep_exif_and_xmp() {
    let notes = notes(Origin::EditedPhoto);
    let jpeg = encode_with_notes(&picture(), FrameFormat::Jpeg, 92, &notes).unwrap();
    let mut decoder = JpegDecoder::new(Cursor::new(&jpeg)).unwrap();
    assert!(comment(decoder.exif_metadata().unwrap().unwrap()).starts_with(TEXT));
    let xmp = String::from_utf8(decoder.xmp_metadata().unwrap().unwrap()).unwrap();
    assert!(
        claims(&xmp, "compositeWithTrainedAlgorithmicMedia"),
        "{xmp}"
    );
    assert!(decoder.icc_profile().unwrap().is_some());
    let back = decode_image(&jpeg, &ImageLimits::default()).unwrap();
    assert_eq!(back.bounds(), picture().bounds());

    let webp = encode_with_notes(&picture(), FrameFormat::Webp, 100, &notes).unwrap();
    let mut decoder = WebPDecoder::new(Cursor::new(&webp)).unwrap();
    assert!(comment(decoder.exif_metadata().unwrap().unwrap()).starts_with(TEXT));
    let xmp = String::from_utf8(decoder.xmp_metadata().unwrap().unwrap()).unwrap();
    assert!(
        claims(&xmp, "compositeWithTrainedAlgorithmicMedia"),
        "{xmp}"
    );
    let back = decode_image(&webp, &ImageLimits::default()).unwrap();
    assert_eq!(back, picture(), "the pixels are the same to the byte");
}

#[test]
fn what_no_model_made_claims_nothing() {
    let holds = |bytes: &[u8], text: &str| {
        let text = text.as_bytes();
        bytes.windows(text.len()).any(|part| part == text)
    };
    for format in [FrameFormat::Png, FrameFormat::Jpeg, FrameFormat::Webp] {
        let bytes =
            encode_with_notes(&picture(), format, 92, &notes(Origin::NotGenerated)).unwrap();
        for text in ["DigitalSourceType", "parameters", "UNICODE", "harbour"] {
            assert!(!holds(&bytes, text), "{format:?} says {text}");
        }
        let silent = Notes {
            origin: Origin::Generated,
            dpi: None,
            parameters: None,
        };
        let bytes = encode_with_notes(&picture(), format, 92, &silent).unwrap();
        assert!(holds(&bytes, "DigitalSourceType"), "{format:?}");
        assert!(!holds(&bytes, "UNICODE") && !holds(&bytes, "Steps: "));
    }
    assert_eq!(Origin::of(true, false), Origin::NotGenerated);
    assert_eq!(Origin::of(false, true), Origin::Generated);
    assert_eq!(Origin::of(true, true), Origin::EditedPhoto);
}

#[test]
fn settings_that_a_jpeg_cannot_hold_are_refused() {
    let mut notes = notes(Origin::Generated);
    if let Some(parameters) = &mut notes.parameters {
        parameters.prompt = "sea ".repeat(10_000);
    }
    let encode = |format| encode_with_notes(&picture(), format, 92, &notes);
    assert!(matches!(
        encode(FrameFormat::Jpeg),
        Err(CodecError::Encode(_))
    ));
    assert!(check_notes(&notes, FrameFormat::Jpeg).is_err());
    assert!(check_notes(&notes, FrameFormat::Png).is_ok());
    assert!(encode(FrameFormat::Png).is_ok());
    assert!(encode(FrameFormat::Webp).is_ok());
}

fn layers() -> Vec<(LayerName, Pixels)> {
    vec![
        (LayerName::Result, picture()),
        (LayerName::Sketch, Pixels::new(48, 32, [200, 10, 20])),
        (LayerName::Photo, Pixels::new(48, 32, [1, 2, 3])),
    ]
}

#[test]
fn open_raster_comes_back_layer_by_layer() {
    let opaque = |(name, pixels)| FileLayer::opaque(name, pixels, name == LayerName::Result);
    let opaque: Vec<FileLayer> = layers().into_iter().map(opaque).collect();
    let file = write_open_raster(&opaque, &notes(Origin::Generated)).unwrap();
    assert!(is_archive(&file));
    // The name and the content of the first part stand at fixed places.
    assert_eq!(&file[30..38], b"mimetype");
    assert_eq!(&file[38..54], OPEN_RASTER_TYPE.as_bytes());
    let limits = ImageLimits::default();
    assert_eq!(read_open_raster(&file, None, &limits).unwrap(), picture());
    for (name, pixels) in layers() {
        let back = read_open_raster(&file, Some(name), &limits).unwrap();
        assert_eq!(back, pixels, "{name:?}");
    }
    let mut archive = ZipArchive::new(Cursor::new(&file)).unwrap();
    let stack = std::io::read_to_string(archive.by_name("stack.xml").unwrap()).unwrap();
    assert!(stack.contains("name=\"Result\" src=\"data/result.png\""));
    assert_eq!(stack.matches("visibility=\"visible\"").count(), 1);
    assert_eq!(stack.matches("visibility=\"hidden\"").count(), 2);
    let thumbnail = archive.by_name("Thumbnails/thumbnail.png").unwrap();
    assert!(thumbnail.size() > 0);
}

#[test]
fn painted_layers_keep_their_names_and_looks_in_open_raster() {
    let mut canvas = Canvas::new(CanvasSize {
        width: 64,
        height: 64,
    });
    canvas.set_stack(vec![
        StackLayer::LOWEST,
        StackLayer {
            id: 5,
            ..StackLayer::LOWEST
        },
    ]);
    let brush = Brush {
        tool: Tool::Brush,
        size: 8.0,
        hardness: 1.0,
        opacity: 1.0,
        color: "#c81e2b".to_owned(),
        layer: Some(5),
        ..Brush::default()
    };
    canvas.begin_stroke(1, &brush).unwrap();
    canvas.extend_stroke(1, &[[32.0, 32.0, 1.0]]);
    let shadows = PaintLayer {
        visible: false,
        opacity: 0.5,
        blend: BlendMode::Multiply,
        ..PaintLayer::new(5, "<Shadows> & \"more\"\u{1}", None)
    };
    let pixels = FilePixels::Painted(canvas.layer_copy(5).unwrap());
    let file = [
        FileLayer::opaque(LayerName::Result, canvas.sketch().clone(), true),
        FileLayer::painted(&shadows, 2, pixels),
    ];
    let file = write_open_raster(&file, &notes(Origin::Generated)).unwrap();
    let mut archive = ZipArchive::new(Cursor::new(&file)).unwrap();
    let stack = std::io::read_to_string(archive.by_name("stack.xml").unwrap()).unwrap();
    let stack = roxmltree::Document::parse(&stack).unwrap();
    let mut layers = stack.descendants().filter(|it| it.has_tag_name("layer"));
    let layer = layers.nth(1).unwrap();
    assert_eq!(layer.attribute("name"), Some("<Shadows> & \"more\""));
    assert_eq!(layer.attribute("opacity"), Some("0.5"));
    assert_eq!(layer.attribute("visibility"), Some("hidden"));
    assert_eq!(layer.attribute("composite-op"), Some("svg:multiply"));
    let part = archive.by_name(layer.attribute("src").unwrap()).unwrap();
    let png = std::io::Read::bytes(part).collect::<Result<Vec<u8>, _>>();
    let picture = image::load_from_memory(&png.unwrap()).unwrap().into_rgba8();
    assert_eq!(picture.dimensions(), (64, 64));
    assert_eq!(picture.get_pixel(32, 32).0, [0xc8, 0x1e, 0x2b, 255]);
    assert_eq!(picture.get_pixel(2, 2).0, [0; 4]);
}

/// An archive with these parts, deflated but for the first.
fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (index, (name, content)) in parts.iter().enumerate() {
        let method = match index {
            0 => CompressionMethod::Stored,
            _ => CompressionMethod::Deflated,
        };
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(*name, options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

const MIMETYPE: (&str, &[u8]) = ("mimetype", b"image/openraster");

fn stack(width: u32, height: u32, layer: &str) -> String {
    format!("<image w=\"{width}\" h=\"{height}\"><stack><stack>{layer}</stack></stack></image>")
}

#[test]
fn a_layer_of_another_program_is_laid_where_it_was() {
    let small = encode_image(&Pixels::new(4, 4, [9, 8, 7]), FrameFormat::Png, 100).unwrap();
    let placed = |x: i32, y: i32| {
        let layer = format!("<layer name=\" sketch\" src=\"data/a.png\" x=\"{x}\" y=\"{y}\"/>");
        let stack = stack(10, 12, &layer);
        let file = archive(&[
            MIMETYPE,
            ("stack.xml", stack.as_bytes()),
            ("data/a.png", &small),
        ]);
        let limits = ImageLimits::default();
        read_open_raster(&file, Some(LayerName::Sketch), &limits).unwrap()
    };
    let cut_off = placed(-2, 1);
    assert_eq!((cut_off.width(), cut_off.height()), (10, 12));
    assert_eq!(cut_off.pixel(1, 1), [9, 8, 7]);
    assert_eq!(cut_off.pixel(2, 1), [255; 3]);
    let in_the_corner = placed(8, 8);
    assert_eq!(in_the_corner.pixel(9, 11), [9, 8, 7]);
    assert_eq!(in_the_corner.pixel(7, 11), [255; 3]);
    assert!(placed(100, 0).is_white());
}

#[test]
fn hostile_open_raster_files_are_refused_in_one_sentence() {
    let limits = ImageLimits {
        max_bytes: 1 << 20,
        max_side: 4096,
        max_pixels: 4096 * 4096,
    };
    let png = encode_image(&picture(), FrameFormat::Png, 100).unwrap();
    let bomb = vec![0; 64 << 20];
    let bombed = archive(&[MIMETYPE, ("mergedimage.png", &bomb)]);
    assert!(
        bombed.len() < 1 << 20,
        "the bomb is small: {}",
        bombed.len()
    );
    // The same, with sizes in its headers that lie.
    let mut lying = bombed.clone();
    for at in 0..lying.len() - 4 {
        if lying[at..at + 4] == (64u32 << 20).to_le_bytes() {
            lying[at..at + 4].copy_from_slice(&1000u32.to_le_bytes());
        }
    }
    let names: Vec<String> = (0..1000)
        .map(|number| format!("data/{number}.png"))
        .collect();
    let mut many: Vec<(&str, &[u8])> = vec![MIMETYPE];
    many.extend(names.iter().map(|name| (name.as_str(), &b""[..])));
    let many = archive(&many);
    let outside = |name: &str| archive(&[MIMETYPE, ("mergedimage.png", &png), (name, b"x")]);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "another archive",
            archive(&[("word/document.xml", b"<w/>")]),
            "not one of OpenRaster",
        ),
        (
            "another type",
            archive(&[("mimetype", b"application/epub+zip")]),
            "not one of OpenRaster",
        ),
        (
            "no merged picture",
            archive(&[MIMETYPE, ("stack.xml", b"<image/>")]),
            "has no mergedimage.png",
        ),
        ("a bomb", bombed, "unpacks to more than 1048576 bytes"),
        ("thousand layers", many, "more than 512 parts"),
        (
            "up and out",
            outside("../../etc/passwd"),
            "outside of itself",
        ),
        ("from the root", outside("/etc/passwd"), "outside of itself"),
        ("another drive", outside("C:\\x.png"), "outside of itself"),
        (
            "too large",
            vec![b'P'; (1 << 20) + 1],
            "send one of at most",
        ),
        (
            "no picture",
            archive(&[MIMETYPE, ("mergedimage.png", b"dear diary")]),
            "PNG, JPEG or WebP",
        ),
        ("only a beginning", b"PK\x03\x04".to_vec(), "is damaged"),
    ];
    for (name, file, part) in cases {
        let refused = read_open_raster(&file, None, &limits).unwrap_err();
        assert!(refused.to_string().contains(part), "{name}: {refused}");
    }
    let refused = read_open_raster(&lying, None, &limits).unwrap_err();
    assert!(
        matches!(
            refused,
            OpenRasterError::Damaged(_)
                | OpenRasterError::PartTooLarge { .. }
                | OpenRasterError::Picture(_)
        ),
        "{refused}"
    );
}

#[test]
fn a_hostile_stack_is_refused() {
    let limits = ImageLimits {
        max_side: 4096,
        ..ImageLimits::default()
    };
    let png = encode_image(&picture(), FrameFormat::Png, 100).unwrap();
    let layer = |source: &str| format!("<layer name=\"Photo\" src=\"{source}\"/>");
    let laughs = "<!DOCTYPE image [<!ENTITY a \"ha\">]><image w=\"9\" h=\"9\">&a;</image>";
    let cases = [
        ("too wide", stack(5000, 10, &layer("a.png")), "at most 4096"),
        ("no size", "<image/>".to_owned(), "no size"),
        (
            "elsewhere",
            stack(9, 9, &layer("../a.png")),
            "outside of itself",
        ),
        ("not there", stack(9, 9, &layer("b.png")), "has no b.png"),
        ("no layer", stack(9, 9, ""), "no layer named Photo"),
        ("entities", laughs.to_owned(), "is damaged"),
        ("deep", "<a>".repeat(100_000), "is damaged"),
        (
            "a bad place",
            stack(9, 9, "<layer name=\"Photo\" src=\"a.png\" x=\"one\"/>"),
            "is damaged",
        ),
    ];
    for (name, stack, part) in cases {
        let file = archive(&[MIMETYPE, ("stack.xml", stack.as_bytes()), ("a.png", &png)]);
        let refused = read_open_raster(&file, Some(LayerName::Photo), &limits).unwrap_err();
        assert!(refused.to_string().contains(part), "{name}: {refused}");
    }
}

/// What readers of EXIF find under a tag, as numbers.
fn exif_numbers(bytes: &[u8], tag: exif::Tag) -> Vec<f64> {
    let exif = exif::Reader::new().read_from_container(&mut Cursor::new(bytes));
    let exif = exif.unwrap();
    let field = exif.get_field(tag, exif::In::PRIMARY).unwrap();
    match &field.value {
        exif::Value::Rational(numbers) => numbers.iter().map(exif::Rational::to_f64).collect(),
        exif::Value::Short(numbers) => numbers.iter().map(|it| f64::from(*it)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_print_resolution_is_where_each_format_keeps_it() {
    let with_parameters = [None, Some(parameters())];
    for parameters in with_parameters {
        let notes = Notes {
            origin: Origin::Generated,
            dpi: Some(300),
            parameters,
        };
        let png = encode_with_notes(&picture(), FrameFormat::Png, 92, &notes).unwrap();
        let reader = png::Decoder::new(Cursor::new(&png)).read_info().unwrap();
        let found = reader.info().pixel_dims.unwrap();
        // 300 dots in 25.4 millimetres.
        assert_eq!((found.xppu, found.yppu), (11811, 11811));
        assert_eq!(found.unit, png::Unit::Meter);
        let jpeg = encode_with_notes(&picture(), FrameFormat::Jpeg, 92, &notes).unwrap();
        // JFIF: dots per inch, and two numbers of 16 bits.
        let at = jpeg.windows(5).position(|it| it == b"JFIF\0").unwrap();
        assert_eq!(jpeg[at + 7..at + 12], [1, 1, 44, 1, 44]);
        let webp = encode_with_notes(&picture(), FrameFormat::Webp, 92, &notes).unwrap();
        assert_eq!(exif_numbers(&webp, exif::Tag::XResolution), [300.0]);
        assert_eq!(exif_numbers(&webp, exif::Tag::YResolution), [300.0]);
        assert_eq!(exif_numbers(&webp, exif::Tag::ResolutionUnit), [2.0]);
    }
    let none = encode_with_notes(&picture(), FrameFormat::Png, 92, &notes(Origin::Generated));
    let none = none.unwrap();
    let reader = png::Decoder::new(Cursor::new(&none)).read_info().unwrap();
    assert!(reader.info().pixel_dims.is_none());
}
