use super::*;

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn long_waits_take_away_a_level_after_another_and_calm_gives_them_back() {
    let start = Instant::now();
    let mut strain = Strain::default();
    let mut seen = vec![strain.level()];
    let note = |strain: &Strain, seen: &mut Vec<StrainLevel>| {
        if seen.last() != Some(&strain.level()) {
            seen.push(strain.level());
        }
    };
    for moment in (0..6000).step_by(500) {
        strain.waited(milliseconds(500), start + milliseconds(moment));
        note(&strain, &mut seen);
    }
    assert_eq!(seen, LEVELS);
    assert_eq!(strain.retry_after(), Some(DOWN_AFTER));
    let mut now = start + milliseconds(6000);
    strain.rest(now);
    let mut levels = 0;
    while let Some(then) = strain.falls_at() {
        assert!(then > now, "a deadline lies ahead");
        now = then;
        strain.rest(now);
        levels += 1;
        note(&strain, &mut seen);
    }
    assert_eq!(levels, 3);
    let back = [2, 1, 0].map(|level| LEVELS[level]);
    assert_eq!(seen[4..], back);
    assert_eq!(strain.live_steps(4), 4);
}

#[test]
fn one_long_wait_among_short_ones_changes_nothing() {
    let start = Instant::now();
    let mut strain = Strain::default();
    for round in 0..40 {
        let now = start + milliseconds(100 * round);
        let wait = if round % 4 == 0 { 450 } else { 20 };
        strain.waited(milliseconds(wait), now);
        assert_eq!(strain.level(), StrainLevel::Calm);
    }
}

#[test]
fn waits_in_between_keep_the_level() {
    let start = Instant::now();
    let mut strain = Strain::default();
    strain.waited(milliseconds(700), start);
    assert_eq!(strain.level(), StrainLevel::FewerSteps);
    for round in 1..100 {
        strain.waited(milliseconds(250), start + milliseconds(100 * round));
        assert_eq!(strain.level(), StrainLevel::FewerSteps);
    }
    assert_eq!(strain.falls_at(), None);
}

#[test]
fn every_level_costs_less_than_the_one_before() {
    let rules = WindowRules {
        zoom: 1,
        grid: 64,
        context: 16,
        minimum: 128,
        maximum: 512,
    };
    let mut strain = Strain::default();
    let mut last = (u32::MAX, u32::MAX, Duration::ZERO);
    for level in 0..LEVELS.len() {
        strain.level = level;
        let steps = strain.live_steps(8);
        let side = strain.live_rules(rules).maximum;
        let rest = strain.rest_time(milliseconds(400));
        assert!(steps >= 1 && side.is_multiple_of(rules.grid) && side >= rules.minimum);
        assert!(steps <= last.0 && side <= last.1 && rest >= last.2);
        last = (steps, side, rest);
    }
    assert_eq!(last, (1, 256, milliseconds(1600)));
}

#[test]
fn a_level_that_is_needed_again_at_once_stays_longer() {
    let mut now = Instant::now();
    let mut strain = Strain::default();
    let mut stayed = Vec::new();
    for _ in 0..4 {
        strain.waited(milliseconds(700), now);
        assert_eq!(strain.level(), StrainLevel::FewerSteps);
        strain.rest(now);
        let falls = strain.falls_at().unwrap();
        stayed.push(falls - now);
        now = falls;
        strain.rest(now);
        assert_eq!(strain.level(), StrainLevel::Calm);
        now += milliseconds(1000);
    }
    assert_eq!(stayed, [2, 4, 8, 8].map(Duration::from_secs));
    now += BACK_SOON;
    strain.waited(milliseconds(700), now);
    strain.rest(now);
    assert_eq!(
        strain.falls_at(),
        Some(now + DOWN_AFTER),
        "it was not needed for long"
    );
}
