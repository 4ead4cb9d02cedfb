//! A stream whose other side has to read: one that takes too little for a while is cut.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::connections::ConnectionPlace;

/// A stream that ends with an error when its other side takes less than
/// [`ConnectionPlace::least_rate`] over `window` while there is something to write.
pub struct PacedStream<S> {
    stream: S,
    place: Arc<ConnectionPlace>,
    window: Duration,
    /// Runs from the first write that had to wait until everything is written.
    end: Option<Pin<Box<Sleep>>>,
    written: u64,
}

impl<S> PacedStream<S> {
    /// Watches `stream`.
    pub fn new(stream: S, place: Arc<ConnectionPlace>, window: Duration) -> Self {
        Self {
            stream,
            place,
            window,
            end: None,
            written: 0,
        }
    }

    /// After a write that has to wait.
    fn blocked<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let window = self.window;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(window)));
        loop {
            ready!(end.as_mut().poll(cx));
            let least = self.place.least_rate() as f64 * window.as_secs_f64();
            if (self.written as f64) < least.max(1.0) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.written = 0;
            end.as_mut().reset(Instant::now() + window);
        }
    }

    fn wrote(&mut self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        if let Ok(bytes) = &result {
            self.written += *bytes as u64;
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Ready(result) => self.wrote(result),
            Poll::Pending => self.blocked(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Ready(result) => self.wrote(result),
            Poll::Pending => self.blocked(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.end = None;
        self.written = 0;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::connections::{ConnectionLimits, Connections};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const WINDOW: Duration = Duration::from_millis(300);

    fn place(least_rate: u64) -> Arc<ConnectionPlace> {
        let limits = ConnectionLimits {
            most: 1,
            per_address: 1,
            waiting: 1,
        };
        let place = Connections::new(limits).admit(None);
        place.demand(least_rate);
        Arc::new(place)
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut() {
        let (mine, _theirs) = tokio::io::duplex(16);
        let mut stream = PacedStream::new(mine, place(1), WINDOW);
        let error = stream.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_is_cut_where_more_is_asked() {
        for (least_rate, survives) in [(1, true), (1 << 40, false)] {
            let (mine, mut theirs) = tokio::io::duplex(16);
            let reading = tokio::spawn(async move {
                let mut bytes = [0; 20];
                while theirs.read_exact(&mut bytes).await.is_ok() {
                    sleep(Duration::from_millis(10)).await;
                }
            });
            let mut stream = PacedStream::new(mine, place(least_rate), WINDOW);
            let written = stream.write_all(&[0; 2000]).await;
            assert_eq!(written.is_ok(), survives, "{least_rate}");
            reading.abort();
        }
    }

    #[tokio::test]
    async fn a_client_is_not_hurried_while_there_is_nothing_to_write() {
        let (mine, mut theirs) = tokio::io::duplex(16);
        let mut stream = PacedStream::new(mine, place(1_000_000), WINDOW);
        for _ in 0..3 {
            stream.write_all(&[0; 8]).await.unwrap();
            stream.flush().await.unwrap();
            sleep(WINDOW * 2).await;
            theirs.read_exact(&mut [0; 8]).await.unwrap();
        }
    }
}
