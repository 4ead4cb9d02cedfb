//! The scorecard as Markdown.

use std::fmt::Write;

use super::matrix::Matrix;
use super::report::{Row, Scorecard};
use super::wording::{count, distance, moments, or_dash, percent, steps};

/// A title, the facts, the tables and what the numbers mean.
pub fn table(card: &Scorecard) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text, card);
    text
}

fn write_all(text: &mut String, card: &Scorecard) -> std::fmt::Result {
    let (width, height) = card.size;
    writeln!(text, "# Scorecard of {}\n", cell(&card.model.name))?;
    writeln!(
        text,
        "{}, {} each, {width} × {height} pixels, guidance scale {}, {} on {}{}; \
         judged by {} ({} pixels).\n",
        count(card.prompts.len() as u64, "prompt"),
        count(card.seeds, "seed"),
        card.guidance_scale,
        card.model.dtype,
        card.model.device,
        card.machine
            .cpu
            .as_ref()
            .map(|cpu| format!(" ({cpu}, {} threads)", card.machine.cores))
            .unwrap_or_default(),
        cell(&card.clip.name),
        card.clip.image_size,
    )?;
    writeln!(text, "    {}\n", card.command)?;
    writeln!(
        text,
        "| sampler | steps | image ms (p50) | step ms (p50) | CLIP score | other prompts' | \
         recall | by chance | seeds: 1 − cos | seeds: RMS | round trip dB |"
    )?;
    writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for row in &card.rows {
        write_row(text, row)?;
    }
    for matrix in Matrix::all(&card.across_samplers) {
        write_matrix(text, &matrix)?;
    }
    if !card.refused.is_empty() {
        writeln!(text, "\n## Left out\n")?;
        for refusal in &card.refused {
            writeln!(
                text,
                "- {} at {}: {}",
                refusal.sampler,
                count(refusal.steps, "step"),
                refusal.reason
            )?;
        }
    }
    writeln!(text, "\n## What the numbers mean\n")?;
    for definition in &card.definitions {
        writeln!(text, "- `{}`: {}", definition.name, definition.meaning)?;
    }
    Ok(())
}

fn write_row(text: &mut String, row: &Row) -> std::fmt::Result {
    let seeds = row.across_seeds.as_ref();
    writeln!(
        text,
        "| {} | {} | {:.0} | {:.1} | {} | {} | {} | {} | {} | {} | {} |",
        row.sampler,
        steps(row),
        row.image_ms.p50,
        row.step_ms.p50,
        moments(&row.clip_score),
        or_dash(row.clip_score_of_other_prompts.as_ref().map(moments)),
        or_dash(row.recall.map(percent)),
        or_dash(row.recall_by_chance.map(percent)),
        or_dash(seeds.map(|seeds| distance(seeds.clip_distance))),
        or_dash(seeds.map(|seeds| distance(seeds.pixel_rms))),
        or_dash(row.round_trip_psnr.as_ref().map(moments)),
    )
}

fn write_matrix(text: &mut String, matrix: &Matrix) -> std::fmt::Result {
    writeln!(
        text,
        "\n## Between samplers at {}\n\nMean 1 − cos (RMS of the pixels) of pictures with the \
         same prompt and seed.\n",
        count(matrix.steps, "step")
    )?;
    writeln!(text, "| | {} |", matrix.samplers.join(" | "))?;
    writeln!(text, "|---|{}", "--:|".repeat(matrix.samplers.len()))?;
    for row in &matrix.samplers {
        write!(text, "| {row} |")?;
        for column in &matrix.samplers {
            let pair = matrix.pair(row, column).map(|pair| {
                let (clip, rms) = (pair.distance.clip_distance, pair.distance.pixel_rms);
                format!("{} ({})", distance(clip), distance(rms))
            });
            write!(text, " {} |", pair.unwrap_or_default())?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// Text that does not break a table or a heading.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
