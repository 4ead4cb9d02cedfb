use std::sync::Arc;

use tokio::sync::mpsc;

use super::*;
use crate::canvas::{Mask, Pixels};
use crate::engine::priority_queue::Priority;
use crate::engine::request::{EVENTS_PER_JOB, Event};
use crate::pipeline::{Edit, Output, RenderSettings};
use crate::protocol::Rect;

fn render(room: u64, author: u128, ticket: u64, events: &mpsc::Sender<Event>) -> Job<RenderWork> {
    let edit = Edit {
        window: Rect::new(0, 0, 8, 8),
        sketch: Arc::new(Pixels::new(8, 8, [0; 3])),
        known: Arc::new(Pixels::new(8, 8, [0; 3])),
        mask: Arc::new(Mask::new(8, 8, u8::MAX)),
        settings: RenderSettings::default(),
        output: Output::plain(Rect::new(0, 0, 8, 8)),
        control: None,
        photo: None,
    };
    let author = Uuid::from_u128(author);
    Job {
        key: key(room, ticket),
        work: RenderWork {
            author,
            is_refinement: false,
            edit,
        },
        events: events.clone(),
    }
}

fn refinement(
    room: u64,
    author: u128,
    ticket: u64,
    events: &mpsc::Sender<Event>,
) -> Job<RenderWork> {
    let mut job = render(room, author, ticket, events);
    job.work.is_refinement = true;
    job
}

fn places(any: usize) -> Places {
    Places {
        waited_for: any,
        any,
    }
}

fn tickets(admitted: &Admitted) -> Vec<u64> {
    let begin = admitted.begin.iter();
    begin.map(|(waiting, _)| waiting.job.key.ticket).collect()
}

#[test]
fn the_latest_of_an_author_replaces_the_waiting_one() {
    let (events, mut received) = mpsc::channel(8);
    let queues = Admission::new(8);
    queues.render(render(1, 1, 10, &events)).unwrap();
    queues.render(render(1, 1, 11, &events)).unwrap();
    queues.render(render(1, 2, 12, &events)).unwrap();
    assert!(matches!(
        received.try_recv(),
        Ok(Event::Superseded { ticket: 10 })
    ));
    let admitted = queues.next(places(4)).unwrap();
    assert_eq!(tickets(&admitted), [11, 12]);
}

#[test]
fn a_refinement_waits_for_what_is_waited_for_but_not_for_ever() {
    let (events, _received) = mpsc::channel(8);
    let queues = Admission::new(8);
    queues.render(refinement(1, 1, 1, &events)).unwrap();
    queues.render(render(2, 2, 2, &events)).unwrap();
    queues.render(refinement(3, 3, 3, &events)).unwrap();
    queues.render(render(4, 4, 4, &events)).unwrap();
    assert_eq!(tickets(&queues.next(places(1)).unwrap()), [2]);
    // The device is at work on a refinement, which gives way.
    let gives_way = Places {
        waited_for: 1,
        any: 0,
    };
    assert_eq!(tickets(&queues.next(gives_way).unwrap()), [4]);
    assert!(queues.next(gives_way).unwrap().begin.is_empty());
    queues.render(render(5, 5, 5, &events)).unwrap();
    let later = Instant::now() + REFINED_WITHIN;
    let (waiting, _) = queues.lock().take_next(gives_way, later).unwrap();
    assert_eq!(waiting.job.key.ticket, 1, "it has waited long enough");
    assert_eq!(tickets(&queues.next(places(4)).unwrap()), [5, 3]);
}

#[test]
fn one_render_runs_per_author_and_only_a_cancel_stops_it() {
    let (events, _received) = mpsc::channel(8);
    let queues = Admission::new(8);
    queues.render(render(1, 1, 1, &events)).unwrap();
    let first = queues.next(places(4)).unwrap();
    let (_, running) = &first.begin[0];
    queues.render(render(1, 1, 2, &events)).unwrap();
    assert!(!running.is_cancelled.load(Ordering::Relaxed));
    assert!(queues.next(places(4)).unwrap().begin.is_empty());
    queues.render(render(1, 1, 3, &events)).unwrap();
    queues.cancel(key(1, 1));
    assert!(running.is_cancelled.load(Ordering::Relaxed));
    queues.ended(running, Duration::ZERO, false);
    assert_eq!(tickets(&queues.next(places(4)).unwrap()), [3]);
}

#[test]
fn a_busy_room_does_not_starve_another() {
    let (events, _received) = mpsc::channel(64);
    let queues = Admission::new(64);
    for member in 0..10 {
        queues
            .render(render(1, member, member as u64, &events))
            .unwrap();
    }
    queues.render(render(2, 1, 100, &events)).unwrap();
    assert_eq!(tickets(&queues.next(places(1)).unwrap()), [0]);
    assert_eq!(tickets(&queues.next(places(1)).unwrap()), [100]);
    assert_eq!(tickets(&queues.next(places(1)).unwrap()), [1]);
}

#[test]
fn rooms_share_the_device_by_what_their_renders_cost() {
    let (events, _received) = mpsc::channel(256);
    let queues = Admission::new(256);
    let mut tickets_given = 0;
    let mut spent = [Duration::ZERO; 2];
    for member in 0..3 {
        for room in [1, 2] {
            tickets_given += 1;
            queues
                .render(render(room, member, tickets_given, &events))
                .unwrap();
        }
    }
    for _ in 0..200 {
        let admitted = queues.next(places(1)).unwrap();
        let (waiting, running) = &admitted.begin[0];
        let room = waiting.job.key.room.0;
        let cost = Duration::from_millis(if room == 1 { 200 } else { 50 });
        spent[room as usize - 1] += cost;
        queues.ended(running, cost, true);
        // It wants the next one at once.
        tickets_given += 1;
        let author = waiting.job.work.author.as_u128();
        queues
            .render(render(room, author, tickets_given, &events))
            .unwrap();
    }
    let difference = spent[0].abs_diff(spent[1]);
    assert!(difference <= Duration::from_millis(400), "{spent:?}");
}

#[test]
fn pictures_without_a_room_have_one_rooms_share_however_many_they_are() {
    let (events, _received) = mpsc::channel(256);
    let queues = Admission::new(256);
    let none = RoomKey::NO_ROOM;
    let mut spent = [Duration::ZERO; 2];
    queues.render(render(none.0, 1, 1, &events)).unwrap();
    queues.render(render(2, 1, 2, &events)).unwrap();
    for number in 3..203u64 {
        let admitted = queues.next(places(1)).unwrap();
        let (waiting, running) = &admitted.begin[0];
        let room = waiting.job.key.room;
        let cost = Duration::from_millis(if room == none { 200 } else { 50 });
        spent[usize::from(room != none)] += cost;
        queues.ended(running, cost, true);
        if room == none {
            queues.forget_room(none);
        }
        // The next picture is another author's.
        let author = if room == none { number.into() } else { 1 };
        queues
            .render(render(room.0, author, number, &events))
            .unwrap();
    }
    let difference = spent[0].abs_diff(spent[1]);
    assert!(difference <= Duration::from_millis(400), "{spent:?}");
}

#[test]
fn a_forgotten_room_leaves_nothing() {
    let (events, mut received) = mpsc::channel(8);
    let queues = Admission::new(8);
    queues.render(render(1, 1, 1, &events)).unwrap();
    let admitted = queues.next(places(1)).unwrap();
    queues.render(render(1, 1, 2, &events)).unwrap();
    queues.forget_room(RoomKey(1));
    assert!(matches!(
        received.try_recv(),
        Ok(Event::Superseded { ticket: 2 })
    ));
    assert!(admitted.begin[0].1.is_cancelled.load(Ordering::Relaxed));
    assert_eq!(queues.next(places(1)).unwrap().forgotten, [RoomKey(1)]);
}

fn inversion(room: u64, ticket: u64, events: &mpsc::Sender<Event>) -> Job<InversionWork> {
    let rect = Rect::new(0, 0, 8, 8);
    Job {
        key: key(room, ticket),
        work: InversionWork {
            photo: 1,
            rect,
            core: rect,
            pixels: Arc::new(Pixels::new(8, 8, [0; 3])),
            prompt: String::new(),
            steps: 2,
            refinements: 1,
            priority: Priority::Prefetch,
        },
        events: events.clone(),
    }
}

/// The ticket whose turn it is, and whether it begins.
fn turn(queues: &Admission) -> Option<(u64, bool)> {
    queues.inversion_turn().map(|turn| match turn {
        InversionTurn::Begin(waiting) => (waiting.job.key.ticket, true),
        InversionTurn::GoOn(key) => (key.ticket, false),
    })
}

fn key(room: u64, ticket: u64) -> JobKey {
    let room = RoomKey(room);
    JobKey { room, ticket }
}

#[test]
fn an_awaited_inversion_takes_the_next_step_and_the_others_go_on_later() {
    let (events, _received) = mpsc::channel(8 * EVENTS_PER_JOB);
    let queues = Admission::new(8);
    queues.invert(inversion(1, 1, &events)).unwrap();
    queues.invert(inversion(2, 2, &events)).unwrap();
    assert_eq!(turn(&queues), Some((1, true)));
    assert_eq!(turn(&queues), Some((1, false)), "one ends before the next");
    let mut urgent = inversion(2, 3, &events);
    urgent.work.priority = Priority::Interactive;
    queues.invert(urgent).unwrap();
    assert_eq!(turn(&queues), Some((3, true)));
    queues.prioritise(key(1, 2));
    queues.prioritise(key(2, 2));
    assert_eq!(
        turn(&queues),
        Some((3, false)),
        "the first that was waited for"
    );
    queues.inversion_found(key(2, 3));
    assert_eq!(turn(&queues), Some((2, true)), "its way back can wait");
    queues.inversion_found(key(2, 2));
    assert_eq!(
        turn(&queues),
        Some((3, false)),
        "but not for what nobody waits for"
    );
    for (room, ticket) in [(2, 3), (2, 2), (1, 1)] {
        assert_eq!(turn(&queues), Some((ticket, false)));
        queues.inversion_ended(key(room, ticket));
    }
    assert_eq!(turn(&queues), None);
}

#[test]
fn inversions_can_be_stopped_waiting_or_under_way() {
    let (events, mut received) = mpsc::channel(8 * EVENTS_PER_JOB);
    let mut superseded = move || match received.try_recv() {
        Ok(Event::Superseded { ticket }) => Some(ticket),
        _ => None,
    };
    let queues = Admission::new(3);
    for ticket in 1..=3 {
        queues.invert(inversion(1, ticket, &events)).unwrap();
    }
    let refused = queues.invert(inversion(2, 4, &events));
    assert!(matches!(refused, Err(EngineError::Overloaded)));
    assert_eq!(turn(&queues), Some((1, true)));
    queues.cancel(key(1, 2));
    assert_eq!(superseded(), Some(2));
    queues.cancel(key(2, 1));
    assert_eq!(turn(&queues), Some((1, false)), "another room's");
    queues.cancel(key(1, 1));
    queues.cancel(key(1, 1));
    assert_eq!(superseded(), None, "the device tells it");
    assert_eq!(queues.next(places(4)).unwrap().stopped, [key(1, 1)], "once");
    assert_eq!(turn(&queues), Some((3, true)));
    queues.cancel(key(1, 3));
    queues.inversion_ended(key(1, 3));
    // Nothing is left of it; something else wakes the device.
    queues.forget_photo(RoomKey(1), 1);
    assert!(
        queues.next(places(4)).unwrap().stopped.is_empty(),
        "ended meanwhile"
    );

    queues.invert(inversion(1, 5, &events)).unwrap();
    queues.invert(inversion(1, 6, &events)).unwrap();
    queues.invert(inversion(2, 7, &events)).unwrap();
    assert_eq!(turn(&queues), Some((5, true)));
    queues.forget_room(RoomKey(1));
    assert_eq!(superseded(), Some(6));
    assert_eq!(queues.next(places(4)).unwrap().stopped, [key(1, 5)]);
    queues.close();
    assert_eq!(superseded(), Some(7));
    assert_eq!(superseded(), None, "each once");
}

#[test]
fn loras_are_changed_between_renders() {
    let (events, _received) = mpsc::channel(8);
    let queues = Admission::new(8);
    let change = || {
        let (done, told) = tokio::sync::oneshot::channel();
        let choices = Vec::new();
        (LoraChange { choices, done }, told)
    };
    queues.render(render(1, 1, 1, &events)).unwrap();
    let first = queues.next(places(4)).unwrap();
    queues.render(render(1, 2, 2, &events)).unwrap();
    queues.change_loras(change().0).unwrap();
    let refused = queues.change_loras(change().0);
    assert!(matches!(refused, Err(EngineError::Switching)));
    let busy = queues.next(places(4)).unwrap();
    assert!(busy.loras.is_none() && busy.begin.is_empty());
    queues.ended(&first.begin[0].1, Duration::ZERO, false);
    let quiet = queues.next(places(4)).unwrap();
    assert!(quiet.loras.is_some(), "nothing is under way");
    assert_eq!(tickets(&quiet), [2], "to begin after the change");

    let (waiting, mut told) = change();
    queues.change_loras(waiting).unwrap();
    queues.close();
    assert!(told.try_recv().is_err(), "nobody will do it");
    let refused = queues.change_loras(change().0);
    assert!(matches!(refused, Err(EngineError::Stopped)));
}

#[test]
fn a_full_or_closed_queue_refuses() {
    let (events, received) = mpsc::channel(8);
    let queues = Arc::new(Admission::new(1));
    queues.render(render(1, 1, 1, &events)).unwrap();
    let refused = queues.render(render(1, 2, 2, &events));
    assert!(matches!(refused, Err(EngineError::Overloaded)));
    drop(received);
    assert!(
        queues.lock().take_next(places(1), Instant::now()).is_none(),
        "a request whose room is gone is dropped"
    );
    queues.close();
    let refused = queues.render(render(1, 1, 3, &events));
    assert!(matches!(refused, Err(EngineError::Stopped)));
    assert!(queues.next(places(1)).is_none());
}
