//! A program stands still for a while, as on a machine that is busy. Those who come then wait.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use notary_tests::world::{Service, World};

/// How many come at once: more than a system lets wait who is not told how many.
const AT_ONCE: usize = 200;
/// How long each waits to be let in. The system answers at once or, to its first attempt, not at all.
const PATIENCE: Duration = Duration::from_millis(900);

#[test]
fn many_who_come_while_a_program_stands_still_are_let_in() {
    let mut world = World::start();
    let programs: [fn(&mut World) -> &mut Service; 2] =
        [|world| &mut world.server, |world| &mut world.signer];
    for service in programs {
        let address = service(&mut world).address().parse().expect("an address");
        let process = service(&mut world).process().expect("it was started").id();
        signal(process, "STOP");
        let come: Vec<_> =
            (0..AT_ONCE).map(|_| TcpStream::connect_timeout(&address, PATIENCE)).collect();
        signal(process, "CONT");
        let refused = come.iter().filter(|connection| connection.is_err()).count();
        assert_eq!(refused, 0, "of {AT_ONCE} at {address}");
    }
    assert_eq!(world.http(None).get("/healthz").status, 200);
    assert_eq!(world.signer_http("server").get("/healthz").status, 200);
}

fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(status.expect("every system has it").success());
}
