//! What the HTTP library does by itself: one file from memory for every request, over the server's
//! own TLS. `tests/load/compare` measures the server against it.
//! usage: bare FILE CERTIFICATE KEY ADDRESS_FILE

use std::net::TcpListener;

use actix_web::web::{Bytes, to};
use actix_web::{App, HttpResponse, HttpServer};
use notary_server::tls;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tls::install_provider();
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next().ok_or("usage: bare FILE CERTIFICATE KEY ADDRESS_FILE");
    let bytes = Bytes::from(std::fs::read(next()?)?);
    let config = tls::server(next()?.as_ref(), next()?.as_ref())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    std::fs::write(next()?, format!("{}\n", listener.local_addr()?))?;
    let answer = move || {
        let bytes = bytes.clone();
        async move { HttpResponse::Ok().content_type("application/json").body(bytes) }
    };
    let server = HttpServer::new(move || App::new().default_service(to(answer.clone())));
    Ok(server.listen_rustls_0_23(listener, config)?.run().await?)
}
