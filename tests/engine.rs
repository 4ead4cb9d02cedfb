//! The engine and the pipeline on the bundled model: what a room relies on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use impasto::canvas::{Mask, Pixels};
use impasto::engine::{
    Command, Engine, EngineError, EngineOptions, Engines, Event, RenderWork, Request, RoomKey, Work,
};
use impasto::model::{LoadOptions, Model};
use impasto::pipeline::{
    Edit, GenerateRequest, GivenNoise, Output, Pipeline, RenderInputs, RenderSettings,
};
use impasto::protocol::LoraWeight;
use impasto::protocol::Rect;
use impasto::sampler::LatentRect;
use tokio::sync::mpsc;
use uuid::Uuid;

fn bundled() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/storybook")
}

fn pipeline() -> Pipeline {
    let model = Model::load(&bundled(), &LoadOptions::default()).unwrap();
    Pipeline::new(model, 8).unwrap()
}

fn settings(prompt: &str) -> RenderSettings {
    RenderSettings {
        prompt: prompt.to_owned(),
        guidance_scale: 2.0,
        steps: 2,
        seed: 7,
        sampler: "lcm".to_owned(),
        ..RenderSettings::default()
    }
}

/// A white window with a red square in it, which is also where the mask is.
fn edit(prompt: &str) -> Edit {
    let square = Rect::new(40, 40, 48, 48);
    let known = Pixels::new(128, 128, [255; 3]);
    let mut sketch = known.clone();
    sketch.paste(
        &Pixels::new(square.width, square.height, [200, 30, 20]),
        square.x,
        square.y,
    );
    let mut mask = Mask::new(128, 128, 0);
    for y in square.y..square.bottom() {
        mask.span_mut(square.x, y, square.width).fill(255);
    }
    Edit {
        window: Rect::new(64, 0, 128, 128),
        sketch: Arc::new(sketch),
        known: Arc::new(known),
        mask: Arc::new(mask),
        settings: settings(prompt),
        output: Output::plain(Rect::new(64, 0, 128, 128)),
        control: None,
        photo: None,
    }
}

fn largest_difference(a: &candle_core::Tensor, b: &candle_core::Tensor) -> f32 {
    let difference = (a - b).unwrap().abs().unwrap();
    difference
        .flatten_all()
        .unwrap()
        .max(0)
        .unwrap()
        .to_scalar()
        .unwrap()
}

#[test]
fn renders_in_one_batch_come_out_as_they_do_alone() {
    let mut pipeline = pipeline();
    let inputs = |x| {
        let latent_rect = LatentRect {
            x,
            y: 0,
            width: 16,
            height: 16,
        };
        RenderInputs::from_seed(latent_rect, 3)
    };
    let mut unguided = settings("a tree");
    unguided.guidance_scale = 1.0;
    unguided.steps = 4;
    let mut alone = Vec::new();
    for (x, settings) in [(0, settings("a tree")), (5, unguided.clone())] {
        let mut render = pipeline.begin_inputs(&settings, inputs(x)).unwrap();
        while !render.is_done() {
            pipeline.step(&mut [&mut render]).unwrap();
        }
        alone.push(pipeline.finish(render).unwrap().latents);
    }
    let mut first = pipeline
        .begin_inputs(&settings("a tree"), inputs(0))
        .unwrap();
    let mut second = pipeline.begin_inputs(&unguided, inputs(5)).unwrap();
    // The second joins late and stays longer: each row is at its own timestep.
    pipeline.step(&mut [&mut first]).unwrap();
    pipeline.step(&mut [&mut first, &mut second]).unwrap();
    assert!(first.is_done());
    while !second.is_done() {
        pipeline.step(&mut [&mut second]).unwrap();
    }
    let together = [
        pipeline.finish(first).unwrap().latents,
        pipeline.finish(second).unwrap().latents,
    ];
    for (alone, together) in alone.iter().zip(&together) {
        assert!(largest_difference(alone, together) < 1e-3);
    }
    assert!(
        largest_difference(&alone[0], &alone[1]) > 1e-2,
        "two different pictures"
    );
}

#[test]
fn latents_outside_the_mask_are_the_known_ones() {
    let mut pipeline = pipeline();
    let edit = edit("red apple");
    let sketch = pipeline.encode(&edit.sketch).unwrap();
    let known = pipeline.encode(&edit.known).unwrap();
    let mut render = pipeline.begin(&edit, sketch, Some(known.clone())).unwrap();
    while !render.is_done() {
        pipeline.step(&mut [&mut render]).unwrap();
    }
    let latents = pipeline.finish(render).unwrap().latents;
    let scale = pipeline.model().vae.scale();
    let square = |t: &candle_core::Tensor, from: usize| {
        let (start, side) = (from / scale, 32 / scale);
        let rows = t.narrow(2, start, side).unwrap();
        rows.narrow(3, start, side).unwrap()
    };
    let corner = |t: &candle_core::Tensor| square(t, 0);
    let inside = |t: &candle_core::Tensor| square(t, 48);
    assert!(largest_difference(&corner(&latents), &corner(&known)) < 1e-4);
    assert!(largest_difference(&inside(&latents), &inside(&known)) > 1e-2);
}

#[test]
fn white_paper_is_text_to_image_at_any_strength() {
    let mut pipeline = pipeline();
    let paper = Arc::new(Pixels::new(128, 128, [255; 3]));
    let mut painted = |strength, sketch: &Arc<Pixels>| {
        let window = Rect::new(0, 0, 128, 128);
        let edit = Edit {
            window,
            sketch: sketch.clone(),
            known: paper.clone(),
            mask: Arc::new(Mask::new(128, 128, 255)),
            settings: RenderSettings {
                strength,
                ..settings("red apple")
            },
            output: Output::plain(window),
            control: None,
            photo: None,
        };
        let latents = pipeline.encode(sketch).unwrap();
        let mut render = pipeline.begin(&edit, latents, None).unwrap();
        while !render.is_done() {
            pipeline.step(&mut [&mut render]).unwrap();
        }
        pipeline.finish(render).unwrap().latents
    };
    let blank = [painted(1.0, &paper), painted(0.5, &paper)];
    let mut dotted = Pixels::clone(&paper);
    dotted.span_mut(64, 64, 1).fill(0);
    let sketched = painted(1.0, &Arc::new(dotted));
    let words = pipeline
        .generate(
            GenerateRequest {
                settings: settings("red apple"),
                size: (128, 128),
                image: None,
                controls: Vec::new(),
                mask: None,
                latents: None,
            },
            |_, _| {},
        )
        .unwrap()
        .latents;
    for latents in &blank {
        assert!(largest_difference(latents, &words) < 1e-4);
    }
    assert!(
        largest_difference(&sketched, &words) > 1e-2,
        "a dot is a sketch"
    );
}

#[test]
fn sizes_and_latents_that_do_not_fit_are_refused_in_one_sentence() {
    let mut pipeline = pipeline();
    let request = |size, latents| GenerateRequest {
        settings: settings("a tree"),
        size,
        image: None,
        mask: None,
        controls: Vec::new(),
        latents,
    };
    let message = |refused: Result<_, impasto::pipeline::PipelineError>| match refused {
        Ok(impasto::pipeline::Rendered { .. }) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    let (scale, channels) = {
        let vae = &pipeline.model().vae;
        (vae.scale(), vae.latent_channels())
    };
    let odd = message(pipeline.generate(request((100, 128), None), |_, _| ()));
    assert!(
        odd.contains(&format!("multiples of {scale}")) && odd.contains("100"),
        "{odd}"
    );
    let latents = candle_core::Tensor::zeros(
        (1, channels, 4, 4),
        candle_core::DType::F32,
        &candle_core::Device::Cpu,
    );
    let given = GivenNoise {
        initial: latents.unwrap(),
        between: None,
    };
    let small = message(pipeline.generate(request((128, 128), Some(given)), |_, _| ()));
    let side = 128 / scale;
    let wanted = format!("[1, {channels}, {side}, {side}]");
    assert!(small.contains(&wanted), "{small}");
}

async fn next_event(events: &mut mpsc::Receiver<Event>) -> Event {
    tokio::time::timeout(Duration::from_secs(120), events.recv())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_renders_for_rooms_and_stops() {
    for batch in [None, Some(4)] {
        renders_for_rooms_and_stops(batch).await;
    }
}

async fn renders_for_rooms_and_stops(batch: Option<usize>) {
    let options = EngineOptions {
        batch,
        ..EngineOptions::new(bundled())
    };
    let engine = tokio::task::spawn_blocking(|| Engine::start(options).unwrap())
        .await
        .unwrap();
    let handle = engine.handle();
    assert_eq!(handle.model_info().native_size, 256);
    assert_eq!(handle.model_info().samplers[0], "lcm");
    let (sender, mut events) = mpsc::channel(64);
    let start = |room, ticket, edit| {
        let author = Uuid::from_u128(1);
        let work = Work::Render(Box::new(RenderWork {
            author,
            is_refinement: false,
            edit,
        }));
        let request = Request { ticket, work };
        handle.send(RoomKey(room), Command::Start(request), &sender)
    };
    start(1, 1, edit("red apple")).unwrap();
    assert!(matches!(
        next_event(&mut events).await,
        Event::Started { ticket: 1 }
    ));
    let first = next_event(&mut events).await;
    let Event::Rendered {
        ticket: 1,
        pixels,
        timings,
    } = first
    else {
        panic!("{first:?}")
    };
    assert_eq!((pixels.width(), pixels.height()), (128, 128));
    for stage in ["queue", "text", "encode", "denoise", "decode", "total"] {
        assert!(timings.contains_key(stage), "{stage} is missing");
    }
    // The same edit again, in another room, gives the same picture.
    start(2, 2, edit("red apple")).unwrap();
    let again = loop {
        if let Event::Rendered {
            ticket: 2, pixels, ..
        } = next_event(&mut events).await
        {
            break pixels;
        }
    };
    assert_eq!(again, pixels);

    // So does every room of many that ask at once.
    let tickets = 50..56;
    for ticket in tickets.clone() {
        start(ticket, ticket, edit("red apple")).unwrap();
    }
    let mut rendered = Vec::new();
    while rendered.len() < 6 {
        match next_event(&mut events).await {
            Event::Started { .. } => (),
            Event::Rendered {
                ticket,
                pixels: of_room,
                ..
            } => {
                // Rows of a batch are added up in another order.
                let differences = of_room.data().iter().zip(pixels.data());
                let most = differences.map(|(a, b)| a.abs_diff(*b)).max();
                assert!(most <= Some(1), "{ticket}: {most:?}");
                rendered.push(ticket);
            }
            other => panic!("{other:?}"),
        }
    }
    rendered.sort_unstable();
    assert!(rendered.into_iter().eq(tickets));

    // A refinement gives way, and ends all the same.
    let mut long = edit("red apple");
    long.settings.steps = 50;
    let work = RenderWork {
        author: Uuid::from_u128(1),
        is_refinement: true,
        edit: long,
    };
    let work = Work::Render(Box::new(work));
    let refine = Command::Start(Request { ticket: 60, work });
    handle.send(RoomKey(1), refine, &sender).unwrap();
    let started = next_event(&mut events).await;
    assert!(matches!(started, Event::Started { ticket: 60 }));
    start(2, 61, edit("red apple")).unwrap();
    let mut rendered = Vec::new();
    while rendered.len() < 2 {
        match next_event(&mut events).await {
            Event::Started { .. } => (),
            Event::Rendered { ticket, .. } => rendered.push(ticket),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rendered, [61, 60]);

    // One that is cancelled ends so, waiting or running.
    for ticket in [3, 4] {
        start(ticket, ticket, edit("red apple")).unwrap();
        let cancel = Command::Cancel(ticket);
        handle.send(RoomKey(ticket), cancel, &sender).unwrap();
    }
    let mut cancelled = Vec::new();
    while cancelled.len() < 2 {
        match next_event(&mut events).await {
            Event::Started { .. } => (),
            Event::Superseded { ticket } => cancelled.push(ticket),
            other => panic!("{other:?}"),
        }
    }
    cancelled.sort_unstable();
    assert_eq!(cancelled, [3, 4]);

    // Every ticket of a burst ends exactly once, and the last one is done.
    for ticket in 10..20 {
        start(3, ticket, edit("green pear")).unwrap();
    }
    let mut ended = Vec::new();
    while ended.len() < 10 {
        match next_event(&mut events).await {
            Event::Started { .. } => (),
            Event::Rendered { ticket, .. } => ended.push((ticket, true)),
            Event::Superseded { ticket } => ended.push((ticket, false)),
            other => panic!("{other:?}"),
        }
    }
    ended.sort_unstable();
    assert_eq!(
        ended.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(),
        (10..20).collect::<Vec<_>>()
    );
    assert_eq!(ended.last(), Some(&(19, true)));

    // A sampler that does not exist fails that render alone.
    let mut wrong = edit("red apple");
    wrong.settings.sampler = "nobody".to_owned();
    start(1, 30, wrong).unwrap();
    let failed = loop {
        if let Event::Failed {
            ticket: 30,
            message,
        } = next_event(&mut events).await
        {
            break message;
        }
    };
    assert!(failed.contains("nobody"), "{failed}");

    tokio::task::spawn_blocking(move || engine.shutdown())
        .await
        .unwrap();
    assert!(start(1, 40, edit("red apple")).is_err());
}

/// With the settings that a new room has, an edit with a mask comes back as a picture of its size
/// that is not what was painted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_of_every_family_paint_for_rooms() {
    for family in [
        "sd15",
        "lcm",
        "turbo",
        "sdxl",
        "sdxl-turbo",
        "inpainting",
        "instruct-pix2pix",
    ] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/parity/fixtures/pipelines")
            .join(family);
        let options = EngineOptions::new(folder);
        let engine = tokio::task::spawn_blocking(|| Engine::start(options).unwrap())
            .await
            .unwrap();
        let handle = engine.handle();
        let defaults = handle.default_settings();
        let (sender, mut events) = mpsc::channel(8);
        let mut edit = edit("red apple");
        edit.settings = RenderSettings {
            prompt: "a (red:1.2) apple".to_owned(),
            guidance_scale: defaults.guidance_scale,
            steps: defaults.steps,
            strength: defaults.strength,
            sampler: defaults.sampler.clone(),
            ..RenderSettings::default()
        };
        let sketch = edit.sketch.clone();
        let author = Uuid::from_u128(1);
        let work = Work::Render(Box::new(RenderWork {
            author,
            is_refinement: false,
            edit,
        }));
        let start = Command::Start(Request { ticket: 1, work });
        handle.send(RoomKey(1), start, &sender).unwrap();
        let pixels = loop {
            match next_event(&mut events).await {
                Event::Started { .. } => (),
                Event::Rendered { pixels, .. } => break pixels,
                other => panic!("{family}: {other:?}"),
            }
        };
        assert_eq!((pixels.width(), pixels.height()), (128, 128), "{family}");
        assert_ne!(pixels, *sketch, "{family}");
        tokio::task::spawn_blocking(move || engine.shutdown())
            .await
            .unwrap();
    }
}

/// On one device the second room would wait for the first one's last step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_are_spread_over_devices_and_each_works_for_its_own() {
    let devices = ["cpu".to_owned(), "cpu".to_owned()];
    let options = EngineOptions::new(bundled());
    let engines = tokio::task::spawn_blocking(move || Engines::start(&options, &devices));
    let engines = engines.await.unwrap().unwrap();
    let handle = engines.handle();
    assert_eq!(handle.model_info().device, "cpu,cpu");
    let (sender, mut events) = mpsc::channel(64);
    let start = |room, ticket, steps| {
        let mut edit = edit("red apple");
        edit.settings.steps = steps;
        let work = RenderWork {
            author: Uuid::from_u128(1),
            is_refinement: false,
            edit,
        };
        let work = Work::Render(Box::new(work));
        let start = Command::Start(Request { ticket, work });
        handle.send(RoomKey(room), start, &sender).unwrap();
    };
    start(1, 1, 50);
    let started = next_event(&mut events).await;
    assert!(matches!(started, Event::Started { ticket: 1 }));
    start(2, 2, 1);
    let first = loop {
        match next_event(&mut events).await {
            Event::Started { .. } => (),
            Event::Rendered { ticket, pixels, .. } => break (ticket, pixels),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(first.0, 2);
    // What a room has under way is found where the room is.
    handle
        .send(RoomKey(1), Command::Cancel(1), &sender)
        .unwrap();
    let cancelled = next_event(&mut events).await;
    assert!(matches!(cancelled, Event::Superseded { ticket: 1 }));
    // Both make the same picture.
    start(1, 3, 1);
    let again = loop {
        match next_event(&mut events).await {
            Event::Started { .. } => (),
            Event::Rendered { ticket, pixels, .. } => break (ticket, pixels),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(again, (3, first.1));

    handle.set_loras(&[]).await.unwrap();
    let unknown = LoraWeight {
        name: "ink".to_owned(),
        weight: 1.0,
    };
    let refused = handle.set_loras(&[unknown]).await;
    assert!(matches!(refused, Err(EngineError::UnknownLora { .. })));
    // A room that never had a job, and one that has ended.
    for room in [1, 9] {
        handle
            .send(RoomKey(room), Command::ForgetRoom, &sender)
            .unwrap();
    }
    tokio::task::spawn_blocking(move || engines.shutdown())
        .await
        .unwrap();
}
