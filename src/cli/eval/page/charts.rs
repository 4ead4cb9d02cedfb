//! The page's plots.

use maud::{Markup, html};

use super::super::chart::{Chart, Line, Point, decades};
use super::super::plan::INVERSE;
use super::super::report::{Row, Scorecard};
use super::super::wording::{count, distance, moments, percent};
use super::{color, name};

/// All plots that have something to show, under one legend.
pub fn section(card: &Scorecard) -> Markup {
    let steps = axis_of_steps(card);
    let of_steps = |y_label, y: fn(&Row) -> Option<(f64, String)>| Chart {
        x_label: "sampling steps",
        y_label,
        x_ticks: steps.clone(),
        lines: lines(card, |row| f64::from(row.steps), y),
        baseline: None,
    };
    let score = |row: &Row| Some((row.clip_score.mean, moments(&row.clip_score)));
    let times: Vec<f64> = painting(card).map(|row| row.image_ms.p50).collect();
    let chance: Vec<f64> = painting(card)
        .filter_map(|row| row.recall_by_chance)
        .collect();
    let other: Vec<f64> = painting(card)
        .filter_map(|row| Some(row.clip_score_of_other_prompts.as_ref()?.mean))
        .collect();
    let charts = [
        (
            "How well the picture fits its prompt",
            Chart {
                baseline: mean(&other).map(|level| (level, "with other prompts")),
                ..of_steps("CLIP score", score)
            },
        ),
        (
            "How much of it is found",
            Chart {
                baseline: mean(&chance).map(|level| (100.0 * level, "by chance")),
                ..of_steps("objects found, %", |row| {
                    row.recall.map(|recall| (100.0 * recall, percent(recall)))
                })
            },
        ),
        (
            "What it costs",
            Chart {
                x_label: "milliseconds for a picture",
                y_label: "CLIP score",
                x_ticks: decades(&times),
                lines: lines(card, |row| row.image_ms.p50, score),
                baseline: None,
            },
        ),
        (
            "How much the seed changes",
            of_steps("1 − cosine between seeds", |row| {
                let variance = row.across_seeds.as_ref()?;
                Some((variance.clip_distance, distance(variance.clip_distance)))
            }),
        ),
        (
            "There and back by inversion",
            Chart {
                lines: inversion(card),
                ..of_steps("PSNR of the round trip, dB", |_| None)
            },
        ),
    ];
    let drawn: Vec<(&str, Markup)> = charts
        .iter()
        .filter_map(|(title, chart)| Some((*title, chart.draw()?)))
        .collect();
    let mut samplers: Vec<&str> = card.rows.iter().map(|row| row.sampler).collect();
    samplers.dedup();
    html! {
        section {
            h2 { "At a glance" }
            p.legend { @for sampler in samplers { (name(sampler)) " " } }
            div.charts {
                @for (title, chart) in drawn {
                    figure { figcaption { (title) } (chart) }
                }
            }
        }
    }
}

fn painting(card: &Scorecard) -> impl Iterator<Item = &Row> {
    card.rows.iter().filter(|row| row.sampler != INVERSE)
}

fn axis_of_steps(card: &Scorecard) -> Vec<f64> {
    let mut steps: Vec<u32> = card.rows.iter().map(|row| row.steps).collect();
    steps.sort_unstable();
    steps.dedup();
    steps.into_iter().map(f64::from).collect()
}

/// One line for each sampler that paints.
fn lines(
    card: &Scorecard,
    x: impl Fn(&Row) -> f64,
    y: impl Fn(&Row) -> Option<(f64, String)>,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in painting(card) {
        let Some((height, said)) = y(row) else {
            continue;
        };
        let point = Point {
            x: x(row).max(1e-3),
            y: height,
            title: format!(
                "{}, {:.0} ms, {said}",
                count(row.steps, "step"),
                row.image_ms.p50
            ),
        };
        match lines.last_mut().filter(|line| line.name == row.sampler) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name: row.sampler,
                color: color(row.sampler),
                points: vec![point],
            }),
        }
    }
    lines
}

fn inversion(card: &Scorecard) -> Vec<Line> {
    let points: Vec<Point> = card
        .rows
        .iter()
        .filter_map(|row| {
            let psnr = row.round_trip_psnr.as_ref()?;
            Some(Point {
                x: f64::from(row.steps),
                y: psnr.mean,
                title: format!("{}, {} dB", count(row.steps, "step"), moments(psnr)),
            })
        })
        .collect();
    vec![Line {
        name: INVERSE,
        color: color(INVERSE),
        points,
    }]
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
