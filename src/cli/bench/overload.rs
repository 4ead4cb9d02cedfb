//! `impasto bench overload`: more members than the device can serve, and what each of them feels.

mod hand;
mod member;
mod recovery;
mod report;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::JoinSet;

use super::client::{FreshRoom, make_room, model_of};
use super::server::{MeasuredServer, OwnSettings, ServerFlags};
use crate::cli::machine::this_machine;
use crate::cli::output::print_pretty_json;
use crate::cli::{Failure, spinner};
use hand::{BASE_BRUSH, Hand};
use member::{Sitting, sit};
use recovery::Probe;
use report::{Load, MemberReport, OverloadReport, fairness_of};

/// Rooms of the bench's own server beside those that are painted in.
const SPARE_ROOMS: u32 = 8;

/// Flags of `bench overload`.
#[derive(Clone, Debug, Args)]
pub struct OverloadArgs {
    /// Which server is measured.
    #[command(flatten)]
    pub server: ServerFlags,
    /// Rooms
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=400))]
    pub rooms: u32,
    /// Members of each room
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub members: u32,
    /// Rooms whose members are wild; in the others they are polite [default: half of them]
    #[arg(long, value_name = "N")]
    pub wild_rooms: Option<u32>,
    /// How wild: so many times as wide a brush and as fast a hand as a polite member's, without a
    /// rest
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub wildness: u32,
    /// How long the load lasts, in seconds
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Side of the square canvases, a multiple of 64
    #[arg(long, value_name = "PIXELS", default_value_t = 512)]
    pub canvas: u32,
    /// Seed of the places and colours of the strokes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u32,
    /// Prints one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// Runs the bench and prints its report.
///
/// # Errors
/// When the flags make no sense, or the server does not do its part before the load begins.
pub fn run(args: OverloadArgs) -> Result<(), Failure> {
    let load = load_of(&args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Failure::broken(format!("cannot start the network: {cause}")))?;
    let report = runtime.block_on(measure(&args.server, load))?;
    match args.json {
        true => print_pretty_json(&report),
        false => {
            println!("{}", report.table());
            Ok(())
        }
    }
}

fn load_of(args: &OverloadArgs) -> Result<Load, Failure> {
    let least = 2 * BASE_BRUSH;
    if !(least..=4096).contains(&args.canvas) || !args.canvas.is_multiple_of(64) {
        return Err(Failure::usage(format!(
            "--canvas takes a multiple of 64 from {least} to 4096"
        )));
    }
    let wild_rooms = args.wild_rooms.unwrap_or(args.rooms / 2);
    if wild_rooms > args.rooms {
        return Err(Failure::usage(format!(
            "--wild-rooms is {wild_rooms}, but there are {} rooms: give it fewer, or more --rooms",
            args.rooms
        )));
    }
    Ok(Load {
        rooms: args.rooms,
        members: args.members,
        wild_rooms,
        wildness: args.wildness,
        seconds: args.seconds,
        canvas: args.canvas,
        seed: args.seed,
    })
}

async fn measure(flags: &ServerFlags, load: Load) -> Result<OverloadReport, Failure> {
    let settings = ["--rooms".to_owned(), (load.rooms + SPARE_ROOMS).to_string()];
    let own = OwnSettings {
        flags: &settings,
        data: None,
    };
    let server = MeasuredServer::find(flags, own).await?;
    let (authority, token) = (server.authority(), server.token());
    let model = model_of(authority).await?;
    let mut rooms = Vec::new();
    for _ in 0..load.rooms {
        rooms.push(Arc::new(make_room(authority, token, load.canvas).await?));
    }
    let polite = Hand::polite(load.canvas);
    let mut probe = Probe::new(authority, token, polite).await?;
    let before = probe.in_peace().await?;

    let spinner = spinner(format!("{} rooms are painted in", load.rooms));
    let until = Instant::now() + Duration::from_secs(load.seconds.into());
    // The probe goes on reading, as every client must.
    let (members, ()) =
        tokio::try_join!(members(authority, &load, &rooms, until), probe.wait(until))?;
    let stopped = Instant::now();
    let recovery_ms = probe.recover(stopped, &before).await?;
    spinner.finish_and_clear();
    Ok(OverloadReport {
        bench: "overload",
        version: env!("CARGO_PKG_VERSION"),
        fairness: fairness_of(&members),
        load,
        members,
        before_ms: before,
        recovery_ms,
        model,
        machine: this_machine(),
        server_peak_mib: server.peak_memory_mib(),
    })
}

/// Everybody paints until that moment; what each of them saw, room by room.
async fn members(
    authority: &str,
    load: &Load,
    rooms: &[Arc<FreshRoom>],
    until: Instant,
) -> Result<Vec<MemberReport>, Failure> {
    let mut sittings = JoinSet::new();
    for (room, fresh) in (0..).zip(rooms) {
        for member in 0..load.members {
            let is_wild = room < load.wild_rooms;
            sittings.spawn(sit(Sitting {
                authority: authority.to_owned(),
                fresh: fresh.clone(),
                room,
                member,
                is_wild,
                hand: match is_wild {
                    true => Hand::wild(load.canvas, load.wildness),
                    false => Hand::polite(load.canvas),
                },
                seed: load.seed,
                until,
            }));
        }
    }
    let mut reports = Vec::new();
    while let Some(sat) = sittings.join_next().await {
        reports.push(sat.map_err(Failure::broken)?);
    }
    reports.sort_by_key(|report: &MemberReport| (report.room, report.member));
    Ok(reports)
}
