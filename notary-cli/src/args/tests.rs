use chrono::DateTime;
use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn what_is_accepted_and_what_is_refused() {
    for line in [
        "notary key generate --algorithm rsa-3072 --name release",
        "notary key list --json",
        "notary --json key list",
        "notary key export abc --public -o f",
        "notary init acme/app --root-key a --root-key b --root-threshold 2 --targets-key c",
        "notary info a --check --within 14d",
        "notary add a docs/x f --role docs --custom c.json --copy-to d --publish --key k",
        "notary add a docs/ d --recursive",
        "notary add a docs/ d --recursive --exclude *.o --exclude .git",
        "notary addhash a docs/x 3 --sha256 00 --publish",
        "notary import a --from - --format jsonl",
        "notary import a --from f --format sha256sum --root d",
        "notary remove a docs/x",
        "notary witness a docs --reviewed 3 --publish",
        "notary witness a docs --bins",
        "notary delegation remove a docs --parent targets",
        "notary delegation update a docs --path docs/* --path d --terminating true --publish",
        "notary delegation update a docs --before other",
        "notary delegation plan a -f delegations.yaml",
        "notary delegation apply a --file delegations.yaml --key k --expires 90d",
        "notary delegation list a --yaml",
        "notary delegation update a docs --last --key k",
        "notary rotate a docs --bins --new-key k --drop-key 00000000",
        "notary init a --private --replace 00",
        "notary diff a root 1 2",
        "notary log a --follow --after 3",
        "notary policy a",
        "notary policy a set public=false timestamp=12h",
        "notary token create --publish a/* --role docs --expires 90d",
        "notary delete a --local --yes",
        "notary rotate a root --threshold 2 --reason x --propose --second-content",
        "notary proposal show a",
        "notary proposal sign a 00 --key k --role root --role docs --second-content",
        "notary proposal sign a --file f -o s",
        "notary proposal export a 00 -o f",
        "notary proposal import a s",
        "notary proposal rebase a 00 --expires 90d --reason x",
        "notary export a site --json",
        "notary adopt a --from https://b/metadata/ --root 1.root.json --key k",
        "notary rotate a timestamp --compromised",
        "notary recover a timestamp --key k --expires 90d --reason r",
        "notary witness a root --publish --key k --expires 90d",
        "notary revoke a 00000000 --reason r --new-key k --threshold 2 --role docs --restore 3 --also 11111111",
        "notary revoke a 00000000 --reviewed docs=3 --empty --versions 10 --dry-run --key k --expires 90d",
        "notary revoke a --list",
        "notary revoke a --undo 00000000",
        "notary rotate a root --new-key k --new-key f --drop-key 00000000 --threshold 2 --expires 90d",
        "notary completion zsh",
        "notary publish a --dry-run --expires 90d",
        "notary delegation request a docs --key k -o f",
        "notary delegation add a docs --request f --path docs/* --threshold 2 --terminating",
        "notary delegation add a docs --key f --pending --path docs/*",
        "notary delegation add a docs --key f --from-history --path docs/*",
        "notary delegation request a docs --key k --from-history -o f",
        "notary trust add a --root f",
        "notary trust add a --sha256 00 --root-version 3",
        "notary pull a x -o f --targets-url https://t --plain-names",
        "notary watch a docs/x",
        "notary watch a docs/x -o f --targets-url https://t --plain-names --interval 30s --once",
        "notary client --metadata-dir d init f",
        "notary client init f --metadata-dir d",
        "notary client download --target-name a --target-name b --metadata-dir d",
        "notary client --metadata-dir d --metadata-url u --target-name a download",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    for line in [
        "notary",
        "notary nothing",
        "notary init ../x",
        "notary init acme/_trust",
        "notary info a --within 14d",
        "notary key generate --algorithm dsa",
        "notary delegation request a docs -o f",
        "notary delegation add a docs --path docs/*",
        "notary delegation add a docs --request f",
        "notary delegation add a docs --request f --key k --pending --path p",
        "notary delegation add a docs --key k --path p",
        "notary delegation add a docs --key k --pending --from-history --path p",
        "notary delegation add a docs --request f --from-history --path p",
        "notary delegation plan a",
        "notary delegation list a --yaml --json",
        "notary delegation update a docs",
        "notary delegation update a docs --first --last",
        "notary delegation update a docs --before x --after y",
        "notary rotate a docs --bins --compromised",
        "notary revoke a",
        "notary revoke a 00000000 --list",
        "notary revoke a 0000000 --reason r",
        "notary revoke a 00000000 --reason r --also 1111111",
        "notary revoke a --undo=",
        "notary revoke a --undo 0000000",
        "notary rotate a root --new-key k --drop-key=",
        "notary rotate a root --new-key k --drop-key 0000000",
        "notary revoke a 00000000 --undo 00000000",
        "notary revoke a 00000000 --reviewed docs=0",
        "notary add a docs/x f --exclude *.o",
        "notary addhash a docs/x 3",
        "notary addhash a docs/x -3 --sha256 00",
        "notary import a --from f --format sha256sum",
        "notary import a --from f --format csv",
        "notary witness a docs --bins --reviewed 3",
        "notary diff a root 0 1",
        "notary policy a set",
        "notary token create",
        "notary token create --read a --admin b",
        "notary token create --read a --role docs",
        "notary completion sh",
        "notary doctor",
        "notary doctor a --within 0d",
        "notary doctor a --seed -1",
        "notary watch a",
        "notary watch a docs/x --exec",
        "notary watch a docs/x --exec=",
        "notary watch a docs/x --interval 0s",
        "notary watch a docs/x --interval 2030-01-31",
        "notary watch a docs/x --interval 4000d",
        "notary trust add a",
        "notary trust add a --root f --sha256 00",
        "notary trust add a --sha256 00 --root-version 0",
        "notary trust add a --root f --root-version 2",
        "notary publish a --expires soon",
        "notary publish a --reason=",
        "notary proposal show a ../b",
        "notary proposal sign a --file f",
        "notary proposal sign a 00 --file f -o s",
        "notary proposal cancel a",
        "notary proposal export a 00",
        "notary add a docs/x f --expires 90d",
    ] {
        assert!(parse(line).is_err(), "{line} was accepted");
    }
}

#[test]
fn target_names_keep_their_order_wherever_they_stand() {
    for (line, wanted) in [
        (
            "notary client download --target-name b --target-name a --target-name b",
            &["b", "a", "b"][..],
        ),
        ("notary client --target-name b --target-name a download", &["b", "a"]),
        ("notary client --target-name b download --target-name a", &["b", "a"]),
        ("notary client --target-name=b download --target-name=-a", &["b", "-a"]),
    ] {
        let Command::Client(args) = parse(line).unwrap().command else { panic!("{line}") };
        assert_eq!(args.all_target_names().collect::<Vec<_>>(), wanted, "{line}");
    }
}

#[cfg(feature = "doctor")]
#[test]
fn the_doctor_takes_a_span_a_seed_and_what_is_accepted() {
    parse("notary doctor a --within 30d --seed 7 --json").unwrap();
    parse("notary doctor a --accept key_shared --accept expires_soon:a:b").unwrap();
    for bad in ["expired", "", "key_shared:", "KEY_SHARED", "tough_refuses"] {
        let refused = parse(&format!("notary doctor a --accept={bad}")).unwrap_err().to_string();
        assert!(bad.ends_with(':') || refused.contains("expires_soon, key_id"), "{refused}");
    }
}

#[test]
fn a_date_or_a_span_says_when() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let when = |text: &str| text.parse::<When>().unwrap().from(now).to_string();
    assert_eq!(when("2030-01-31"), "2030-01-31T00:00:00Z");
    assert_eq!(when("2030-01-31T12:00:00Z"), "2030-01-31T12:00:00Z");
    assert_eq!(when("90d"), "2027-04-15T08:00:00Z");
    assert_eq!(when("1h"), "2027-01-15T09:00:00Z");
    for bad in ["", "d", "-1d", "0d", "1y", "2030-13-01", "1é", "99999999999999999d"] {
        assert!(bad.parse::<When>().is_err(), "{bad:?} was accepted");
    }
}

/// The words of the contract that people script against.
#[test]
fn the_commands_are_these() {
    fn names(command: &clap::Command, above: &str, all: &mut Vec<String>) {
        for command in command.get_subcommands() {
            let name = format!("{above}{}", command.get_name());
            names(command, &format!("{name} "), all);
            all.push(name);
        }
    }
    let mut all = Vec::new();
    names(&Cli::command(), "", &mut all);
    assert_eq!(
        all,
        [
            "key generate",
            "key add",
            "key list",
            "key export",
            "key import",
            "key passwd",
            "key remove",
            "key",
            "init",
            "adopt",
            "info",
            "collections",
            "log",
            "diff",
            "add",
            "addhash",
            "import",
            "remove",
            "witness",
            "status",
            "reset",
            "publish",
            "proposal list",
            "proposal show",
            "proposal sign",
            "proposal export",
            "proposal import",
            "proposal rebase",
            "proposal cancel",
            "proposal",
            "list",
            "lookup",
            "delegation request",
            "delegation add",
            "delegation update",
            "delegation bins",
            "delegation remove",
            "delegation list",
            "delegation plan",
            "delegation apply",
            "delegation",
            "trust add",
            "trust list",
            "trust show",
            "trust remove",
            "trust",
            "verify",
            "pull",
            "watch",
            #[cfg(feature = "doctor")]
            "doctor",
            "export",
            "repair",
            "rotate",
            "revoke",
            "recover",
            "delete",
            "undelete",
            "policy set",
            "policy",
            "token create",
            "token list",
            "token revoke",
            "token",
            "whoami",
            "completion",
            "client init",
            "client refresh",
            "client download",
            "client",
        ]
    );
}
