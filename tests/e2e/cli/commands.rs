//! Every command of `notary help` stands in a script, once as people use it and once with `--json`.

use notary_tests::world::Program;

use super::{SCRIPTS, script};

/// The commands of a help text: those of a group come with the group before them.
fn commands(group: &str) -> Vec<String> {
    let mut help = Program::Notary.command();
    let output = help.arg("help").args(group.split_whitespace()).output().expect("cargo built it");
    let text = String::from_utf8(output.stdout).expect("help is text");
    let Some((_, list)) = text.split_once("Commands:\n") else { return vec![group.to_owned()] };
    let names = list.lines().take_while(|line| !line.is_empty());
    // Continued lines of a description are indented further.
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|n| *n != "help");
    names.flat_map(|name| commands(format!("{group} {name}").trim_start())).collect()
}

/// Whether some script runs a command, with `--json` or without.
fn is_shown(command: &str, json: bool) -> bool {
    let runs = SCRIPTS.iter().flat_map(|(_, script)| script::commands(script));
    runs.filter(|(_, line)| line.contains("--json") == json).any(|(_, line)| {
        // Options and the collection may stand between the words of a command.
        let mut words = line.split_whitespace();
        let mut wanted = std::iter::once("notary").chain(command.split(' '));
        wanted.all(|wanted| words.any(|word| word == wanted))
    })
}

#[test]
fn every_command_is_shown_as_people_read_it_and_as_programs_do() {
    let all = commands("");
    assert!(all.len() > 20, "the help was not understood: {all:?}");
    let missing = |json| all.iter().filter(move |command| !is_shown(command, json));
    let (plain, json): (Vec<_>, Vec<_>) = (missing(false).collect(), missing(true).collect());
    assert!(plain.is_empty() && json.is_empty(), "no script shows {plain:?}; with --json {json:?}");
}
