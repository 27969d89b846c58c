//! What does an update agent ask for, what does it keep, and what can a mirror do to it?
//!
//! - [`refreshes`]: the exact requests of each kind of refresh
//! - [`look_ups`]: the exact requests of each kind of look-up and download
//! - [`trouble`]: what is asked for again, and what never is
//! - [`sharing`]: several agents with one directory, and agents that are killed
//! - [`scarce`]: a machine that has too little of something
//! - [`hostile`]: a mirror that sends anything but HTTP as it should be
//! - [`bombs`]: files that are hard to read, and delegations without end

mod bombs;
mod hostile;
mod look_ups;
mod refreshes;
mod scarce;
mod sharing;
mod trouble;
