use tokio::sync::mpsc;
use uuid::Uuid;

use super::*;
use crate::canvas::Mask;
use crate::engine::keys::JobKey;
use crate::engine::request::Event;
use crate::model::{LoadOptions, Model};
use crate::pipeline::{Output, RenderSettings};
use crate::protocol::Rect;

const ROOM: RoomKey = RoomKey(1);
const PLACES: Places = Places {
    waited_for: 1,
    any: 1,
};

fn worker() -> Worker {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/storybook");
    let model = Model::load(&folder, &LoadOptions::default()).unwrap();
    let pipeline = Pipeline::new(model, 8).unwrap();
    let (loras, _) = watch::channel(Vec::new());
    let admission = Arc::new(Admission::new(4));
    let latent_parent = std::env::temp_dir();
    let device = "cpu".to_owned();
    Worker::new(
        pipeline,
        admission,
        1,
        1 << 20,
        latent_parent,
        loras,
        device,
    )
}

fn job(ticket: u64, events: &mpsc::Sender<Event>) -> Job<RenderWork> {
    let window = Rect::new(0, 0, 128, 128);
    let sketch = Arc::new(Pixels::new(128, 128, [200, 30, 20]));
    let settings = RenderSettings {
        prompt: "a red apple".to_owned(),
        steps: 2,
        sampler: "lcm".to_owned(),
        ..RenderSettings::default()
    };
    let edit = Edit {
        window,
        known: sketch.clone(),
        sketch,
        mask: Arc::new(Mask::new(128, 128, u8::MAX)),
        settings,
        output: Output::plain(window),
        control: None,
        photo: None,
    };
    let key = JobKey { room: ROOM, ticket };
    let work = RenderWork {
        author: Uuid::nil(),
        is_refinement: false,
        edit,
    };
    let events = events.clone();
    Job { key, work, events }
}

/// The next render, as the worker gets it.
fn admitted(worker: &Worker, job: Job<RenderWork>) -> (Waiting, Running) {
    worker.admission.render(job).unwrap();
    worker.admission.next(PLACES).unwrap().begin.pop().unwrap()
}

fn states(received: &mut mpsc::Receiver<Event>) -> Vec<&'static str> {
    let mut states = Vec::new();
    while let Ok(event) = received.try_recv() {
        states.push(match event {
            Event::Started { .. } => "started",
            Event::Rendered { .. } => "rendered",
            Event::Superseded { .. } => "superseded",
            Event::Failed { .. } => "failed",
            _ => "other",
        });
    }
    states
}

#[test]
fn a_cancelled_render_ends_in_the_middle_of_a_network_and_leaves_the_device_as_it_was() {
    let mut worker = worker();
    let (events, mut received) = mpsc::channel(16);

    // While its sketch is encoded.
    let (waiting, running) = admitted(&worker, job(1, &events));
    running.is_cancelled.store(true, Ordering::Relaxed);
    assert!(worker.begin(waiting, running).is_none());
    assert_eq!(states(&mut received), ["started", "superseded"]);

    // While its step is taken.
    let (waiting, running) = admitted(&worker, job(2, &events));
    let flag = running.is_cancelled.clone();
    let begun = worker.begin(waiting, running).unwrap();
    flag.store(true, Ordering::Relaxed);
    assert!(worker.step(vec![begun]).is_empty());
    assert_eq!(states(&mut received), ["started", "superseded"]);

    // The next one is whole.
    let (waiting, running) = admitted(&worker, job(3, &events));
    let mut active = vec![worker.begin(waiting, running).unwrap()];
    while !active.is_empty() {
        active = worker.step(active);
        active = worker.finish_done(active);
    }
    assert_eq!(states(&mut received), ["started", "rendered"]);
}
