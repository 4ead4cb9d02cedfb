//! Networks that end early, when nobody wants what they make any more.
//!
//! A network runs its operations one after another on one thread, so what interrupts it is that
//! thread's.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Error, Result};

thread_local! {
    static FLAGS: RefCell<Vec<Arc<AtomicBool>>> = const { RefCell::new(Vec::new()) };
}

/// Why a network ended between two of its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network was interrupted")]
pub struct Interrupted;

/// Ends the scope of the flags, whatever becomes of the work in it.
struct Scope {
    outer: Vec<Arc<AtomicBool>>,
}

impl Drop for Scope {
    fn drop(&mut self) {
        FLAGS.set(std::mem::take(&mut self.outer));
    }
}

/// Calls `work`. Its networks on this thread fail with [`Interrupted`] before their next
/// convolution, dense layer or attention once all of `flags` are set; without flags they never do.
pub fn interruptible<R>(flags: Vec<Arc<AtomicBool>>, work: impl FnOnce() -> R) -> R {
    let _scope = Scope {
        outer: FLAGS.replace(flags),
    };
    work()
}

/// # Errors
/// [`Interrupted`] where all flags are set.
pub(super) fn check() -> Result<()> {
    let is_interrupted = FLAGS.with_borrow(|flags| {
        let is_set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        !flags.is_empty() && flags.iter().all(is_set)
    });
    match is_interrupted {
        true => Err(Error::wrap(Interrupted)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::kernels::{Conv2d, ConvChain, Fused, Linear, Link, attention};

    fn flags(states: [bool; 2]) -> Vec<Arc<AtomicBool>> {
        let flag = |state| Arc::new(AtomicBool::new(state));
        states.into_iter().map(flag).collect()
    }

    fn is_interrupted<T>(result: Result<T>) -> bool {
        match result {
            Ok(_) => false,
            Err(error) => error.to_string().contains(&Interrupted.to_string()),
        }
    }

    #[test]
    fn a_network_ends_once_nobody_wants_it() {
        assert!(check().is_ok());
        interruptible(flags([true, false]), || assert!(check().is_ok()));
        interruptible(flags([true, true]), || {
            assert!(is_interrupted(check()));
            interruptible(Vec::new(), || assert!(check().is_ok()));
            assert!(is_interrupted(check()));
        });
        assert!(check().is_ok());
    }

    #[test]
    fn it_ends_in_the_middle() {
        let [early, late] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let reached = interruptible(vec![early.clone(), late.clone()], || {
            early.store(true, Ordering::Relaxed);
            let reached = (0..10).take_while(|&operation| {
                late.store(operation == 4, Ordering::Relaxed);
                check().is_ok()
            });
            reached.count()
        });
        assert_eq!(reached, 4);
    }

    #[test]
    fn every_costly_operation_asks() -> Result<()> {
        let device = Device::Cpu;
        let image = Tensor::zeros((1, 8, 8, 8), DType::F32, &device)?;
        let kernel = Tensor::zeros((8, 8, 3, 3), DType::F32, &device)?;
        let conv = || Conv2d::new(kernel.clone(), None, 1, 1);
        let links = [conv()?, conv()?].map(|conv| Link::new(conv).relu());
        let chain = ConvChain::new(Vec::from(links))?;
        let tokens = image.reshape((1, 64, 8))?;
        let linear = Linear::new(Tensor::zeros((8, 8), DType::F32, &device)?, None)?;
        let conv = conv()?;
        let all = || {
            [
                conv.forward(&image),
                conv.forward_upsampled(&image, Fused::default()),
                chain.forward(&image),
                linear.forward(&tokens),
                attention(&tokens, &tokens, &tokens, 2, 1.0, None),
            ]
        };
        interruptible(flags([true, false]), || {
            assert!(all().iter().all(Result::is_ok));
        });
        interruptible(flags([true, true]), || {
            assert!(all().into_iter().all(is_interrupted));
        });
        Ok(())
    }
}
