//! `impasto bench overload`.

use std::path::Path;

use serde_json::Value;

use super::bench;

#[test]
fn every_member_is_measured_in_every_room() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/pipelines/sd15");
    let output = bench(
        "overload",
        &[
            "--model",
            model.to_str().unwrap(),
            "--rooms",
            "2",
            "--members",
            "2",
            "--seconds",
            "3",
            "--canvas",
            "128",
            "--json",
        ],
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let members = report["members"].as_array().unwrap();
    assert_eq!(members.len(), 4, "{report}");
    for member in members {
        assert_eq!(member["wild"], member["room"] == 0);
        assert_eq!(member["ended"], Value::Null, "{member}");
        assert!(member["ack_ms"]["p95"].as_f64().unwrap() > 0.0);
        assert!(member["room_device_ms"].as_f64().unwrap() > 0.0);
    }
    let index = report["fairness"]["rooms_device_time"].as_f64().unwrap();
    assert!(
        (0.5..=1.0).contains(&index),
        "between one of two and both: {index}"
    );
    assert!(report["before_ms"]["p50"].as_f64().unwrap() > 0.0);
    assert!(report["recovery_ms"].as_f64().unwrap() >= 0.0);
}

#[test]
fn what_cannot_be_painted_is_refused_before_a_server_is_started() {
    for (flags, word) in [
        (&["--rooms", "2", "--wild-rooms", "3"][..], "--wild-rooms"),
        (&["--canvas", "100"], "--canvas"),
    ] {
        let output = bench("overload", flags);
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(word), "{told}");
    }
}
