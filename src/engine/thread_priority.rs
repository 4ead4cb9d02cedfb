//! How the device's threads stand beside those that answer people.

/// How much nicer than others they are (`nice(2)`). With 5 a room of fifty painters waited three times
/// as long for acknowledgements as with 10 (`impasto bench load --case crowd`).
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Lets the process's other threads run first where they want the core of the calling one: a render
/// takes all cores for a while, and a message is answered in microseconds. Does nothing but on Linux,
/// where priorities are a thread's; elsewhere they are a process's.
pub(super) fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};

        // A server that was started with `nice` may be nicer already.
        let set = getpriority_process(None).and_then(|now| match now < NICE {
            true => setpriority_process(None, NICE),
            false => Ok(()),
        });
        if let Err(error) = set {
            tracing::debug!(%error, "the device's threads have the priority of all others");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_calling_thread_becomes_nicer() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let inside = std::thread::spawn(move || {
            yield_to_others();
            nice()
        });
        assert_eq!(inside.join().unwrap(), NICE.max(before));
        assert_eq!(nice(), before);
    }
}
