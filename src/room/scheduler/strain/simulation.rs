//! Rooms that paint on a device that is too slow for them: what each goes without, and when.

use super::*;

/// The model's window, in which `usual` steps take this long on a device of speed 1: about what the
/// bundled model takes on two cores.
const ENCODE: u64 = 22;
const STEP: u64 = 10;
const USUAL_STEPS: u32 = 2;
const RULES: WindowRules = WindowRules {
    zoom: 1,
    grid: 8,
    context: 16,
    minimum: 128,
    maximum: 256,
};
/// A hand sends a message so often, in milliseconds.
const CHUNK: u64 = 50;
/// A stroke of so many messages, and a pause as long as so many.
const STROKE: u64 = 12;
const PAUSE: u64 = 4;

/// A room in which somebody paints stroke after stroke.
struct Room {
    strain: Strain,
    /// When its hand was put down first.
    begun: u64,
    /// Something is painted that no render has seen.
    is_dirty: bool,
    /// When its render was sent out, while it waits.
    submitted: Option<u64>,
    is_running: bool,
    /// The level after each millisecond.
    levels: Vec<StrainLevel>,
}

struct Device {
    /// How many times slower than one of speed 1.
    slowness: u64,
    /// The room that it renders for, and until when.
    running: Option<(usize, u64)>,
    /// Rooms that wait, the first one first.
    queue: Vec<usize>,
}

impl Room {
    /// The hand is down, or it was lifted just now.
    fn hand(&self, now: u64) -> (bool, bool) {
        let time = now.saturating_sub(self.begun) / CHUNK % (STROKE + PAUSE);
        (time < STROKE, time == STROKE)
    }

    /// What a render takes of a device of speed 1.
    fn cost(&self) -> u64 {
        let side = u64::from(self.strain.live_rules(RULES).maximum);
        let steps = u64::from(self.strain.live_steps(USUAL_STEPS));
        (ENCODE + STEP * steps) * side * side / (256 * 256)
    }
}

/// What the levels of `count` rooms were, millisecond by millisecond: they paint for `painted` and
/// then look on for as long as they need to calm down.
fn simulate(count: usize, slowness: u64, seed: u64, painted: u64) -> Vec<Vec<StrainLevel>> {
    let start = Instant::now();
    let at = |time| start + Duration::from_millis(time);
    let mut rooms: Vec<Room> = (0..count as u64)
        .map(|room| Room {
            strain: Strain::default(),
            // Hands are not put down together.
            begun: (room * 7919 + seed * 104_729) % 800,
            is_dirty: false,
            submitted: None,
            is_running: false,
            levels: Vec::new(),
        })
        .collect();
    let mut device = Device {
        slowness,
        running: None,
        queue: Vec::new(),
    };
    for now in 0..painted + 20_000 {
        if let Some((done, until)) = device.running
            && until <= now
        {
            rooms[done].is_running = false;
            device.running = None;
        }
        for (number, room) in rooms.iter_mut().enumerate() {
            let (is_down, is_lifted) = room.hand(now);
            let paints = now >= room.begun && now < painted;
            if paints && is_down && (now - room.begun).is_multiple_of(CHUNK) {
                room.is_dirty = true;
            }
            let waits_for_hand = room.strain.level() == StrainLevel::Busy && paints && is_down;
            let is_free = room.submitted.is_none() && !room.is_running;
            if room.is_dirty && is_free && (!waits_for_hand || is_lifted) {
                room.is_dirty = false;
                room.submitted = Some(now);
                device.queue.push(number);
            }
        }
        if device.running.is_none() && !device.queue.is_empty() {
            let number = device.queue.remove(0);
            let room = &mut rooms[number];
            let since = room.submitted.take().unwrap();
            room.strain
                .waited(Duration::from_millis(now - since), at(now));
            room.is_running = true;
            device.running = Some((number, now + room.cost() * device.slowness));
        }
        for room in &mut rooms {
            if room.submitted.is_none() && !room.is_running {
                room.strain.rest(at(now));
            }
            room.levels.push(room.strain.level());
        }
    }
    rooms.into_iter().map(|room| room.levels).collect()
}

fn most(levels: &[StrainLevel]) -> usize {
    let place = |level: &StrainLevel| LEVELS.iter().position(|known| known == level).unwrap();
    levels.iter().map(place).max().unwrap()
}

fn changes(levels: &[StrainLevel]) -> usize {
    levels.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

const MINUTE: u64 = 60_000;

#[test]
fn a_device_that_keeps_up_takes_nothing_away() {
    for seed in 0..20 {
        for (rooms, slowness) in [(1, 5), (4, 1), (8, 1)] {
            for levels in simulate(rooms, slowness, seed, MINUTE) {
                assert_eq!(most(&levels), 0, "{rooms} rooms, {slowness} times, {seed}");
            }
        }
    }
}

#[test]
fn the_slower_the_device_the_more_rooms_go_without_and_all_of_it_comes_back() {
    for seed in 0..20 {
        let mut before = 0.0;
        for slowness in [1, 2, 4, 8, 16] {
            let rooms = simulate(8, slowness, seed, MINUTE);
            let painted = rooms.iter().map(|levels| &levels[..MINUTE as usize]);
            let places = painted.map(|levels| {
                let place =
                    |level: &StrainLevel| LEVELS.iter().position(|known| known == level).unwrap();
                levels.iter().map(place).sum::<usize>() as f64 / MINUTE as f64
            });
            let mean = places.sum::<f64>() / rooms.len() as f64;
            assert!(mean >= before - 0.1, "{slowness} times, seed {seed}");
            before = mean;
            for levels in rooms {
                let told = format!("{slowness} times, seed {seed}");
                assert_eq!(levels.last(), Some(&StrainLevel::Calm), "{told}");
                let swings = changes(&levels);
                assert!(swings <= 16, "{told}: {swings} changes in a minute");
            }
        }
        assert!(before > 2.0, "seed {seed}: {before}");
    }
}
