//! The program `notary-server`.

#[global_allocator]
static ALLOCATOR: notary_server::Allocator = notary_server::Allocator;

fn main() -> std::process::ExitCode {
    notary_server::main()
}
