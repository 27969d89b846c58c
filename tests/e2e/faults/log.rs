//! The disk of the log is full, or whoever reads the log has ended: that is no reason to stop.

use notary_tests::publisher::Publisher;
use notary_tests::world::{Service, World};

const GUN: &str = "acme/app";

#[test]
fn a_log_that_cannot_be_written_stops_neither_program() {
    let programs: [fn(&mut World) -> &mut Service; 2] =
        [|world| &mut world.server, |world| &mut world.signer];
    for service in programs {
        let mut world = World::start();
        let mut publisher = Publisher::create(&world, GUN, &["a"]);
        service(&mut world).restart_without_log();
        // Both write a line of each publish; a refused request is a line of the server.
        for _ in 0..3 {
            publisher.publish_next("a", world.clock.now());
            assert_eq!(world.http(None).get("/nowhere").status, 404);
        }
        let running = service(&mut world).process().expect("it was started");
        assert_eq!(running.ended(), None);
    }
}
