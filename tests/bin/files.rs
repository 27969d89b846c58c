//! `e2e-files DIR [--address-file FILE]`: static files over loopback HTTP.

use std::path::PathBuf;
use std::process::ExitCode;

#[actix_web::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (directory, file) = match arguments[..] {
        [directory] => (directory, None),
        [directory, "--address-file", file] => (directory, Some(PathBuf::from(file))),
        _ => {
            eprintln!("usage: e2e-files DIR [--address-file FILE]");
            return ExitCode::from(2);
        }
    };
    match notary_tests::files_server::serve(PathBuf::from(directory), file).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("e2e-files: {error}");
            ExitCode::FAILURE
        }
    }
}
