//! `impasto bench photo`: edits photos as a client does, and looks at every byte.

mod findings;
mod inversion;
mod masks;
mod report;
mod sitting;
mod untouched;
mod view;

use std::path::{Path, PathBuf};

use clap::Args;
use tokio::runtime;

use super::client::model_of;
use super::server::{MeasuredServer, OwnSettings, ServerFlags};
use crate::cli::machine::this_machine;
use crate::cli::output::print_json;
use crate::cli::settings::MOST_INVERSION_STEPS;
use crate::cli::{Failure, bar};
use crate::pipeline::hundredths;
use findings::Findings;
use report::{Edited, PhotoReport, Surroundings};
use sitting::{Site, sit};

/// Endings of files that are taken for photos.
const ENDINGS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// Canvas sides are multiples of this, in pixels.
const SIDE_STEP: u32 = 64;

/// Flags of `bench photo`.
#[derive(Clone, Debug, Args)]
pub struct PhotoArgs {
    /// Which server is measured.
    #[command(flatten)]
    pub server: ServerFlags,
    /// A folder of photos, PNG, JPEG or WebP; `python benches/photos.py DIR` fills one
    #[arg(long, value_name = "DIR")]
    pub photos: Option<PathBuf>,
    /// Random masks over each photo
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub masks: u32,
    /// Sampling steps
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Steps of the inversion, by the bench's own server
    #[arg(long, value_name = "N", default_value_t = 25, conflicts_with = "url", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_INVERSION_STEPS)))]
    pub inversion_steps: u32,
    /// Side of the square canvas, a multiple of 64 [default: the model's own size]
    #[arg(long, value_name = "PIXELS")]
    pub canvas: Option<u32>,
    /// Seed of the masks and of what they are edited with
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u32,
    /// Prints one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Runs the bench and prints its report.
///
/// # Errors
/// When the flags make no sense, the server does not do its part, no mask changes anything, or a
/// byte differs where none may.
pub fn run(args: PhotoArgs) -> Result<(), Failure> {
    let photos = photos_in(args.photos.as_deref())?;
    if args
        .canvas
        .is_some_and(|side| side == 0 || !side.is_multiple_of(SIDE_STEP))
    {
        return Err(Failure::usage("--canvas takes a multiple of 64"));
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Failure::broken(format!("cannot start the network: {cause}")))?;
    let report = runtime.block_on(measure(&args, &photos))?;
    if args.json {
        print_json(&report)?;
    } else {
        println!("{}", report.to_text());
    }
    judge(&report)
}

/// The photos of a folder, by name.
fn photos_in(folder: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    const HINT: &str = "`python benches/photos.py DIR` fills a folder with photos";
    let Some(folder) = folder else {
        return Err(Failure::usage(format!(
            "give --photos a folder of photos; {HINT}"
        )));
    };
    let place = folder.display();
    let unreadable =
        |cause| Failure::usage(format!("cannot read the folder {place} ({cause}); {HINT}"));
    let mut photos = Vec::new();
    for entry in folder.read_dir().map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let ending = file.extension().unwrap_or_default().to_ascii_lowercase();
        if ENDINGS.iter().any(|known| ending == *known) {
            photos.push(file);
        }
    }
    if photos.is_empty() {
        return Err(Failure::usage(format!(
            "there is no PNG, JPEG or WebP in {place}; {HINT}"
        )));
    }
    photos.sort();
    Ok(photos)
}

async fn measure(args: &PhotoArgs, photos: &[PathBuf]) -> Result<PhotoReport, Failure> {
    let settings = [
        "--inversion-steps".to_owned(),
        args.inversion_steps.to_string(),
    ];
    let own = OwnSettings {
        flags: &settings,
        data: None,
    };
    let server = MeasuredServer::find(&args.server, own).await?;
    let model = model_of(server.authority()).await?;
    if args.steps > model.max_steps {
        return Err(Failure::usage(format!(
            "--steps takes 1 to {} with this model",
            model.max_steps
        )));
    }
    let site = Site {
        authority: server.authority(),
        token: server.token(),
        side: args
            .canvas
            .unwrap_or_else(|| model.native_size.next_multiple_of(SIDE_STEP)),
        masks: args.masks as usize,
        steps: args.steps,
        seed: args.seed,
    };
    let mut findings = Findings::default();
    let progress = bar("editing", photos.len() as u64 * u64::from(args.masks));
    for photo in photos.iter().enumerate() {
        let (number, file) = (photo.0, photo.1.as_path());
        sit(&site, (number, file), &mut findings, &progress).await?;
    }
    progress.finish_and_clear();
    let edited = Edited {
        photos: photos.len(),
        masks: site.masks,
        canvas: site.side,
        steps: site.steps,
        seed: site.seed,
    };
    let around = Surroundings {
        model,
        machine: this_machine(),
        ready_seconds: server.ready_seconds().map(hundredths),
        server_peak_mib: server.peak_memory_mib(),
    };
    Ok(PhotoReport::new(edited, findings, around))
}

/// The report says whether the photos stayed as they were.
fn judge(report: &PhotoReport) -> Result<(), Failure> {
    let differing = report.untouched.differing_bytes;
    if differing > 0 {
        return Err(Failure::broken(format!(
            "{differing} bytes are not the photo's where the mask is zero or the edit is undone"
        )));
    }
    if report.changed.pixels == 0 {
        return Err(Failure::broken(
            "no mask changed a pixel, so nothing is known of the others",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::findings::Moment;
    use super::untouched::Compared;
    use super::*;
    use crate::model::{Defaults, Family};
    use crate::protocol::ModelInfo;

    fn report(findings: Findings) -> PhotoReport {
        let edited = Edited {
            photos: 1,
            masks: 1,
            canvas: 64,
            steps: 2,
            seed: 1,
        };
        let around = Surroundings {
            model: ModelInfo {
                id: "a".to_owned(),
                family: "sd".to_owned(),
                native_size: 64,
                largest_zoom: 1,
                device: "cpu".to_owned(),
                dtype: "f32".to_owned(),
                max_steps: 50,
                guidance_free: false,
                scheduler: None,
                samplers: Vec::new(),
                schedules: std::collections::BTreeMap::new(),
                defaults: Defaults::of_family(Family::Sd, false).with_sampler("ddim"),
                controls: Vec::new(),
                ip_adapters: Vec::new(),
                safety_checker: false,
            },
            machine: this_machine(),
            ready_seconds: None,
            server_peak_mib: None,
        };
        PhotoReport::new(edited, findings, around)
    }

    #[test]
    fn one_byte_that_differs_is_told_and_fails_the_bench() {
        let mut findings = Findings {
            changed_pixels: 5,
            ..Findings::default()
        };
        let mut compared = Compared {
            pixels: 100,
            ..Compared::default()
        };
        findings.compared("sea.png", 0, Moment::Final, &compared);
        judge(&report(findings)).unwrap();

        compared.differing_bytes = 1;
        compared.first = Some((3, 4));
        let mut findings = Findings {
            changed_pixels: 5,
            ..Findings::default()
        };
        findings.compared("sea.png", 7, Moment::Final, &compared);
        let report = report(findings);
        let failure = judge(&report).unwrap_err();
        assert_eq!(failure.code(), 1);
        let told = report.to_text();
        assert!(
            told.contains("100 pixels compared, 1 bytes differ"),
            "{told}"
        );
        assert!(
            told.contains("sea.png, mask 7, in the final picture: 1 bytes"),
            "{told}"
        );
    }

    #[test]
    fn edits_that_do_nothing_prove_nothing() {
        assert!(judge(&report(Findings::default())).is_err());
    }

    #[test]
    fn without_photos_it_says_where_to_get_some() {
        let empty = tempfile::tempdir().unwrap();
        std::fs::write(empty.path().join("notes.txt"), "no photo").unwrap();
        let absent = empty.path().join("absent");
        for folder in [None, Some(empty.path()), Some(absent.as_path())] {
            let failure = photos_in(folder).unwrap_err();
            assert_eq!(failure.code(), 2);
            assert!(failure.to_string().contains("benches/photos.py"));
        }
        for name in ["b.JPG", "a.png", "c.webp"] {
            std::fs::write(empty.path().join(name), "").unwrap();
        }
        let found = photos_in(Some(empty.path())).unwrap();
        let names = found.iter().map(|file| file.file_name().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["a.png", "b.JPG", "c.webp"]);
    }
}
