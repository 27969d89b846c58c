//! What the end-to-end tests share: the tree that they test, signatures made by hand, and the world
//! of real processes that they run in.

pub mod address_file;
pub mod agent;
pub mod arbitrary;
pub mod hand;
pub mod judge;
pub mod mirror;
pub mod poller;
pub mod publisher;
pub mod python;
pub mod seed;
pub mod tree;
pub mod watchers;
pub mod world;
pub mod wrapper;
