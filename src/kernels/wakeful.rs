//! Threads that stay awake between the operations of a network.

use std::cell::Cell;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use candle_core::Device;

/// How long a thread that finds nothing to do waits before it offers its core to others, in spins.
const SPINS: usize = 8;
/// How often a thread looks and finds nothing until it goes to sleep after all: some milliseconds,
/// more than lie between two operations.
///
/// It must not stay awake until the end. A thread that took a part of an operation before it heard
/// that it is to stay awake hears of it in the middle of that part, where it waits for another
/// thread; the caller waits for the part, and neither would go on.
const LOOKS_MOST: usize = 4_000;

thread_local! {
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the other threads of the calling thread's rayon pool awake until it is dropped, or until
/// they find nothing to do for some milliseconds.
///
/// A network is hundreds of operations of some ten microseconds each. Rayon's threads sleep when
/// there is nothing to do for about that long, and to wake one takes as long again, or several
/// times as long in a virtual machine. So a small network was no faster on two threads than on one.
///
/// Outside of a pool, on one thread, inside another one on the same thread, and where the network is
/// not on the CPU it does nothing.
#[must_use = "threads stay awake until this is dropped"]
pub struct Wakeful {
    ended: Option<Arc<AtomicBool>>,
}

impl Wakeful {
    /// Wakes the other threads of this pool for a network on `device`.
    pub fn threads(device: &Device) -> Self {
        let caller = rayon::current_thread_index();
        if !device.is_cpu() || caller.is_none() || rayon::current_num_threads() < 2 || HELD.get() {
            return Self { ended: None };
        }
        HELD.set(true);
        let ended = Arc::new(AtomicBool::new(false));
        let over = ended.clone();
        rayon::spawn_broadcast(move |context| {
            // The caller comes here while it waits for the others, and must not wait for itself.
            if Some(context.index()) != caller {
                work_until(&over);
            }
        });
        Self { ended: Some(ended) }
    }
}

impl Drop for Wakeful {
    fn drop(&mut self) {
        if let Some(ended) = &self.ended {
            ended.store(true, Ordering::Relaxed);
            HELD.set(false);
        }
    }
}

fn work_until(over: &AtomicBool) {
    let mut looks = 0;
    while !over.load(Ordering::Relaxed) && looks < LOOKS_MOST {
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            looks = 0;
        } else {
            looks += 1;
            (0..SPINS).for_each(|_| hint::spin_loop());
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use rayon::iter::{IntoParallelIterator, ParallelIterator};

    use super::*;

    /// On every number of threads all work is done, once, and the pool ends.
    #[test]
    fn work_is_done_and_threads_end() {
        for threads in 1..=4 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            let done = Arc::new(AtomicUsize::new(0));
            for _ in 0..20 {
                pool.install(|| {
                    let _outer = Wakeful::threads(&Device::Cpu);
                    for _ in 0..20 {
                        let _inner = Wakeful::threads(&Device::Cpu);
                        (0..8).into_par_iter().for_each(|_| {
                            done.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            }
            assert_eq!(done.load(Ordering::Relaxed), 20 * 20 * 8);
            // Hangs if a thread is still kept awake by one that was dropped.
            pool.broadcast(|_| ());
        }
    }

    /// The other thread hears that it is to stay awake while it waits inside a part of an operation
    /// that the caller waits for.
    #[test]
    fn a_thread_that_is_told_late_does_not_stop_the_caller() {
        let (ended, end) = std::sync::mpsc::channel();
        let [is_begun, is_awake, is_taken] = [(); 3].map(|()| AtomicBool::new(false));
        let until = |flag: &AtomicBool| {
            while !flag.load(Ordering::Acquire) {
                thread::yield_now();
            }
        };
        let operation = move || {
            let awake = || {
                until(&is_begun);
                let wakeful = Wakeful::threads(&Device::Cpu);
                is_awake.store(true, Ordering::Release);
                wakeful
            };
            let inner = || {
                is_taken.store(true, Ordering::Release);
                // Until the other thread waits for this.
                thread::sleep(std::time::Duration::from_millis(50));
            };
            let part = || {
                is_begun.store(true, Ordering::Release);
                until(&is_awake);
                rayon::join(|| until(&is_taken), inner);
            };
            let (_wakeful, ()) = rayon::join(awake, part);
        };
        thread::spawn(move || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2);
            pool.build().unwrap().install(operation);
            ended.send(()).unwrap();
        });
        let waited = end.recv_timeout(std::time::Duration::from_secs(60));
        assert!(waited.is_ok(), "both threads wait for each other");
    }

    #[test]
    fn an_inner_one_does_not_end_the_outer() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2);
        pool.build().unwrap().install(|| {
            let outer = Wakeful::threads(&Device::Cpu);
            assert!(outer.ended.is_some());
            assert!(Wakeful::threads(&Device::Cpu).ended.is_none());
            assert!(HELD.get());
            drop(outer);
            assert!(!HELD.get());
        });
    }
}
