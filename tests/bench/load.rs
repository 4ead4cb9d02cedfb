//! `impasto bench load`.

use std::path::Path;

use serde_json::Value;

use super::bench;

/// What a case finds with few members, a small model and these flags.
fn load(case: &str, flags: &[&str]) -> Value {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/fixtures/pipelines/sd15");
    let mut all = vec!["--case", case, "--json", "--canvas", "128", "--model"];
    all.push(model.to_str().unwrap());
    all.extend(flags);
    let output = bench("load", &all);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["case"], case);
    assert!(report["client"].as_str().unwrap().contains("cores"));
    report
}

fn count(report: &Value, path: &str) -> u64 {
    let found = report.pointer(path).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("no {path} in {report}"))
}

fn number(report: &Value, path: &str) -> f64 {
    let found = report.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no {path} in {report}"))
}

/// All that was sent is acknowledged, and reaches all others.
fn assert_all_arrives(part: &Value, others: u64) {
    let messages = count(part, "/messages");
    assert!(messages > 0, "{part}");
    assert_eq!(count(part, "/acknowledged"), messages, "{part}");
    assert_eq!(count(part, "/deliveries"), messages * others, "{part}");
    assert_eq!(count(part, "/deliveries_expected"), messages * others);
    assert_eq!(part["refusals"], serde_json::json!({}), "{part}");
    assert_eq!(part["ended"], serde_json::json!([]), "{part}");
}

#[test]
fn a_crowd_hears_of_all_that_each_of_it_paints() {
    let report = load("crowd", &["--members", "5", "--seconds", "2"]);
    let findings = &report["findings"];
    assert_all_arrives(findings, 4);
    assert!(number(findings, "/ack_ms/p99") > 0.0);
    assert!(number(findings, "/delivery_ms/p99") > 0.0);
}

#[test]
fn more_rooms_are_painted_in_than_a_stranger_could_make() {
    let flags = ["--rooms", "70", "--rate", "5", "--seconds", "2"];
    let report = load("rooms", &[&flags[..], &["--no-renders"]].concat());
    assert_all_arrives(&report["findings"], 0);
    assert_eq!(count(&report, "/plan/sockets"), 70);
}

#[test]
fn idle_members_are_weighed() {
    let report = load("idle", &["--sockets", "60", "--members", "30"]);
    let findings = &report["findings"];
    assert_eq!(count(&report, "/plan/rooms"), 2);
    assert!(count(findings, "/full_bytes") > 0);
    assert_eq!(count(findings, "/ended"), 0);
    assert!(number(findings, "/bytes_per_socket") >= 0.0);
}

#[test]
fn painters_paint_on_beside_a_slow_reader() {
    let report = load("slow", &["--members", "3", "--seconds", "1"]);
    let findings = &report["findings"];
    for parts in [&findings["without"], &findings["with"]] {
        let parts = parts.as_array().unwrap();
        assert_eq!(parts.len(), 2);
        parts.iter().for_each(|part| assert_all_arrives(part, 2));
    }
    assert!(number(findings, "/ack_p99_ratio") > 0.0);
}

#[test]
fn members_come_back_to_all_that_was_acknowledged() {
    let report = load("reconnect", &["--sockets", "12", "--members", "4"]);
    let findings = &report["findings"];
    assert_eq!(count(findings, "/reconnect_ms/count"), 12);
    assert_eq!(count(findings, "/lost"), 0);
    assert!(number(findings, "/down_seconds") > 0.0);
}
