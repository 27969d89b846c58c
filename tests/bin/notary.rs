//! `notary` with the clock and the stop points of a world.

use notary_cli::{Parts, StopPoint};
use notary_tests::wrapper;

fn main() -> std::process::ExitCode {
    let stop = wrapper::abort_at(|point| match point {
        StopPoint::Written => "written",
        StopPoint::Renamed => "renamed",
        StopPoint::Removed => "removed",
    });
    let code = notary_cli::run(Parts { clock: wrapper::clock(), stop, ..Parts::system() });
    wrapper::tell_peak();
    code
}
