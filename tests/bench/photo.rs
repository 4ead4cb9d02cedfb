//! `impasto bench photo`.

use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::Value;

use super::bench;

fn number(report: &Value, path: &str) -> f64 {
    let found = report.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no {path} in {report}"))
}

#[test]
fn photos_are_inverted_edited_and_found_untouched() {
    let scratch = tempfile::tempdir().unwrap();
    let photo = |name: &str, width, height, pixel: fn(u32, u32) -> [u8; 3]| {
        let picture = RgbImage::from_fn(width, height, |x, y| Rgb(pixel(x, y)));
        picture.save(scratch.path().join(name)).unwrap();
    };
    photo("meadow.png", 64, 64, |x, y| {
        [(x * 4) as u8, (y * 4) as u8, ((x + y) * 2) as u8]
    });
    photo("grey sea.jpg", 150, 90, |x, y| {
        [((x * x + y * 3) % 251) as u8; 3]
    });
    let folder = scratch.path().to_str().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/pipelines/sd15");
    let flags = [
        "--photos",
        folder,
        "--model",
        model.to_str().unwrap(),
        "--masks",
        "3",
        "--inversion-steps",
        "4",
        "--json",
    ];
    let output = bench("photo", &flags);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(report["edited"]["photos"], 2);
    assert_eq!(report["untouched"]["differing_bytes"], 0, "{report}");
    let side = number(&report, "/edited/canvas");
    let (photos, masks) = (2.0, 3.0);
    let undone = number(&report, "/untouched/undone/pixels");
    assert_eq!(undone, photos * masks * side * side);
    let outside = number(&report, "/untouched/finals/pixels");
    assert!(0.0 < outside && outside < undone, "{report}");
    assert!(number(&report, "/untouched/frames") >= photos * masks);
    assert!(number(&report, "/changed/pixels") > 0.0, "{report}");
    assert_eq!(report["changed"]["masks_without_end"], 0, "{report}");

    assert_eq!(report["inversion"]["steps"], 4);
    for figure in ["seconds", "reconstruction_seconds", "psnr_db", "progress"] {
        assert_eq!(report["inversion"][figure]["count"], 2, "{figure}");
        assert!(number(&report, &format!("/inversion/{figure}/min")) > 0.0);
    }
    let strokes = number(&report, "/stroke_to_pixel_ms/count");
    assert!(strokes + number(&report, "/lost") >= photos * masks);
    assert_eq!(report["renders"].get("failed"), None, "{report}");
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_str().unwrap();
    for flags in [&[][..], &["--photos", folder]] {
        let output = bench("photo", flags);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert_eq!(told.trim_end().lines().count(), 1, "{told}");
        assert!(told.contains("benches/photos.py"), "{told}");
    }
    std::fs::write(empty.path().join("torn.png"), "no picture").unwrap();
    let model = "tests/parity/fixtures/pipelines/sd15";
    let output = bench("photo", &["--photos", folder, "--model", model]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("torn.png"), "{told}");
}
