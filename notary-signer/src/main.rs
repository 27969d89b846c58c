//! The program `notary-signer`; all of it is in the library.

fn main() -> std::process::ExitCode {
    notary_signer::main()
}
