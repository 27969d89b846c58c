//! `notary` with the clock of a world.

use notary_cli::Parts;
use notary_tests::wrapper;

fn main() -> std::process::ExitCode {
    notary_cli::run(Parts { clock: wrapper::clock(), ..Parts::system() })
}
