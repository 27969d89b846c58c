//! notary-server with the clock and the stop points of a world.

use notary_server::{Allocator, Parts, StopPoint};
use notary_tests::wrapper;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> std::process::ExitCode {
    let stop = wrapper::abort_at(|point| match point {
        StopPoint::AfterPrepare => "after_prepare",
        StopPoint::SnapshotSigned => "snapshot_signed",
        StopPoint::TimestampSigned => "timestamp_signed",
        StopPoint::BeforeCommitAnswer => "before_commit_answer",
    });
    notary_server::run(Parts { clock: wrapper::clock(), stop })
}
