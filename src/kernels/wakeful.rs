//! Threads that stay awake between the operations of a network.

use std::cell::Cell;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use candle_core::Device;

/// How often a thread that finds nothing to do looks again before it offers its core to others.
const LOOKS: usize = 8;

thread_local! {
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the other threads of the calling thread's rayon pool awake until it is dropped.
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
    while !over.load(Ordering::Relaxed) {
        if rayon::yield_now() != Some(rayon::Yield::Executed) {
            (0..LOOKS).for_each(|_| hint::spin_loop());
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
