//! What an overload comes to.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::bench::report::Spread;
use crate::cli::machine::Machine;
use crate::pipeline::hundredths;
use crate::protocol::ModelInfo;

/// What was asked of the server.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// Rooms.
    pub rooms: u32,
    /// Members of each.
    pub members: u32,
    /// Rooms whose members are wild: the first ones.
    pub wild_rooms: u32,
    /// How wild: so many times as wide and as fast as a polite member.
    pub wildness: u32,
    /// How long it lasted.
    pub seconds: u32,
    /// Side of the canvases, in pixels.
    pub canvas: u32,
    /// Seed of the strokes.
    pub seed: u32,
}

/// What one member felt.
#[derive(Clone, Debug, Serialize)]
pub struct MemberReport {
    /// Its room's number.
    pub room: u32,
    /// Its own number there.
    pub member: u32,
    /// Whether its hand is wild.
    pub wild: bool,
    /// Milliseconds from a message of a stroke to its acknowledgement.
    pub ack_ms: Option<Spread>,
    /// Milliseconds from a stroke's last message to the first frame that the model made with it in
    /// sight.
    pub stroke_to_pixel_ms: Option<Spread>,
    /// Strokes, without those that were on their way when the load stopped.
    pub strokes: usize,
    /// Of those, how many were answered.
    pub answered: usize,
    /// And how many were not, in ten seconds.
    pub lost: usize,
    /// Milliseconds that the device spent on its room, as the room was told.
    pub room_device_ms: f64,
    /// Renders of its room by state.
    pub room_renders: BTreeMap<&'static str, usize>,
    /// What its room went without, by how often it was told of each level.
    pub strain: BTreeMap<String, usize>,
    /// What the server refused, with its number.
    pub refusals: BTreeMap<String, usize>,
    /// Why it did not stay to the end.
    pub ended: Option<String>,
}

/// Jain's index (Jain, Chiu, Hawe 1984): 1 where all got the same, 1/n where one of n got all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fairness {
    /// Of the device's time, over rooms. Polite rooms may want less than their share.
    pub rooms_device_time: Option<f64>,
    /// Of the same, over the wild rooms, which want all that they can get.
    pub wild_rooms_device_time: Option<f64>,
    /// Of answered strokes, over the polite members.
    pub polite_answered: Option<f64>,
    /// Of answered strokes, over the wild members.
    pub wild_answered: Option<f64>,
}

/// What `bench overload` prints.
#[derive(Debug, Serialize)]
pub struct OverloadReport {
    /// `overload`.
    pub bench: &'static str,
    /// Version of the measuring program.
    pub version: &'static str,
    /// What was asked.
    pub load: Load,
    /// What each member felt.
    pub members: Vec<MemberReport>,
    /// How evenly they were served.
    pub fairness: Fairness,
    /// Stroke-to-pixel times of a polite member before the load, in milliseconds.
    pub before_ms: Spread,
    /// Milliseconds from the end of the load until that member was served so again; none where it
    /// was not in two minutes.
    pub recovery_ms: Option<f64>,
    /// The model.
    pub model: ModelInfo,
    /// The machine.
    pub machine: Machine,
    /// The most memory that the server held, in MiB; None for a server that ran already.
    pub server_peak_mib: Option<u64>,
}

/// How evenly members and their rooms were served.
pub fn fairness_of(members: &[MemberReport]) -> Fairness {
    let mut by_room: BTreeMap<u32, (bool, f64)> = BTreeMap::new();
    for member in members {
        // Everybody in a room is told the same, unless it was let go.
        let (_, most) = by_room.entry(member.room).or_insert((member.wild, 0.0));
        *most = most.max(member.room_device_ms);
    }
    let rooms = by_room.values();
    let answered = |wild: bool| {
        let members = members.iter().filter(move |member| member.wild == wild);
        jain(members.map(|member| member.answered as f64))
    };
    Fairness {
        rooms_device_time: jain(rooms.clone().map(|(_, time)| *time)),
        wild_rooms_device_time: jain(rooms.filter(|(wild, _)| *wild).map(|(_, time)| *time)),
        polite_answered: answered(false),
        wild_answered: answered(true),
    }
}

/// Jain's index of shares; none where there are none, or nobody got anything.
fn jain(shares: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for share in shares {
        count += 1.0;
        sum += share;
        squares += share * share;
    }
    (squares > 0.0).then(|| hundredths(sum * sum / (count * squares)))
}

impl OverloadReport {
    /// For people.
    pub fn table(&self) -> String {
        let Load {
            rooms,
            members,
            wild_rooms,
            wildness,
            seconds,
            ..
        } = self.load;
        let mut lines = vec![
            format!(
                "{rooms} rooms of {members}, {wild_rooms} of them wild ({wildness} times), for \
                 {seconds} s; milliseconds"
            ),
            format!(
                "{:<14} {:>21}   {:>23}   {:>9}",
                "member", "ack p50 / p95 / p99", "to pixel p50 / p95 / p99", "answered"
            ),
        ];
        lines.extend(self.members.iter().map(MemberReport::line));
        let index = |index: Option<f64>| index.map_or("-".to_owned(), |index| format!("{index}"));
        let fairness = &self.fairness;
        lines.push(format!(
            "Jain's index: device time over rooms {} (over wild rooms {}), strokes answered over \
             polite members {}, over wild ones {}",
            index(fairness.rooms_device_time),
            index(fairness.wild_rooms_device_time),
            index(fairness.polite_answered),
            index(fairness.wild_answered),
        ));
        lines.push(strain_line(&self.members));
        lines.push(match self.recovery_ms {
            Some(recovery) => format!(
                "served as before (p50 {:.0} ms) {recovery:.0} ms after the load stopped",
                self.before_ms.p50
            ),
            None => "not served as before in the two minutes after the load stopped".to_owned(),
        });
        lines.join("\n")
    }
}

/// How many members were told of each level of strain.
fn strain_line(members: &[MemberReport]) -> String {
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for level in members.iter().flat_map(|member| member.strain.keys()) {
        *told.entry(level).or_default() += 1;
    }
    let told = told
        .iter()
        .map(|(level, members)| format!("{level} by {members}"));
    match told.collect::<Vec<_>>() {
        none if none.is_empty() => "no room went without anything".to_owned(),
        levels => format!("strain seen by members: {}", levels.join(", ")),
    }
}

impl MemberReport {
    fn line(&self) -> String {
        let three = |spread: &Option<Spread>| match spread {
            Some(spread) => format!("{:.0} / {:.0} / {:.0}", spread.p50, spread.p95, spread.p99),
            None => "-".to_owned(),
        };
        let name = format!(
            "{}.{} {}",
            self.room + 1,
            self.member + 1,
            if self.wild { "wild" } else { "polite" }
        );
        let answered = format!("{} of {}", self.answered, self.strokes);
        let ended = self.ended.as_ref();
        let ended = ended.map_or(String::new(), |why| format!("   {why}"));
        format!(
            "{name:<14} {:>21}   {:>23}   {answered:>9}{ended}",
            three(&self.ack_ms),
            three(&self.stroke_to_pixel_ms)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(room: u32, wild: bool, answered: usize, room_device_ms: f64) -> MemberReport {
        MemberReport {
            room,
            member: 0,
            wild,
            ack_ms: None,
            stroke_to_pixel_ms: Spread::of(&[120.0]),
            strokes: answered,
            answered,
            lost: 0,
            room_device_ms,
            room_renders: BTreeMap::new(),
            strain: BTreeMap::new(),
            refusals: BTreeMap::new(),
            ended: None,
        }
    }

    #[test]
    fn jain_is_one_where_all_got_the_same_and_the_least_where_one_got_all() {
        assert_eq!(jain([3.0, 3.0, 3.0].into_iter()), Some(1.0));
        assert_eq!(jain([9.0, 0.0, 0.0, 0.0].into_iter()), Some(0.25));
        assert_eq!(jain([0.0, 0.0].into_iter()), None);
        assert_eq!(jain(std::iter::empty()), None);
    }

    #[test]
    fn a_rooms_time_counts_once_whoever_was_told_of_it() {
        let members = [
            member(0, true, 5, 400.0),
            member(0, true, 5, 400.0),
            // Let go early.
            member(1, false, 1, 10.0),
            member(1, false, 3, 400.0),
        ];
        let fairness = fairness_of(&members);
        assert_eq!(fairness.rooms_device_time, Some(1.0));
        assert_eq!(fairness.wild_answered, Some(1.0));
        assert_eq!(fairness.polite_answered, Some(0.8));
    }

    #[test]
    fn strain_is_counted_by_who_was_told_of_it() {
        let mut members = [member(0, true, 5, 1.0), member(0, false, 5, 1.0)];
        assert_eq!(strain_line(&members), "no room went without anything");
        for (told, times) in members.iter_mut().zip([7, 1]) {
            told.strain.insert("fewer_steps".to_owned(), times);
        }
        assert_eq!(
            strain_line(&members),
            "strain seen by members: fewer_steps by 2"
        );
    }

    #[test]
    fn a_line_names_the_member_and_what_it_felt() {
        let line = member(0, true, 5, 1.0).line();
        assert!(line.starts_with("1.1 wild"), "{line}");
        assert!(
            line.contains("120 / 120 / 120") && line.ends_with("5 of 5"),
            "{line}"
        );
    }
}
