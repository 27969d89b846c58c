//! Do the commands of the runbooks, and of the ceremony, do what the pages say?
//!
//! Each ```` ```console ```` of a page is run, in a world of its own for each page, and must print the
//! lines that follow each command: what goes to stdout, then what goes to stderr, then
//! `(exit code N)` where that is not 0. What the reader has already stands in comments of the page,
//! which are scripts like those of `cli/script.rs` and have to succeed:
//!
//! ```text
//! <!-- world
//! @ manager admin --collection demo/**
//! manager$ notary init demo/app
//! -->
//! ```
//! Values that differ from run to run are placeholders as in scripts; later commands may name them.
//! With `NOTARY_TEST_BLESS=1` a page is changed to say what was printed.

use notary_tests::tree;

use crate::cli::script::{Stage, require_same};

/// Where a line of a page stands.
#[derive(Clone, Copy)]
enum Place {
    Text,
    World,
    Console,
}

macro_rules! pages {
    ($($name:ident)*) => {
        /// Every page of the folder, with `_` for `-`.
        const PAGES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                run(&format!("docs/runbooks/{}.md", stringify!($name).replace('_', "-")));
            }
        )*
    };
}

pages! {
    expired_online
    expired_role
    expired_root
    expired_targets
    lost_online_key
    lost_targets_key
    runaway_version
    server_from_backup
    sick_place
    signer_from_backup
    stolen_key
}

#[test]
fn every_page_of_the_folder_is_run() {
    let files =
        std::fs::read_dir(tree::root().join("docs/runbooks")).expect("a folder of the tree");
    let names = files.map(|file| file.expect("its entry").file_name().into_string());
    let names = names.map(|name| name.expect("our names are UTF-8"));
    let mut found: Vec<String> = names.map(|name| name.replace('-', "_")).collect();
    found.sort();
    assert_eq!(found, PAGES.iter().map(|name| format!("{name}.md")).collect::<Vec<_>>());
}

#[test]
fn the_ceremony_and_the_days_after_it() {
    run("docs/ceremony.md");
}

#[track_caller]
fn run(file: &str) {
    let page = std::fs::read_to_string(tree::root().join(file)).expect("a page of the tree");
    let (mut stage, mut place, mut commands) = (Stage::new(), Place::Text, 0);
    let mut found = String::new();
    for line in page.lines() {
        let is_command = line.split_once("$ ").is_some_and(|(who, _)| is_name(who));
        let next = match (place, line) {
            (Place::Text, "<!-- world") => Place::World,
            (Place::Text, "```console") => Place::Console,
            (Place::World, "-->") | (Place::Console, "```") => Place::Text,
            _ => place,
        };
        // What a command printed before is printed anew.
        if !matches!((place, next), (Place::Console, Place::Console)) || is_command {
            found += &format!("{line}\n");
        }
        match (place, next) {
            (Place::World, Place::World) => {
                let printed = stage.perform(line);
                assert_eq!(printed.code, 0, "{file}: {line}\n{}", printed.plain());
            }
            (Place::Console, Place::Console) if is_command => {
                commands += 1;
                found += &stage.perform(line).plain();
            }
            _ => {}
        }
        place = next;
    }
    assert!(commands > 0, "{file} has no command");
    stage.end();
    require_same(file, &page, &found);
}

/// Whether it may stand before a prompt.
fn is_name(who: &str) -> bool {
    !who.is_empty() && who.bytes().all(|byte| byte.is_ascii_lowercase())
}
