//! How many files, and so connections, the process may have open.

/// Raises the limit to `wanted` where the system allows it; answers what holds then, or `None`
/// where there is no such limit.
#[cfg(unix)]
pub fn allow(wanted: usize) -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let found = getrlimit(Resource::Nofile);
    let current = found.current?;
    let wanted = wanted as u64;
    if current >= wanted {
        return usize::try_from(current).ok();
    }
    let raised = found.maximum.map_or(wanted, |most| most.min(wanted));
    let limit = Rlimit {
        current: Some(raised),
        maximum: found.maximum,
    };
    let holds = match setrlimit(Resource::Nofile, limit) {
        Ok(()) => raised,
        Err(cause) => {
            tracing::debug!(%cause, "the limit of open files stays");
            current
        }
    };
    usize::try_from(holds).ok()
}

/// No limit is known.
#[cfg(not(unix))]
pub fn allow(_wanted: usize) -> Option<usize> {
    None
}
