//! The page's tables.

use maud::{Markup, html};

use super::super::matrix::Matrix;
use super::super::plan::INVERSE;
use super::super::report::{SamplerPair, Scorecard};
use super::super::wording::{count, distance, moments, or_dash, percent, steps};
use super::name;

/// All rows. The best that paints in each number of steps has its CLIP score in bold.
pub fn rows(card: &Scorecard) -> Markup {
    let best_of = |steps: u32| {
        card.rows
            .iter()
            .filter(|row| row.steps == steps && row.sampler != INVERSE)
            .map(|row| row.clip_score.mean)
            .fold(f64::NEG_INFINITY, f64::max)
    };
    html! {
        section {
            h2 { "All numbers" }
            p.hint { "Milliseconds are medians. The best CLIP score of each number of steps is bold." }
            div.wide {
                table.numbers {
                    thead {
                        tr {
                            th scope="col" { "sampler" }
                            th scope="col" { "steps" }
                            th scope="col" { "image ms" }
                            th scope="col" { "step ms" }
                            th scope="col" { "CLIP score" }
                            th scope="col" { "other prompts’" }
                            th scope="col" { "recall" }
                            th scope="col" { "by chance" }
                            th scope="col" { "seeds: 1 − cos" }
                            th scope="col" { "seeds: RMS" }
                            th scope="col" { "round trip dB" }
                        }
                    }
                    tbody {
                        @for row in &card.rows {
                            tr {
                                th scope="row" { (name(row.sampler)) }
                                td { (steps(row)) }
                                td { (format!("{:.0}", row.image_ms.p50)) }
                                td { (format!("{:.1}", row.step_ms.p50)) }
                                td.best[row.sampler != INVERSE
                                    && row.clip_score.mean == best_of(row.steps)] {
                                    (moments(&row.clip_score))
                                }
                                td { (or_dash(row.clip_score_of_other_prompts.as_ref().map(moments))) }
                                td { (or_dash(row.recall.map(percent))) }
                                td { (or_dash(row.recall_by_chance.map(percent))) }
                                @let seeds = row.across_seeds.as_ref();
                                td { (or_dash(seeds.map(|seeds| distance(seeds.clip_distance)))) }
                                td { (or_dash(seeds.map(|seeds| distance(seeds.pixel_rms)))) }
                                td { (or_dash(row.round_trip_psnr.as_ref().map(moments))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// For each number of steps, how far samplers are apart with the same seed: the darker, the
/// further.
pub fn between_samplers(card: &Scorecard) -> Markup {
    let furthest = card
        .across_samplers
        .iter()
        .map(|pair| pair.distance.clip_distance)
        .fold(1e-9, f64::max);
    html! {
        @if !card.across_samplers.is_empty() {
            section {
                h2 { "Same seed, different samplers" }
                p.hint {
                    "Mean 1 − cosine of CLIP’s image embeddings; the pointer shows the pixels’ RMS."
                }
                div.matrices {
                    @for matrix in Matrix::all(&card.across_samplers) {
                        (table_of(&matrix, furthest))
                    }
                }
            }
        }
    }
}

fn table_of(matrix: &Matrix, furthest: f64) -> Markup {
    html! {
        figure.matrix {
            figcaption { (count(matrix.steps, "step")) }
            div.wide {
                table {
                    thead {
                        tr {
                            th {}
                            @for column in &matrix.samplers {
                                th.turned scope="col" { span { (column) } }
                            }
                        }
                    }
                    tbody {
                        @for row in &matrix.samplers {
                            tr {
                                th scope="row" { (row) }
                                @for column in &matrix.samplers {
                                    @if let Some(pair) = matrix.pair(row, column) {
                                        (compared(pair, furthest))
                                    } @else {
                                        td {}
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn compared(pair: &SamplerPair, furthest: f64) -> Markup {
    let far = pair.distance.clip_distance;
    let share = (100.0 * far / furthest).clamp(0.0, 100.0);
    let title = format!(
        "{} and {}: RMS {}",
        pair.first,
        pair.second,
        distance(pair.distance.pixel_rms)
    );
    html! {
        td.heat style={ "--heat:" (format!("{share:.0}%")) } title=(title) { (format!("{far:.2}")) }
    }
}
