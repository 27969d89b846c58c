//! Static files over loopback HTTP: the place from which agents get targets. `e2e-files` is it.

use std::io;
use std::path::{Component, Path, PathBuf};

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};

use crate::address_file;

/// Serves a directory on a free port of the loopback interface until the process is asked to end.
/// Once connections are accepted, the URL is printed, and the address, `127.0.0.1:PORT`, is written
/// to `address_file` if one is given.
///
/// # Errors
/// When the directory is none, or the port cannot be opened.
pub async fn serve(directory: PathBuf, address_file: Option<PathBuf>) -> io::Result<()> {
    if !directory.is_dir() {
        let problem = format!("{} is not a directory", directory.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, problem));
    }
    let directory = web::Data::new(directory);
    let app = move || {
        let file = web::get().to(answer);
        let resource = web::resource("/{path:.*}").route(file).route(web::head().to(answer));
        App::new().app_data(directory.clone()).service(resource)
    };
    let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", 0))?;
    let address = server.addrs()[0];
    let server = server.run();
    if let Some(file) = address_file {
        address_file::write(&file, &address.to_string())?;
    }
    #[expect(clippy::print_stdout, reason = "the address is the program's answer")]
    {
        println!("http://{address}");
    }
    server.await
}

async fn answer(directory: web::Data<PathBuf>, path: web::Path<String>) -> HttpResponse {
    let path = Path::new(path.as_str());
    // Nothing outside the directory: names only, no `..` and no second root.
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return HttpResponse::new(StatusCode::BAD_REQUEST);
    }
    match tokio::fs::read(directory.join(path)).await {
        Ok(bytes) => HttpResponse::Ok().content_type("application/octet-stream").body(bytes),
        Err(_) => HttpResponse::new(StatusCode::NOT_FOUND),
    }
}
