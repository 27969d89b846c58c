//! The real programs as processes, each in a directory of its own.

mod clock;
mod process;

pub use clock::{CLOCK_VARIABLE, Clock, real_time};
pub use process::{Process, wait_for};
