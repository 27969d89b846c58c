//! A machine that has too little of something: every ending has its exit code and a reason.

use std::process::Command;

use crate::scene::Scene;

/// The same command with at most so many file descriptors. Its standard input is closed, so that the
/// system can load the program with three of them; what a world gives it to read is left out.
fn with_descriptors(most: u32, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("exec <&-; ulimit -n {most}; exec \"$0\" \"$@\"")]);
    limited.arg(command.get_program()).args(command.get_args()).args(["--timeout", "1"]);
    limited.current_dir(command.get_current_dir().expect("a person has a directory"));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) if !name.to_string_lossy().starts_with("E2E_") => limited.env(name, value),
            _ => limited.env_remove(name),
        };
    }
    limited
}

#[test]
fn too_few_file_descriptors_are_an_error_and_never_a_panic() {
    let scene = Scene::looked_up();
    scene.pin();
    for most in 3..=16 {
        let run = |command: Command, codes: &[i32]| {
            let output = with_descriptors(most, &command).output().expect("a system has sh");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let code = output.status.code().expect("no signal ended it");
            assert!(codes.contains(&code), "{most} descriptors: {code}, {said}");
            assert!(!said.contains("panicked"), "{most} descriptors: {said}");
            assert_eq!(code == 0, said.is_empty(), "{most} descriptors: {code}, {said}");
            code
        };
        run(scene.command("refresh"), &[0, 1]);
        run(scene.command("init root"), &[0, 1]);
        let download = run(scene.download_command(&["app.tgz", "docs/guide.txt"]), &[0, 1]);
        let lookup = run(scene.look_up("app.tgz"), &[0, 4, 8]);
        assert!(most < 16 || (download, lookup) == (0, 0), "16 are enough");
        let _ = std::fs::remove_dir_all(scene.path("targets"));
    }
}
