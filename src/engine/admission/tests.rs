use std::sync::Arc;

use tokio::sync::mpsc;

use super::*;
use crate::canvas::{Mask, Pixels};
use crate::engine::{EVENTS_PER_INVERSION, InversionEvent, InversionRequest};
use crate::pipeline::{Edit, Output, RenderSettings};
use crate::protocol::Rect;

fn request(
    room: u64,
    member: u128,
    ticket: u64,
    supersede: bool,
    events: &mpsc::Sender<RenderEvent>,
) -> RenderRequest {
    let settings = RenderSettings::default();
    RenderRequest {
        room: RoomKey(room),
        member: Uuid::from_u128(member),
        ticket,
        edit: Edit {
            window: Rect::new(0, 0, 8, 8),
            sketch: Arc::new(Pixels::new(8, 8, [0; 3])),
            known: Arc::new(Pixels::new(8, 8, [0; 3])),
            mask: Arc::new(Mask::new(8, 8, u8::MAX)),
            settings,
            output: Output::plain(Rect::new(0, 0, 8, 8)),
            photo: None,
        },
        supersede,
        events: events.clone(),
    }
}

fn tickets(admitted: &Admitted) -> Vec<u64> {
    admitted
        .begin
        .iter()
        .map(|(waiting, _)| waiting.request.ticket)
        .collect()
}

#[test]
fn the_latest_of_a_member_replaces_the_waiting_one() {
    let (events, mut heard) = mpsc::channel(8);
    let line = Admission::new(8);
    line.submit(request(1, 1, 10, false, &events)).unwrap();
    line.submit(request(1, 1, 11, false, &events)).unwrap();
    line.submit(request(1, 2, 12, false, &events)).unwrap();
    assert!(matches!(
        heard.try_recv(),
        Ok(RenderEvent::Superseded { ticket: 10 })
    ));
    let admitted = line.next(4).unwrap();
    assert_eq!(tickets(&admitted), [11, 12]);
}

#[test]
fn one_render_runs_per_member_and_only_supersede_stops_it() {
    let (events, _heard) = mpsc::channel(8);
    let line = Admission::new(8);
    line.submit(request(1, 1, 1, false, &events)).unwrap();
    let first = line.next(4).unwrap();
    let (_, running) = &first.begin[0];
    line.submit(request(1, 1, 2, false, &events)).unwrap();
    assert!(!running.superseded.load(Ordering::Relaxed));
    assert!(line.next(4).unwrap().begin.is_empty());
    line.submit(request(1, 1, 3, true, &events)).unwrap();
    assert!(running.superseded.load(Ordering::Relaxed));
    line.ended(running);
    assert_eq!(tickets(&line.next(4).unwrap()), [3]);
}

#[test]
fn a_busy_room_does_not_starve_another() {
    let (events, _heard) = mpsc::channel(64);
    let line = Admission::new(64);
    for member in 0..10 {
        line.submit(request(1, member, member as u64, false, &events))
            .unwrap();
    }
    line.submit(request(2, 1, 100, false, &events)).unwrap();
    assert_eq!(tickets(&line.next(1).unwrap()), [0]);
    assert_eq!(tickets(&line.next(1).unwrap()), [100]);
    assert_eq!(tickets(&line.next(1).unwrap()), [1]);
}

#[test]
fn a_forgotten_room_leaves_nothing() {
    let (events, mut heard) = mpsc::channel(8);
    let line = Admission::new(8);
    line.submit(request(1, 1, 1, false, &events)).unwrap();
    let admitted = line.next(1).unwrap();
    line.submit(request(1, 1, 2, false, &events)).unwrap();
    line.forget_room(RoomKey(1));
    assert!(matches!(
        heard.try_recv(),
        Ok(RenderEvent::Superseded { ticket: 2 })
    ));
    assert!(admitted.begin[0].1.superseded.load(Ordering::Relaxed));
    assert_eq!(line.next(1).unwrap().forgotten, [RoomKey(1)]);
}

fn inversion(room: u64, ticket: u64, events: &mpsc::Sender<InversionEvent>) -> InversionRequest {
    let rect = Rect::new(0, 0, 8, 8);
    InversionRequest {
        room: RoomKey(room),
        photo: 1,
        ticket,
        rect,
        core: rect,
        pixels: Arc::new(Pixels::new(8, 8, [0; 3])),
        prompt: String::new(),
        steps: 2,
        refinements: 1,
        is_wanted: false,
        events: events.clone(),
    }
}

/// The ticket whose turn it is, and whether it begins.
fn turn(line: &Admission) -> Option<(u64, bool)> {
    line.inversion_turn().map(|turn| match turn {
        InversionTurn::Begin(waiting) => (waiting.request.ticket, true),
        InversionTurn::GoOn(key) => (key.ticket, false),
    })
}

fn key(room: u64, ticket: u64) -> InversionKey {
    let room = RoomKey(room);
    InversionKey { room, ticket }
}

#[test]
fn a_wanted_inversion_takes_the_next_step_and_the_others_go_on_later() {
    let (events, _heard) = mpsc::channel(8 * EVENTS_PER_INVERSION);
    let line = Admission::new(8);
    line.invert(inversion(1, 1, &events)).unwrap();
    line.invert(inversion(2, 2, &events)).unwrap();
    assert_eq!(turn(&line), Some((1, true)));
    assert_eq!(turn(&line), Some((1, false)), "one ends before the next");
    let wanted = InversionRequest {
        is_wanted: true,
        ..inversion(2, 3, &events)
    };
    line.invert(wanted).unwrap();
    assert_eq!(turn(&line), Some((3, true)));
    line.want_inversion(RoomKey(1), 2);
    line.want_inversion(RoomKey(2), 2);
    assert_eq!(turn(&line), Some((3, false)), "the first that was wanted");
    line.inversion_turned(key(2, 3));
    assert_eq!(turn(&line), Some((2, true)), "its way back can wait");
    line.inversion_turned(key(2, 2));
    assert_eq!(
        turn(&line),
        Some((3, false)),
        "but not for what nobody wants"
    );
    for (room, ticket) in [(2, 3), (2, 2), (1, 1)] {
        assert_eq!(turn(&line), Some((ticket, false)));
        line.inversion_ended(key(room, ticket));
    }
    assert_eq!(turn(&line), None);
}

#[test]
fn inversions_can_be_stopped_waiting_or_under_way() {
    let (events, mut heard) = mpsc::channel(8 * EVENTS_PER_INVERSION);
    let mut superseded = move || match heard.try_recv() {
        Ok(InversionEvent::Superseded { ticket }) => Some(ticket),
        _ => None,
    };
    let line = Admission::new(3);
    for ticket in 1..=3 {
        line.invert(inversion(1, ticket, &events)).unwrap();
    }
    let refused = line.invert(inversion(2, 4, &events));
    assert!(matches!(refused, Err(EngineError::Overloaded)));
    assert_eq!(turn(&line), Some((1, true)));
    line.cancel_inversion(RoomKey(1), 2);
    assert_eq!(superseded(), Some(2));
    line.cancel_inversion(RoomKey(2), 1);
    assert_eq!(turn(&line), Some((1, false)), "another room's");
    line.cancel_inversion(RoomKey(1), 1);
    line.cancel_inversion(RoomKey(1), 1);
    assert_eq!(superseded(), None, "the device tells it");
    assert_eq!(line.next(4).unwrap().stopped, [key(1, 1)], "once");
    assert_eq!(turn(&line), Some((3, true)));
    line.cancel_inversion(RoomKey(1), 3);
    line.inversion_ended(key(1, 3));
    // Nothing is left of it; something else wakes the device.
    line.forget_photo(RoomKey(1), 1);
    assert!(line.next(4).unwrap().stopped.is_empty(), "ended meanwhile");

    line.invert(inversion(1, 5, &events)).unwrap();
    line.invert(inversion(1, 6, &events)).unwrap();
    line.invert(inversion(2, 7, &events)).unwrap();
    assert_eq!(turn(&line), Some((5, true)));
    line.forget_room(RoomKey(1));
    assert_eq!(superseded(), Some(6));
    assert_eq!(line.next(4).unwrap().stopped, [key(1, 5)]);
    line.close();
    assert_eq!(superseded(), Some(7));
    assert_eq!(superseded(), None, "each once");
}

#[test]
fn loras_are_switched_between_renders() {
    let (events, _heard) = mpsc::channel(8);
    let line = Admission::new(8);
    let switch = || {
        let (done, told) = tokio::sync::oneshot::channel();
        let choices = Vec::new();
        (LoraSwitch { choices, done }, told)
    };
    line.submit(request(1, 1, 1, false, &events)).unwrap();
    let first = line.next(4).unwrap();
    line.submit(request(1, 2, 2, false, &events)).unwrap();
    line.switch_loras(switch().0).unwrap();
    let refused = line.switch_loras(switch().0);
    assert!(matches!(refused, Err(EngineError::Switching)));
    let busy = line.next(4).unwrap();
    assert!(busy.switch.is_none() && busy.begin.is_empty());
    line.ended(&first.begin[0].1);
    let quiet = line.next(4).unwrap();
    assert!(quiet.switch.is_some(), "nothing is under way");
    assert_eq!(tickets(&quiet), [2], "to begin after the switch");

    let (waiting, mut told) = switch();
    line.switch_loras(waiting).unwrap();
    line.close();
    assert!(told.try_recv().is_err(), "nobody will do it");
    let refused = line.switch_loras(switch().0);
    assert!(matches!(refused, Err(EngineError::Stopped)));
}

#[test]
fn a_full_or_closed_line_refuses() {
    let (events, heard) = mpsc::channel(8);
    let line = Arc::new(Admission::new(1));
    line.submit(request(1, 1, 1, false, &events)).unwrap();
    let refused = line.submit(request(1, 2, 2, false, &events));
    assert!(matches!(refused, Err(EngineError::Overloaded)));
    drop(heard);
    assert!(
        line.lock().take_fair().is_none(),
        "a request whose room is gone is dropped"
    );
    line.close();
    let refused = line.submit(request(1, 1, 3, false, &events));
    assert!(matches!(refused, Err(EngineError::Stopped)));
    assert!(line.next(1).is_none());
}
