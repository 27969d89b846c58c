//! Does the same command succeed after a kill between any two of its steps?

use notary_tests::world::{Outcome, Person, STOP_VARIABLE};

use super::{Ceremony, MISSING, id_of};

/// Runs a command that is killed when it has stored something for the Nth time.
fn stopped(person: &Person, words: &str, point: &str, time: usize) -> Outcome {
    let mut command = person.command(words);
    command.env(STOP_VARIABLE, format!("{point}:{time}"));
    person.run(command)
}

#[test]
fn a_proposal_is_made_and_signed_once_whatever_is_killed() {
    let ceremony = Ceremony::start();
    let (anna, ben) = (&ceremony.anna, &ceremony.ben);
    let (mut version, mut killed) = (0, 0);
    for point in ["written", "renamed", "removed"] {
        for time in 1.. {
            version += 1;
            anna.file("file", format!("{version}"));
            anna.notary(&format!("add acme/app docs/{version} file --role docs")).done();
            let row = format!("{point}:{time}");
            let publish = "publish acme/app --json";
            let made = stopped(anna, publish, point, time);
            let made_killed = made.was_killed();
            let made = if made_killed { anna.notary(publish) } else { made };
            // Where all was done but the last word, nothing is left.
            assert!(made.code() == MISSING || (made_killed && made.code() == 0), "{row}: {made}");
            assert_eq!(ceremony.open(), 1, "{row}");
            anna.notary("status acme/app").done();
            let sign = "proposal sign acme/app --yes";
            let signed = stopped(ben, sign, point, time);
            let sign_killed = signed.was_killed();
            if sign_killed {
                // It is published already where the signature had arrived.
                assert_eq!(ben.notary(sign).code(), 0, "{row}");
            }
            assert_eq!((ceremony.version("docs"), ceremony.open()), (version, 0), "{row}");
            killed += usize::from(made_killed) + usize::from(sign_killed);
            if !made_killed && !sign_killed {
                break;
            }
        }
    }
    assert!(killed >= 9, "only {killed} kills hit");
}

#[test]
fn a_root_is_proposed_once_whatever_is_killed() {
    let ceremony = Ceremony::start();
    let (anna, ben) = (&ceremony.anna, &ceremony.ben);
    let mut version = ceremony.version("root");
    for (point, time) in [("written", 1), ("renamed", 1), ("written", 2), ("renamed", 2)] {
        version += 1;
        let threshold = 2 + version % 2;
        let rotate = format!("rotate acme/app root --threshold {threshold} --json");
        let made = stopped(anna, &rotate, point, time);
        let made = if made.was_killed() { anna.notary(&rotate) } else { made };
        assert_eq!(made.code(), MISSING, "{point}:{time}: {made}");
        let (id, all) = (id_of(&made), ceremony.open());
        assert_eq!(all, 1, "{point}:{time}");
        let last = ceremony.sign(ben, &id);
        if last.code() == MISSING {
            ceremony.sign(&ceremony.carl, &id).done();
        }
        assert_eq!(ceremony.version("root"), version, "{point}:{time}");
    }
}
