//! The page's pictures: a table for each prompt, samplers by steps.

use maud::{Markup, html};

use super::super::report::{Picture, PromptFacts, Scorecard};
use super::super::scores::ObjectScore;
use super::super::wording::count;
use super::name;

/// Prompts whose pictures are unfolded at first.
const OPEN: usize = 3;

/// Every picture.
pub fn section(card: &Scorecard, thumbnails: &[String]) -> Markup {
    html! {
        section {
            h2 { "Pictures" }
            @for (index, facts) in card.prompts.iter().enumerate() {
                details.prompt open[index < OPEN] {
                    summary { (facts.prompt.prompt) }
                    (objects(facts))
                    (grid(card, thumbnails, index))
                }
            }
        }
    }
}

fn objects(facts: &PromptFacts) -> Markup {
    html! {
        @if !facts.prompt.objects.is_empty() {
            p.objects {
                "looked for "
                @for object in &facts.prompt.objects { span.chip { (object) } " " }
                @if facts.distractors.is_empty() { "with nothing to compare it with" }
                @else {
                    "against "
                    @for object in &facts.distractors { span.chip.other { (object) } " " }
                }
            }
        }
    }
}

fn grid(card: &Scorecard, thumbnails: &[String], prompt: usize) -> Markup {
    let own: Vec<(&Picture, &String)> = card
        .pictures
        .iter()
        .zip(thumbnails)
        .filter(|(picture, _)| picture.prompt == prompt)
        .collect();
    let mut samplers: Vec<&str> = Vec::new();
    let mut steps: Vec<u32> = Vec::new();
    for (picture, _) in &own {
        if !samplers.contains(&picture.sampler) {
            samplers.push(picture.sampler);
        }
        if !steps.contains(&picture.steps) {
            steps.push(picture.steps);
        }
    }
    html! {
        div.wide {
            table.gallery {
                thead {
                    tr {
                        th {}
                        @for steps in &steps { th scope="col" { (count(*steps, "step")) } }
                    }
                }
                tbody {
                    @for sampler in samplers {
                        tr {
                            th scope="row" { (name(sampler)) }
                            @for steps in &steps {
                                td {
                                    @for (picture, thumbnail) in own.iter().filter(|(picture, _)| {
                                        picture.sampler == sampler && picture.steps == *steps
                                    }) { (shown(picture, thumbnail)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn shown(picture: &Picture, thumbnail: &str) -> Markup {
    let (found, missed): (Vec<_>, Vec<_>) = picture
        .objects
        .iter()
        .filter(|object| object.found.is_some())
        .partition(|object| object.found == Some(true));
    let list = |objects: Vec<&ObjectScore>| {
        let names: Vec<&str> = objects
            .iter()
            .map(|object| object.object.as_str())
            .collect();
        if names.is_empty() {
            "–".to_owned()
        } else {
            names.join(", ")
        }
    };
    let mut title = format!(
        "{}, {}, seed {}\nCLIP score {:.1}, {:.0} ms\nfound: {}\nmissed: {}",
        picture.sampler,
        count(picture.steps, "step"),
        picture.seed,
        picture.clip_score,
        picture.image_ms,
        list(found),
        list(missed)
    );
    if let Some(psnr) = picture.round_trip_psnr {
        title.push_str(&format!("\nround trip {psnr:.1} dB"));
    }
    html! {
        a href=(picture.file) title=(title) {
            img src=(thumbnail) loading="lazy" width="76" height="76"
                alt={ (picture.sampler) ", " (count(picture.steps, "step")) ", seed " (picture.seed) };
            small { (format!("{:.1}", picture.clip_score)) }
        }
    }
}
