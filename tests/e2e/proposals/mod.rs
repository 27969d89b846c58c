//! Do several people come to one set of signatures, each at a command line of their own?
//!
//! | file | question |
//! |---|---|
//! | `ceremonies` | who signs when, in which order, with which outcome? |
//! | `ends` | what is refused, and what becomes of a proposal that is overtaken or lapses? |
//! | `carried` | does a holder without a network sign what the others see, and nothing else? |
//! | `revoked` | do the commands count as the server does where a key is revoked? |
//! | `kills` | does the same command succeed after a kill between any two of its steps? |

mod carried;
mod ceremonies;
mod ends;
mod kills;
mod revoked;

use chrono::TimeDelta;
use notary_schema::envelope::Envelope;
use notary_schema::role::Timestamp;
use notary_tests::world::{Outcome, Person, World, wait_for};
use serde_json::Value;

/// What is asked of a command that waits for others.
const MISSING: i32 = 6;

/// Three holders, any two of whom sign root, and `docs/*`. Anna made the collection and signs targets.
struct Ceremony {
    world: World,
    anna: Person,
    ben: Person,
    carl: Person,
}

impl Ceremony {
    fn start() -> Ceremony {
        let world = World::start();
        let anna = world.person("anna", "admin --collection acme/**");
        let init = anna.notary("init acme/app --json").json();
        let sha256 = init["root_sha256"].as_str().expect("the hash to pin").to_owned();
        let [ben, carl] = ["ben", "carl"].map(|name| {
            let person = world.person(name, "publish --collection acme/app");
            person.notary(&format!("trust add acme/app --sha256 {sha256}")).done();
            person
        });
        let ceremony = Ceremony { world, anna, ben, carl };
        for person in ceremony.people() {
            ceremony.make_key(person);
        }
        let keys = ceremony.keys(&ceremony.people());
        ceremony.anna.notary(&format!(
            "delegation add acme/app docs {keys} --pending --threshold 2 --path docs/* --publish"
        )).done();
        let keys = keys.replace("--key", "--new-key");
        let old = init["root_keys"][0].as_str().expect("the id of the key");
        let rotate = format!("rotate acme/app root {keys} --drop-key {old} --threshold 2");
        ceremony.anna.notary(&rotate).exits(MISSING);
        ceremony.ben.notary("proposal sign acme/app --yes").done();
        ceremony
    }

    fn people(&self) -> [&Person; 3] {
        [&self.anna, &self.ben, &self.carl]
    }

    /// Somebody who has pinned the root and has no key.
    fn newcomer(&self, name: &str, grant: &str) -> Person {
        let person = self.world.person(name, grant);
        person.notary("lookup acme/app nothing --tofu").exits(5);
        person
    }

    /// A new key of somebody, whose public part lies in the world under their name; answers its id.
    fn make_key(&self, person: &Person) -> String {
        let name = person.directory().file_name().expect("a name").to_string_lossy().into_owned();
        let key = person.notary(&format!("key generate --json --name {name}")).json();
        let keyid = key["keyid"].as_str().expect("an id").to_owned();
        let public = person.notary(&format!("key export {keyid} --public")).done();
        person.file(&format!("../{name}.pem"), public);
        keyid
    }

    /// `--key` for each of them.
    fn keys(&self, people: &[&Person]) -> String {
        let key = |person: &&Person| {
            let name = person.directory().file_name().expect("a name").to_string_lossy();
            format!("--key ../{name}.pem")
        };
        people.iter().map(key).collect::<Vec<_>>().join(" ")
    }

    /// Somebody publishes a target of docs that they alone cannot; answers the id of the proposal.
    fn propose(&self, person: &Person, name: &str) -> String {
        person.file("file", name);
        person.notary(&format!("add acme/app docs/{name} file --role docs")).done();
        let made = person.notary("publish acme/app --json");
        assert_eq!(made.code(), MISSING, "{made}");
        id_of(&made)
    }

    fn sign(&self, person: &Person, id: &str) -> Outcome {
        person.notary(&format!("proposal sign acme/app {id} --yes"))
    }

    /// The version of a role that everybody sees.
    fn version(&self, role: &str) -> u64 {
        let answer = self.world.http(None).get(&format!("/v2/acme/app/_trust/tuf/{role}.json"));
        answer.json()["signed"]["version"].as_u64().expect("a version")
    }

    fn state(&self, id: &str) -> String {
        let list = self.anna.notary("proposal list acme/app --json").json();
        let all = list["proposals"].as_array().expect("a list");
        let one = all.iter().find(|proposal| proposal["id"] == id).expect("it is kept");
        one["state"].as_str().expect("a word").to_owned()
    }

    fn open(&self) -> usize {
        let list = self.anna.notary("proposal list acme/app --json").json();
        let all = list["proposals"].as_array().expect("a list");
        all.iter().filter(|proposal| proposal["state"] == "open").count()
    }

    /// The clock goes on, and the server has signed anew what is short-lived.
    fn later(&self, days: i64) {
        self.world.clock.advance(TimeDelta::days(days));
        let http = self.world.http(None);
        wait_for("a timestamp that is not expired", || {
            let file = http.get("/v2/acme/app/_trust/tuf/timestamp.json").body;
            let file = Envelope::<Timestamp>::parse(file).ok()?;
            (!file.expires().is_past(self.world.clock.now())).then_some(())
        });
    }
}

/// The id of a proposal that was made with `--json`.
fn id_of(made: &Outcome) -> String {
    let value: Value = serde_json::from_str(&made.stdout()).unwrap_or_else(|_| panic!("{made}"));
    value["proposal"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}
