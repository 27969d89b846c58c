//! The end-to-end tests, one binary. Each module asks one question:
//!
//! - [`adopt`]: do clients of a foreign repository follow when the server takes it over?
//! - [`agent`]: what does an update agent ask for, and what can a mirror do to it?
//! - [`architecture`]: do packages depend on each other, and on others, as the map says?
//! - [`bad_input`]: is what nobody can mean refused by name, before anything is sent?
//! - [`bins`]: are names in hash bins found, and published by those who may?
//! - [`cli`]: does each command print what it must, and exit as it must?
//! - [`client`]: does `notary client` keep to the workflow, with any repository?
//! - [`corpus`]: does any input that fuzzing kept break a rule?
//! - [`caching`]: do clients behind a cache of the web get along?
//! - [`crashes`]: does the same command go on where it was killed?
//! - [`differential`]: does any client decide otherwise, whatever happens to a repository?
//! - [`documented`]: do the services keep to their OpenAPI documents?
//! - [`elsewhere`]: does a collection whose keys never leave tokens and programs read as any other?
//! - [`export`]: does a plain web server serve an export to any client?
//! - [`faults`]: does a publish survive whatever ends a process?
//! - [`formats`]: does schema read and refuse what it must?  (the table: [`pitfalls`])
//! - [`interop`]: do other clients read what we read?
//! - [`main_path`]: does a release go its whole way?
//! - [`many`]: do many publishers get along on one collection?
//! - [`memory`]: what does a body cost?
//! - [`panics`]: what does a mistake in a program cost?
//! - [`properties`]: what holds for every file
//! - [`proposals`]: do several people come to one set of signatures?
//! - [`recovery`]: does a collection come back from versions that ran away, and from a lost signer?
//! - [`revocation`]: what is left of a stolen key when it is revoked?
//! - [`runbooks`]: do the commands of the runbooks, and of the ceremony, do what the pages say?
//! - [`standby`]: does a collection go on while the place of its timestamp key is away?
//! - [`stolen`]: what can a stolen part do, and what not?
//! - [`traces`]: is a publish found by its trace, in both logs and in the audit?
//! - [`vectors`]: do python-securesystemslib and we agree, both ways?
//! - [`watch`]: does a machine get what is published, and nothing else?
//!
//! What they start from: [`release`], as people make it, or [`scene`], a client of what is signed by
//! hand.

mod adopt;
mod agent;
mod architecture;
mod bad_input;
mod bins;
mod caching;
mod cli;
mod client;
mod corpus;
mod crashes;
mod differential;
mod documented;
mod elsewhere;
mod export;
mod faults;
mod formats;
mod interop;
mod main_path;
mod many;
mod memory;
mod panics;
mod pitfalls;
mod properties;
mod proposals;
mod recovery;
mod release;
mod restore;
mod revocation;
mod rotation;
mod runbooks;
mod scene;
mod standby;
mod stolen;
mod traces;
mod vectors;
mod watch;
