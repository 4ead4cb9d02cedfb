//! Tells everybody that the device thread has ended.

use std::sync::Arc;

use tokio::sync::watch;

use super::admission::Admission;

/// Held by the device thread: what waits for it hears of its end, in a panic too.
pub(super) struct DeviceGuard {
    admission: Arc<Admission>,
    /// Dropped with the guard, which ends the receivers.
    _alive: watch::Sender<()>,
}

impl DeviceGuard {
    /// The guard, and what changes to an error when it is dropped.
    pub(super) fn new(admission: Arc<Admission>) -> (Self, watch::Receiver<()>) {
        let (sender, alive) = watch::channel(());
        let guard = Self {
            admission,
            _alive: sender,
        };
        (guard, alive)
    }
}

impl Drop for DeviceGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the device thread panicked: nothing can be painted any more");
        }
        self.admission.close();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::engine::{EngineError, loras::LoraChange};

    #[tokio::test]
    async fn a_device_thread_that_panics_is_noticed_and_takes_nothing_more() {
        let admission = Arc::new(Admission::new(4));
        let (guard, mut alive) = DeviceGuard::new(admission.clone());
        let thread = std::thread::spawn(move || {
            let _guard = guard;
            panic!("as a kernel would");
        });
        assert!(alive.changed().await.is_err());
        assert!(thread.join().is_err());
        let (choices, done) = (Vec::new(), oneshot::channel().0);
        let refused = admission.change_loras(LoraChange { choices, done });
        assert!(matches!(refused, Err(EngineError::Stopped)));
    }
}
