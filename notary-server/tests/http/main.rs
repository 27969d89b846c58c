//! The whole HTTP surface of the server, in process, over a signer that lives in memory and keeps
//! the policy of `notary_schema::online`.

#![expect(unreachable_pub, reason = "the modules of a test program have no outside")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod adopting;
mod changefeed;
mod copies;
mod documented;
mod fsck;
mod grants;
mod hostile;
mod info;
mod life;
mod limits;
mod lock;
mod names;
mod panics;
mod policy;
mod private;
mod proposals;
mod publishing;
mod raw;
mod reading;
mod refreshing;
mod repo;
mod restore;
mod revocations;
mod rotation;
mod signer;
mod slots;
mod slow;
mod standby;
mod store;
mod tokens;
mod world;
