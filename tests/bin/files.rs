//! `e2e-files DIR [--address-file FILE]`: static files over loopback HTTP, until it is killed.

use std::path::Path;
use std::process::ExitCode;

use notary_tests::address_file;
use notary_tests::mirror::Mirror;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (directory, file) = match arguments[..] {
        [directory] => (directory, None),
        [directory, "--address-file", file] => (directory, Some(Path::new(file))),
        _ => {
            eprintln!("usage: e2e-files DIR [--address-file FILE]");
            return ExitCode::from(2);
        }
    };
    let mirror = Mirror::of(Path::new(directory));
    let address = mirror.address().to_string();
    if let Some(Err(error)) = file.map(|file| address_file::write(file, &address)) {
        eprintln!("e2e-files: {error}");
        return ExitCode::FAILURE;
    }
    #[expect(clippy::print_stdout, reason = "the address is the program's answer")]
    {
        println!("http://{address}");
    }
    loop {
        std::thread::park();
    }
}
