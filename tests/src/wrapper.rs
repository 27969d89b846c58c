//! What the wrapper programs give to the real ones in place of the system's clock and of nothing:
//! the clock of the world, and a point at which the process aborts.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Utc};

use crate::world::{Clock, STOP_VARIABLE, real_time};

/// The clock of the world that started this process; the real one where none did.
pub fn clock() -> Arc<dyn Fn() -> DateTime<Utc> + Send + Sync> {
    match Clock::of_process() {
        Some(clock) => Arc::new(move || clock.now()),
        None => Arc::new(real_time),
    }
}

/// Aborts at the point that the world has named, `POINT` or `POINT:N` for the Nth time that it is
/// passed, as a power cut would: nothing is flushed, no destructor runs.
pub fn abort_at<Point>(name_of: fn(Point) -> &'static str) -> Arc<dyn Fn(Point) + Send + Sync>
where
    Point: 'static,
{
    let wanted = std::env::var(STOP_VARIABLE).unwrap_or_default();
    let (name, time) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    let (name, time) = (name.to_owned(), time.parse::<usize>().expect("a number after the point"));
    let passed = AtomicUsize::new(0);
    Arc::new(move |point| {
        if name == name_of(point) && passed.fetch_add(1, Ordering::Relaxed) + 1 == time {
            std::process::abort();
        }
    })
}

/// The environment variable that names the file for [`tell_peak`].
pub const PEAK_VARIABLE: &str = "E2E_PEAK";

/// Tells whoever asked how much memory this process has had at most beside its own code, in KiB.
///
/// # Panics
/// When that cannot be told.
pub fn tell_peak() {
    let Some(file) = std::env::var_os(PEAK_VARIABLE) else { return };
    let status = fs::read_to_string("/proc/self/status").expect("the status of this process");
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line of it");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number")
    };
    // Without what is mapped of the program itself, which is many times longer in a debug build.
    let peak = kib("VmHWM:").saturating_sub(kib("RssFile:")).to_string();
    fs::write(file, peak).expect("a file of the test");
}
