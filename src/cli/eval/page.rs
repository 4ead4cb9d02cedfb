//! The scorecard as one page, with its pictures and plots inside. No script: what moves is CSS.

mod charts;
mod gallery;
mod tables;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::plan::INVERSE;
use super::report::{Row, Scorecard};
use super::wording::{count, moments, percent};
use crate::sampler::sampler_names;

const STYLE: &str = include_str!("page/style.css");

/// The page; `thumbnails` are data URLs in the order of the scorecard's pictures.
pub fn page(card: &Scorecard, thumbnails: &[String]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Scorecard of " (card.model.name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.eyebrow { "Impasto scorecard" }
                    h1 { (card.model.name) }
                    (facts(card))
                }
                main {
                    (tiles(card))
                    (charts::section(card))
                    (gallery::section(card, thumbnails))
                    (tables::rows(card))
                    (tables::between_samplers(card))
                    (notes(card))
                }
            }
        }
    }
}

fn facts(card: &Scorecard) -> Markup {
    let (width, height) = card.size;
    let family = match serde_json::to_value(card.model.family) {
        Ok(serde_json::Value::String(family)) => family,
        _ => String::new(),
    };
    html! {
        ul.facts {
            li { (count(card.prompts.len() as u64, "prompt")) " × " (count(card.seeds, "seed")) }
            li { (width) " × " (height) " pixels" }
            li { "guidance " (card.guidance_scale) }
            li { (family) ", " (card.model.dtype) " on " (card.model.device) }
            @if let Some(cpu) = &card.machine.cpu {
                li { (cpu) ", " (card.machine.cores) " threads" }
            }
            li { "judged by " (card.clip.name) " (" (card.clip.image_size) " px)" }
        }
    }
}

/// The rows that one would ask for first.
fn tiles(card: &Scorecard) -> Markup {
    let painting = || card.rows.iter().filter(|row| row.sampler != INVERSE);
    let by_score = |a: &&Row, b: &&Row| a.clip_score.mean.total_cmp(&b.clip_score.mean);
    // Of equals the quicker.
    let by_recall = |a: &&Row, b: &&Row| {
        let recall = |row: &Row| row.recall.unwrap_or(-1.0);
        let by_time = b.image_ms.p50.total_cmp(&a.image_ms.p50);
        recall(a).total_cmp(&recall(b)).then(by_time)
    };
    let few = painting().filter(|row| row.steps <= 4);
    let quickest = painting().min_by(|a, b| a.image_ms.p50.total_cmp(&b.image_ms.p50));
    let found = painting().max_by(by_recall);
    let found = found.and_then(|row| Some((row, row.recall?)));
    html! {
        section.tiles {
            @if let Some(row) = painting().max_by(by_score) {
                (tile("Best CLIP score", &moments(&row.clip_score), row))
            }
            @if let Some(row) = few.max_by(by_score) {
                (tile("Best in 4 steps or fewer", &moments(&row.clip_score), row))
            }
            @if let Some((row, recall)) = found {
                (tile("Most objects found", &percent(recall), row))
            }
            @if let Some(row) = quickest {
                (tile("Quickest", &format!("{:.0} ms", row.image_ms.p50), row))
            }
        }
    }
}

fn tile(label: &str, value: &str, row: &Row) -> Markup {
    html! {
        div.tile {
            p.label { (label) }
            p.value { (value) }
            p {
                (name(row.sampler)) ", " (count(row.steps, "step")) ", "
                (format!("{:.0} ms", row.image_ms.p50))
            }
        }
    }
}

fn notes(card: &Scorecard) -> Markup {
    html! {
        section.notes {
            h2 { "What the numbers mean" }
            dl {
                @for definition in &card.definitions {
                    dt { (definition.name) }
                    dd { (definition.meaning) }
                }
            }
            @if !card.refused.is_empty() {
                h2 { "Left out" }
                ul {
                    @for refusal in &card.refused {
                        li { (name(refusal.sampler)) " " (count(refusal.steps, "step")) ": " (refusal.reason) }
                    }
                }
            }
            h2 { "Made with" }
            pre { code { (card.command) } }
            p { "impasto " (card.version) ". The same numbers: "
                a href="scorecard.json" { "JSON" } ", " a href="scorecard.md" { "Markdown" } "." }
        }
    }
}

/// A sampler's name with its colour.
fn name(sampler: &str) -> Markup {
    html! {
        span.sampler style={ "--c:var(--s" (color(sampler)) ")" } { (sampler) }
    }
}

/// The number of a sampler's colour: the same on every scorecard.
fn color(sampler: &str) -> usize {
    sampler_names()
        .position(|name| name == sampler)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sampler_has_a_colour() {
        for name in sampler_names() {
            let line = format!("--s{}: light-dark(", color(name));
            assert_eq!(STYLE.matches(&line).count(), 1, "{name}");
        }
    }
}
