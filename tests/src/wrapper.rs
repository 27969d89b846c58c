//! What the wrapper programs give to the real ones in place of the system's clock and of nothing:
//! the clock of the world, and a point at which the process aborts.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::world::{Clock, STOP_VARIABLE, real_time};

/// The clock of the world that started this process; the real one where none did.
pub fn clock() -> Arc<dyn Fn() -> DateTime<Utc> + Send + Sync> {
    match Clock::of_process() {
        Some(clock) => Arc::new(move || clock.now()),
        None => Arc::new(real_time),
    }
}

/// Aborts at the point that the world has named, as a power cut would: nothing is flushed, no
/// destructor runs.
pub fn abort_at<Point>(name_of: fn(Point) -> &'static str) -> Arc<dyn Fn(Point) + Send + Sync>
where
    Point: 'static,
{
    let wanted = std::env::var(STOP_VARIABLE).ok();
    Arc::new(move |point| {
        if wanted.as_deref() == Some(name_of(point)) {
            std::process::abort();
        }
    })
}
