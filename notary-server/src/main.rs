//! The program `notary-server`.

fn main() -> std::process::ExitCode {
    notary_server::main()
}
