//! The program `notary`.

fn main() -> std::process::ExitCode {
    notary_cli::main()
}
