//! What a load asks of the server.

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::Failure;
use crate::cli::bench::server::ServerFlags;

/// Rooms and members that the bench's own server takes beside those of the load.
pub const SPARE: u32 = 4;
/// Connections that the bench's own server takes beside those of members.
const WAITING: u32 = 300;
/// The server takes 120 messages a second of a member: more would measure refusals.
const MOST_MESSAGES: u32 = 100;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadCase {
    /// 50 painters in one room at 20 messages a second: acknowledgements, and delivery to the others
    Crowd,
    /// 200 rooms that together send 5,000 stroke messages a second
    Rooms,
    /// Members who do nothing: what each takes of the server's memory
    Idle,
    /// A member that reads 1 KiB a second: what the others wait for with it and without
    Slow,
    /// 500 members come back after the server was killed and started again
    Reconnect,
}

/// Flags of `bench load`; what is left out is the case's own.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// Which server is measured.
    #[command(flatten)]
    pub server: ServerFlags,
    /// What is measured
    #[arg(long, value_enum)]
    pub case: LoadCase,
    /// Rooms [default: 1, 200 of `rooms`, as many as their members need of `idle` and `reconnect`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rooms: Option<u32>,
    /// Members of each room [default: 50 of `crowd`, 1 of `rooms`, 20 of `slow` and `reconnect`, 64 of
    /// `idle`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub members: Option<u32>,
    /// Messages that each painter sends in a second [default: 20, 25 of `rooms`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_MESSAGES)))]
    pub rate: Option<u32>,
    /// Members of `idle` [default: 2000] and `reconnect` [default: 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub sockets: Option<u32>,
    /// How long members paint, in seconds; of `slow` in each of its four parts
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Side of the square canvases, a multiple of 64
    #[arg(long, value_name = "PIXELS", default_value_t = 512)]
    pub canvas: u32,
    /// Rooms without renders: painters switch `live` off, so that the device has nothing to do
    #[arg(long)]
    pub no_renders: bool,
    /// Seed of the strokes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u32,
    /// Prints one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// What is asked of the server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Rooms.
    pub rooms: u32,
    /// Members of each, at most.
    pub members: u32,
    /// All members.
    pub sockets: u32,
    /// Messages that each painter sends in a second; none where nobody paints.
    pub messages_per_second: Option<u32>,
    /// How long they paint.
    pub seconds: u32,
    /// Side of the canvases, in pixels.
    pub canvas: u32,
    /// Whether strokes are rendered.
    pub renders: bool,
    /// Seed of the strokes.
    pub seed: u32,
}

/// What the flags come to.
///
/// # Errors
/// When they do not fit the case.
pub fn plan_of(args: &LoadArgs) -> Result<Plan, Failure> {
    if !(64..=4096).contains(&args.canvas) || !args.canvas.is_multiple_of(64) {
        return Err(Failure::usage(
            "--canvas takes a multiple of 64 from 64 to 4096",
        ));
    }
    let own = matches!(args.case, LoadCase::Idle | LoadCase::Reconnect);
    if own && args.server.url.is_some() {
        return Err(Failure::usage(
            "this case looks into a server of its own: leave out --url",
        ));
    }
    if !own && args.sockets.is_some() {
        return Err(Failure::usage(
            "--sockets is for the cases idle and reconnect: give --rooms and --members",
        ));
    }
    let (rooms, members, rate) = match args.case {
        LoadCase::Crowd => (1, 50, 20),
        LoadCase::Rooms => (200, 1, 25),
        LoadCase::Slow => (1, 20, 20),
        LoadCase::Idle => (0, 64, 0),
        LoadCase::Reconnect => (0, 20, 0),
    };
    let members = args.members.unwrap_or(members);
    let rooms = args.rooms.unwrap_or(rooms);
    let (rooms, sockets) = match (own, args.case, args.sockets) {
        (true, case, wanted) => {
            let usual = if case == LoadCase::Idle { 2000 } else { 500 };
            let sockets = wanted.unwrap_or(usual);
            (rooms.max(sockets.div_ceil(members)), sockets)
        }
        _ => (rooms, rooms.saturating_mul(members)),
    };
    if sockets < rooms {
        return Err(Failure::usage(format!(
            "--rooms is {rooms}, but there are {sockets} members: give it fewer, or more --sockets"
        )));
    }
    Ok(Plan {
        rooms,
        members,
        sockets,
        messages_per_second: (!own).then(|| args.rate.unwrap_or(rate)),
        seconds: args.seconds,
        canvas: args.canvas,
        renders: !args.no_renders,
        seed: args.seed,
    })
}

/// What a server of the bench's own has to take.
pub fn settings_of(plan: &Plan) -> Vec<String> {
    let sockets = plan.sockets + SPARE;
    [
        ("--rooms", plan.rooms + SPARE),
        ("--members-per-room", plan.members + SPARE),
        ("--sockets", sockets),
        ("--connections", sockets + WAITING),
        ("--connections-per-address", sockets + WAITING),
    ]
    .into_iter()
    .flat_map(|(flag, most)| [flag.to_owned(), most.to_string()])
    .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: LoadArgs,
    }

    fn plan(flags: &[&str]) -> Result<Plan, Failure> {
        let words = ["load"].iter().chain(flags);
        plan_of(&Command::try_parse_from(words).unwrap().args)
    }

    #[test]
    fn a_case_has_its_own_numbers_and_takes_others() {
        let rooms = plan(&["--case", "rooms"]).unwrap();
        assert_eq!((rooms.rooms, rooms.sockets), (200, 200));
        assert_eq!(rooms.rooms * rooms.messages_per_second.unwrap(), 5000);
        let crowd = plan(&["--case", "crowd", "--members", "8"]).unwrap();
        assert_eq!((crowd.rooms, crowd.sockets), (1, 8));
        let idle = plan(&["--case", "idle", "--sockets", "130"]).unwrap();
        assert_eq!((idle.rooms, idle.messages_per_second), (3, None));
        let settings = settings_of(&idle);
        assert_eq!(settings[4..6], ["--sockets", "134"]);
    }

    #[test]
    fn what_a_case_cannot_use_is_refused() {
        for flags in [
            &["--case", "crowd", "--sockets", "9"][..],
            &["--case", "idle", "--url", "ws://127.0.0.1:1"],
            &["--case", "idle", "--sockets", "2", "--rooms", "3"],
            &["--case", "crowd", "--canvas", "100"],
        ] {
            assert_eq!(plan(flags).unwrap_err().code(), 2, "{flags:?}");
        }
    }
}
