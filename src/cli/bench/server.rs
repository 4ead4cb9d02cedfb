//! The server that a bench measures: one that runs already, or one of its own.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::http;
use crate::cli::Failure;
use crate::cli::machine::{peak_memory_mib, resident_bytes};

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
    /// The operator's token of that server, where it has auth: it stands in the link that the server
    /// printed
    #[arg(long, value_name = "TOKEN", requires = "url")]
    pub token: Option<String>,
    /// Model of the bench's own server [default: the bundled one]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Device of the bench's own server
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: String,
}

/// How a server of the bench's own is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnSettings<'a> {
    /// Further flags of `impasto serve`.
    pub flags: &'a [String],
    /// Where rooms are kept; none where what is measured is not kept.
    pub data: Option<&'a Path>,
}

/// The server that is measured. One of the bench's own ends with this value.
pub struct MeasuredServer {
    authority: String,
    token: Option<String>,
    own: Option<OwnServer>,
    ready_seconds: Option<f64>,
}

/// A server process of this same binary.
struct OwnServer {
    arguments: Vec<OsString>,
    child: Child,
    /// The operator's token, as the server prints it.
    token: Option<oneshot::Receiver<String>>,
}

impl MeasuredServer {
    /// The server that the flags name, or one of the bench's own.
    ///
    /// # Errors
    /// When there is none at that address, or it does not start, or is not ready in time.
    pub async fn find(flags: &ServerFlags, own: OwnSettings<'_>) -> Result<Self, Failure> {
        match &flags.url {
            Some(url) => Self::running(url, flags.token.clone()),
            None => Self::start(flags, own).await,
        }
    }

    /// The server at `ws://host:port`.
    fn running(url: &str, token: Option<String>) -> Result<Self, Failure> {
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
            token,
            own: None,
            ready_seconds: None,
        })
    }

    /// A server process of this same binary on a free port, once it is ready. It has auth, so that
    /// the bench makes rooms as the operator does, and not as a stranger at a stranger's pace.
    async fn start(flags: &ServerFlags, own: OwnSettings<'_>) -> Result<Self, Failure> {
        let address = free_address()
            .map_err(|cause| Failure::broken(format!("no free port for a server: {cause}")))?;
        let authority = address.to_string();
        let mut arguments: Vec<OsString> = ["serve", "--listen", &authority, "--device"]
            .map(OsString::from)
            .into();
        arguments.push(flags.device.clone().into());
        arguments.extend(["--auth", "on", "--data"].map(OsString::from));
        arguments.push(own.data.map_or("none".into(), Into::into));
        // That it is not ready yet, which is asked often, is no news.
        arguments.extend(["--log", "warn,tower_http=off"].map(OsString::from));
        arguments.extend(own.flags.iter().map(OsString::from));
        if let Some(model) = &flags.model {
            arguments.extend(["--model".into(), model.clone().into_os_string()]);
        }
        let started = Instant::now();
        let mut server = Self {
            authority,
            token: None,
            own: Some(OwnServer::spawn(arguments)?),
            ready_seconds: None,
        };
        server.wait_until_ready(started).await?;
        Ok(server)
    }

    /// Kills a server of the bench's own and starts it again where it was; returns once it is ready.
    ///
    /// # Errors
    /// When it does not start or is not ready in time, or is not the bench's own.
    pub async fn restart(&mut self) -> Result<(), Failure> {
        let own = self
            .own
            .take()
            .ok_or_else(|| Failure::usage("a server at --url is not this bench's to restart"))?;
        let arguments = own.arguments.clone();
        drop(own);
        let started = Instant::now();
        self.own = Some(OwnServer::spawn(arguments)?);
        self.wait_until_ready(started).await
    }

    async fn wait_until_ready(&mut self, started: Instant) -> Result<(), Failure> {
        loop {
            let answer = http::get(&self.authority, "/readyz").await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                self.ready_seconds = Some(started.elapsed().as_secs_f64());
                return self.read_token().await;
            }
            if let Some(own) = &mut self.own
                && let Ok(Some(status)) = own.child.try_wait()
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

    async fn read_token(&mut self) -> Result<(), Failure> {
        let token = self.own.as_mut().and_then(|own| own.token.take());
        let Some(token) = token else {
            return Ok(());
        };
        let printed = timeout(READY_WITHIN, token).await;
        let token = printed.ok().and_then(Result::ok);
        let missing = || Failure::broken("the server printed no link at its start");
        self.token = Some(token.ok_or_else(missing)?);
        Ok(())
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The operator's token, where it is known.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Seconds from its start to `/readyz`; None for a server that ran already.
    pub fn ready_seconds(&self) -> Option<f64> {
        self.ready_seconds
    }

    /// The most memory that it has held, in MiB; None for a server that ran already.
    pub fn peak_memory_mib(&self) -> Option<u64> {
        let own = self.own.as_ref()?;
        peak_memory_mib(own.child.id())
    }

    /// The memory that it holds now, in bytes; None for a server that ran already.
    pub fn resident_bytes(&self) -> Option<u64> {
        let own = self.own.as_ref()?;
        resident_bytes(own.child.id())
    }
}

impl OwnServer {
    fn spawn(arguments: Vec<OsString>) -> Result<Self, Failure> {
        let binary = std::env::current_exe()
            .map_err(|cause| Failure::broken(format!("cannot find this program: {cause}")))?;
        let mut child = Command::new(binary)
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|cause| Failure::broken(format!("cannot start a server: {cause}")))?;
        let token = child.stdout.take().map(printed_token);
        Ok(Self {
            arguments,
            child,
            token,
        })
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait().map(drop));
        if let Err(cause) = ended {
            tracing::warn!(%cause, "the server of this bench may still run");
        }
    }
}

/// The token in the link that a server prints; what else it prints is read, so that it never waits,
/// and thrown away.
fn printed_token(output: ChildStdout) -> oneshot::Receiver<String> {
    let (sender, token) = oneshot::channel();
    std::thread::spawn(move || {
        let mut sender = Some(sender);
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(token) = token_in(&line)
                && let Some(sender) = sender.take()
                && sender.send(token.to_owned()).is_err()
            {
                return;
            }
        }
    });
    token
}

fn token_in(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("#token=")?;
    rest.split_whitespace().next()
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
        let server = MeasuredServer::running("ws://127.0.0.1:7860/", None).unwrap();
        assert_eq!(server.authority(), "127.0.0.1:7860");
        for url in [
            "http://127.0.0.1:7860",
            "ws://",
            "wss://a",
            "ws://a/v1/rooms/b/ws",
        ] {
            assert!(MeasuredServer::running(url, None).is_err(), "{url}");
        }
    }

    #[test]
    fn the_token_is_read_out_of_the_link() {
        let line = "Impasto is at http://127.0.0.1:7860/r/studio#token=abc.d (model storybook)";
        assert_eq!(token_in(line), Some("abc.d"));
        assert_eq!(token_in("Impasto is at http://127.0.0.1:7860"), None);
    }
}
