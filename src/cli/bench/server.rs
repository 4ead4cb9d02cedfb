//! The server that a bench measures: one that runs already, or one of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

use super::http;
use crate::cli::Failure;
use crate::cli::machine::peak_memory_mib;

/// How long a server may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How often `/readyz` is asked; the measured seconds are no finer.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Which server is measured.
#[derive(Clone, Debug, Args)]
pub struct ServerFlags {
    /// A server that runs already, such as ws://127.0.0.1:7860 [default: one of its own]
    #[arg(long, value_name = "URL", conflicts_with_all = ["model", "device"])]
    pub url: Option<String>,
    /// Model of the bench's own server [default: the bundled one]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Device of the bench's own server
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
}

/// The server that is measured. One of the bench's own ends with this value.
pub struct MeasuredServer {
    authority: String,
    child: Option<Child>,
    ready_seconds: Option<f64>,
}

impl MeasuredServer {
    /// The server that the flags name; `settings` are further flags of `impasto serve` for one of
    /// the bench's own.
    ///
    /// # Errors
    /// When there is none at that address, or it does not start, or is not ready in time.
    pub async fn find(flags: &ServerFlags, settings: &[String]) -> Result<Self, Failure> {
        match &flags.url {
            Some(url) => Self::running(url),
            None => Self::start(flags, settings).await,
        }
    }

    /// The server at `ws://host:port`.
    fn running(url: &str) -> Result<Self, Failure> {
        let authority = url
            .strip_prefix("ws://")
            .map(|rest| rest.trim_end_matches('/'))
            .filter(|rest| !rest.is_empty() && !rest.contains('/'))
            .ok_or_else(|| {
                Failure::usage(format!(
                    "`{url}` is not a server: write it like ws://127.0.0.1:7860"
                ))
            })?;
        Ok(Self {
            authority: authority.to_owned(),
            child: None,
            ready_seconds: None,
        })
    }

    /// A server process of this same binary on a free port, once it is ready.
    async fn start(flags: &ServerFlags, settings: &[String]) -> Result<Self, Failure> {
        let address = free_address()
            .map_err(|cause| Failure::broken(format!("no free port for a server: {cause}")))?;
        let binary = std::env::current_exe()
            .map_err(|cause| Failure::broken(format!("cannot find this program: {cause}")))?;
        let mut command = Command::new(binary);
        command.args([
            "serve",
            "--listen",
            &address.to_string(),
            "--device",
            &flags.device,
            // What is measured is not kept.
            "--data",
            "none",
        ]);
        // That it is not ready yet, which is asked often, is no news.
        command
            .args(["--log", "warn,tower_http=off"])
            .args(settings);
        if let Some(model) = &flags.model {
            command.arg("--model").arg(model);
        }
        let started = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|cause| Failure::broken(format!("cannot start a server: {cause}")))?;
        let authority = address.to_string();
        let mut server = Self {
            authority,
            child: Some(child),
            ready_seconds: None,
        };
        server.wait_until_ready(started).await?;
        Ok(server)
    }

    async fn wait_until_ready(&mut self, started: Instant) -> Result<(), Failure> {
        loop {
            let answer = http::get(&self.authority, "/readyz").await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                self.ready_seconds = Some(started.elapsed().as_secs_f64());
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(Failure::broken(format!(
                    "the server ended at its start ({status})"
                )));
            }
            if started.elapsed() > READY_WITHIN {
                return Err(Failure::broken("the server is not ready after two minutes"));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Seconds from its start to `/readyz`; None for a server that ran already.
    pub fn ready_seconds(&self) -> Option<f64> {
        self.ready_seconds
    }

    /// The most memory that it has held, in MiB; None for a server that ran already.
    pub fn peak_memory_mib(&self) -> Option<u64> {
        self.child
            .as_ref()
            .and_then(|child| peak_memory_mib(child.id()))
    }
}

impl Drop for MeasuredServer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let ended = child.kill().and_then(|()| child.wait().map(drop));
            if let Err(cause) = ended {
                tracing::warn!(%cause, "the server of this bench may still run");
            }
        }
    }
}

/// An address that was free a moment ago.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_server_is_named_by_its_address_alone() {
        let server = MeasuredServer::running("ws://127.0.0.1:7860/").unwrap();
        assert_eq!(server.authority(), "127.0.0.1:7860");
        for url in [
            "http://127.0.0.1:7860",
            "ws://",
            "wss://a",
            "ws://a/v1/rooms/b/ws",
        ] {
            assert!(MeasuredServer::running(url).is_err(), "{url}");
        }
    }
}
