//! The machine that numbers were measured on, and what a process used of it.

use serde::Serialize;

/// The machine, as far as the operating system tells.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: Option<String>,
    /// Threads that can run at once.
    pub cores: usize,
    /// Memory, in MiB.
    pub memory_mib: Option<u64>,
    /// `linux`, `macos`, `windows`.
    pub os: &'static str,
    /// `x86_64`, `aarch64`.
    pub architecture: &'static str,
}

/// Asks the operating system.
pub fn this_machine() -> Machine {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    Machine {
        cpu: field(&cpuinfo, "model name").map(str::to_owned),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_mib: kibibytes(&meminfo, "MemTotal").map(|kib| kib / 1024),
        os: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
    }
}

/// The most memory that a process has held so far, in MiB; None where `/proc`
/// does not tell.
pub fn peak_memory_mib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    kibibytes(&status, "VmHWM").map(|kib| kib / 1024)
}

/// The memory that a process holds now, in bytes; None where `/proc` does not tell.
pub fn resident_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    kibibytes(&status, "VmRSS").map(|kib| kib * 1024)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_name() {
        let status = "Name:\timpasto\nVmPeak:\t  900 kB\nVmHWM:\t  204800 kB\n";
        assert_eq!(kibibytes(status, "VmHWM"), Some(204_800));
        assert_eq!(kibibytes(status, "VmSwap"), None);
        assert_eq!(
            field("model name\t: A CPU\nmodel name\t: B\n", "model name"),
            Some("A CPU")
        );
    }
}
