//! `impasto bench load`: as many members as a server has to bear, and what each of them waits for.

mod idle;
mod ledger;
mod painters;
mod plan;
mod reconnect;
mod report;
mod slow;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::client::{FreshRoom, make_room, model_of};
use super::server::{MeasuredServer, OwnSettings};
use crate::cli::machine::this_machine;
use crate::cli::output::print_pretty_json;
use crate::cli::{Failure, spinner};
use crate::server::allow_open_files;
use painters::Painters;
use plan::{LoadCase, Plan, SPARE, plan_of, settings_of};
use report::{Findings, LoadReport};

pub use plan::LoadArgs;

/// Files that a process needs beside its sockets.
const SPARE_FILES: usize = 128;

/// Runs the bench and prints its report.
///
/// # Errors
/// When the flags make no sense, or the server does not do its part.
pub fn run(args: LoadArgs) -> Result<(), Failure> {
    let plan = plan_of(&args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| Failure::broken(format!("cannot start the network: {cause}")))?;
    let report = runtime.block_on(measure(&args, plan))?;
    match args.json {
        true => print_pretty_json(&report),
        false => {
            println!("{}", report.text());
            Ok(())
        }
    }
}

async fn measure(args: &LoadArgs, plan: Plan) -> Result<LoadReport, Failure> {
    let wanted = (plan.sockets + SPARE) as usize + SPARE_FILES;
    if allow_open_files(wanted).is_some_and(|most| most < wanted) {
        return Err(Failure::usage(format!(
            "this process may not open {wanted} files: raise the limit (ulimit -n), or measure fewer"
        )));
    }
    let folder = match args.case {
        LoadCase::Reconnect => Some(tempfile::tempdir().map_err(Failure::broken)?),
        _ => None,
    };
    let settings = settings_of(&plan);
    let own = OwnSettings {
        flags: &settings,
        data: folder.as_ref().map(|folder| folder.path() as &Path),
    };
    let mut server = MeasuredServer::find(&args.server, own).await?;
    let model = model_of(server.authority()).await?;
    let mut rooms = Vec::new();
    for _ in 0..plan.rooms {
        let made = make_room(server.authority(), server.token(), plan.canvas);
        rooms.push(Arc::new(made.await?));
    }
    let spinner = spinner(format!("{} members", plan.sockets));
    let findings = match args.case {
        LoadCase::Crowd | LoadCase::Rooms => {
            let painters = painters_of(&plan, &server, rooms);
            let seconds = Duration::from_secs(plan.seconds.into());
            Findings::Painting(painters.paint(seconds).await?)
        }
        LoadCase::Slow => {
            let painters = painters_of(&plan, &server, rooms);
            let seconds = Duration::from_secs(plan.seconds.into());
            Findings::Slow(slow::measure(&painters, seconds).await?)
        }
        LoadCase::Idle => Findings::Idle(idle::measure(&plan, &server, &rooms).await?),
        LoadCase::Reconnect => {
            Findings::Reconnect(reconnect::measure(&plan, &mut server, &rooms).await?)
        }
    };
    spinner.finish_and_clear();
    Ok(LoadReport {
        bench: "load",
        version: env!("CARGO_PKG_VERSION"),
        case: args.case,
        client: match args.server.url {
            None => "on the same machine as the server: they share its cores",
            Some(_) => "on this machine",
        },
        plan,
        findings,
        model,
        machine: this_machine(),
        server_peak_mib: server.peak_memory_mib(),
    })
}

fn painters_of(plan: &Plan, server: &MeasuredServer, rooms: Vec<Arc<FreshRoom>>) -> Painters {
    Painters {
        authority: server.authority().to_owned(),
        rooms,
        members: plan.members,
        rate: plan.messages_per_second.unwrap_or(1),
        canvas: plan.canvas,
        renders: plan.renders,
        seed: plan.seed,
    }
}
