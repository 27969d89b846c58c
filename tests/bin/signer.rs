//! notary-signer with the clock and the stop points of a world.

use notary_signer::{Parts, StopPoint};
use notary_tests::wrapper;

fn main() -> std::process::ExitCode {
    let stop = wrapper::abort_at(|point| match point {
        StopPoint::BeforeRecord => "before_record",
        StopPoint::AfterRecord => "after_record",
    });
    notary_signer::run(Parts { clock: wrapper::clock(), stop: Some(stop) })
}
