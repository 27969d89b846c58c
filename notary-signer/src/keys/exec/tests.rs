//! A shell script stands for the program: what it answers is written down, but for the id.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use tempfile::TempDir;

use super::super::private::PrivateKey;
use super::super::testing::is_run_with;
use super::*;

/// A script that answers each line by these cases of the shell, with `$id` set.
fn program(cases: &str) -> (TempDir, Program) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("program.sh");
    let script = format!(
        r#"while read -r line; do
             id=${{line#*\"id\":}}; id=${{id%%,*}}
             case "$line" in {cases} esac
           done"#
    );
    fs::write(&path, script).unwrap();
    let arguments = vec![path.display().to_string()];
    (directory, Program { arguments, ..Program::new("sh".into()) })
}

fn store(cases: &str) -> (TempDir, ExecStore) {
    let (directory, program) = program(cases);
    (directory, ExecStore::new("vault", program))
}

fn trouble<T>(done: Result<T, KeyError>) -> Trouble {
    match done {
        Err(KeyError::Backend { backend, trouble }) => {
            assert_eq!(backend, "vault");
            trouble
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it succeeded"),
    }
}

#[tokio::test]
async fn a_key_is_attached_by_name_and_signs() {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let other = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let pem = key.public().to_pem().replace('\n', "\\\\n");
    let [good, bad] = [&key, &other].map(|key| STANDARD.encode(key.sign(b"message").unwrap()));
    let (_directory, store) = store(&format!(
        r#"*describe*release*) printf '%b\n' '{{"id":'$id',"public":"{pem}"}}' ;;
           *sign*good*) echo '{{"id":'$id',"signature":"{good}"}}' ;;
           *sign*) echo '{{"id":'$id',"signature":"{bad}"}}' ;;
           *) echo '{{"id":'$id',"error":{{"code":"no_such_key","message":"k"}}}}' ;;"#
    ));
    let attached = store.attach("release", "good").await.unwrap();
    assert_eq!(attached.public, *key.public());
    assert_eq!(store.public(&attached.handle).await.unwrap(), *key.public());
    let signature = attached.sign(&store, b"message").await.unwrap();
    assert!(key.public().verifies(b"message", &signature));
    assert_eq!(trouble(store.attach("nobody", "good").await), Trouble::NoSuchKey("k".into()));

    // The program gets the digest, so only what was asked for can verify.
    let lying = store.attach("release", "bad").await.unwrap();
    let refused = lying.sign(&store, b"message").await.unwrap_err();
    assert!(matches!(refused, KeyError::SignatureDoesNotVerify(_)), "{refused}");
}

#[tokio::test]
async fn what_the_program_says_went_wrong_is_told_as_it_is() {
    for (code, expected) in [
        ("unreachable", Trouble::Unreachable("why".into())),
        ("throttled", Trouble::Throttled("why".into())),
        ("not_let_in", Trouble::NotLetIn("why".into())),
        ("no_such_key", Trouble::NoSuchKey("why".into())),
        ("key_unusable", Trouble::KeyUnusable("why".into())),
        ("not_supported", Trouble::NotSupported("why".into())),
    ] {
        let (_directory, store) = store(&format!(
            r#"*) echo '{{"id":'$id',"error":{{"code":"{code}","message":"why"}}}}' ;;"#
        ));
        assert_eq!(trouble(store.check().await), expected);
        assert_eq!(trouble(store.check().await), expected, "it was not asked again");
    }
}

#[tokio::test]
async fn junk_ends_the_program_and_the_next_call_starts_another() {
    let long = format!("head -c {} /dev/zero | tr '\\0' x; echo", protocol::MAX_LINE_BYTES + 1);
    for (junk, expected) in [
        ("echo junk", "a line is no answer"),
        ("echo '{\"signature\":\"\"}'", "missing field `id`"),
        (&long, "a line is longer"),
        ("exit 3", "the program ended"),
    ] {
        let directory = TempDir::new().unwrap();
        let once = directory.path().join("once").display().to_string();
        let (_directory, store) = store(&format!(
            r#"*) if mkdir {once} 2>&-; then {junk}; else echo '{{"id":'$id'}}'; fi ;;"#
        ));
        let refused = trouble(store.check().await).to_string();
        assert!(refused.contains(expected), "{refused}");
        store.check().await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_without_what_was_asked_for_is_named() {
    let (_directory, store) = store(r#"*) echo '{"id":'$id',"public":"x"}' ;;"#);
    let refused = trouble(store.attach("k", "p").await).to_string();
    assert!(refused.contains("\"public\" is no key"), "{refused}");
    let refused = trouble(store.create(Algorithm::Ed25519, "p").await).to_string();
    assert!(refused.contains("no \"key\""), "{refused}");
}

#[tokio::test]
async fn answers_may_come_in_another_order() {
    // Keeps the first request until the second has come.
    let (_directory, store) = store(
        r#"*) read -r second; other=${second#*\"id\":}; other=${other%%,*}
              echo '{"id":'${other%\}}'}'; echo '{"id":'$id',"error":{"code":"throttled"}}' ;;"#,
    );
    let describe = store.ask(Call::Describe { key: "first".into() });
    let (first, second) = tokio::join!(describe, store.check());
    assert!(matches!(trouble(first), Trouble::Throttled(_)));
    second.unwrap();
}

#[tokio::test]
async fn a_program_that_does_not_start_is_named() {
    let program = Program::new("/nowhere/vault".into());
    let refused = trouble(ExecStore::new("vault", program).check().await);
    assert!(matches!(refused, Trouble::Unreachable(_)), "{refused}");
    assert!(refused.to_string().contains("/nowhere/vault: No such file"), "{refused}");
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_nothing_behind_and_stops_nobody() {
    let (_directory, store) = store(r#"*describe*) ;; *) echo '{"id":'$id'}' ;;"#);
    let never = tokio::time::timeout(Duration::from_millis(50), store.describe("k")).await;
    assert!(never.is_err(), "it was answered");
    store.check().await.unwrap();
    let process = store.process().unwrap();
    assert_eq!(process.waiting(), 0);
}

#[tokio::test]
async fn a_dropped_store_leaves_no_program_behind() {
    let directory = TempDir::new().unwrap();
    let pid = directory.path().join("pid");
    let (_directory, store) =
        store(&format!(r#"*) echo $$ >{}; echo '{{"id":'$id'}}' ;;"#, pid.display()));
    store.check().await.unwrap();
    let pid = fs::read_to_string(&pid).unwrap();
    let process = format!("/proc/{}", pid.trim());
    assert!(fs::exists(&process).unwrap());
    drop(store);
    assert!(!fs::exists(&process).unwrap(), "it still runs");
}

/// What starts something that holds stdin, stdout and stderr, by `setsid` or by nothing, and goes on once
/// it is there: its number is a line of a file then.
fn leaves_behind(by: &str, pids: &Path) -> String {
    let (pids, up) = (pids.display(), "up=$(mktemp -u)");
    format!(
        r#"{up}; export up; {by} sh -c 'echo $$ >>{pids}; : >$up; exec sleep 600' <&0 &
           while [ ! -e $up ]; do sleep 0.01; done; rm $up"#
    )
}

/// A program that has started something which holds its pipes has ended all the same.
#[tokio::test]
async fn what_an_ended_program_leaves_behind_ends_with_it() {
    for away in ["", "setsid"] {
        let directory = TempDir::new().unwrap();
        let (once, pid) = (directory.path().join("once"), directory.path().join("pid"));
        let leaves = leaves_behind(away, &pid);
        let (_directory, store) = store(&format!(
            r#"*) if mkdir {} 2>&-; then {leaves}; exit 3; else echo '{{"id":'$id'}}'; fi ;;"#,
            once.display(),
        ));
        let refused = trouble(store.check().await).to_string();
        assert!(refused.contains("the program ended"), "{refused}");
        store.check().await.unwrap();
        let pid = fs::read_to_string(&pid).unwrap();
        let process = format!("/proc/{}/stat", pid.trim());
        match away == "setsid" {
            true => assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success()),
            false => {
                // Whoever adopts it may take a moment to notice that it is dead.
                let runs = fs::read_to_string(&process).unwrap_or_default();
                assert!(runs.is_empty() || runs.contains(") Z "), "{runs}");
            }
        }
    }
}

#[tokio::test]
async fn a_program_that_answers_nobody_is_stopped_and_another_one_started() {
    let directory = TempDir::new().unwrap();
    let once = directory.path().join("once").display().to_string();
    let (_directory, store) = store(&format!(
        r#"*) if mkdir {once} 2>&-; then exec sleep 600; else echo '{{"id":'$id'}}'; fi ;;"#
    ));
    let (hung, patient) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(1), store.check()),
        store.describe("k")
    );
    assert!(hung.is_err(), "it was answered");
    let refused = trouble(patient).to_string();
    assert!(refused.contains("answered nobody"), "{refused}");
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_program_that_reads_slowly_is_not_stopped_for_that() {
    let directory = TempDir::new().unwrap();
    let go = directory.path().join("go");
    let (_directory, store) = store(&format!(
        r#"*) while [ ! -e {} ]; do sleep 0.01; done; echo '{{"id":'$id'}}' ;;"#,
        go.display()
    ));
    // More than its pipe and those that wait for it to be read.
    let name = "k".repeat(1_000);
    let asked = (0..300).map(|_| store.ask(Call::Describe { key: name.clone() }));
    let all_asked = async { fs::write(&go, "").unwrap() };
    let (answers, ()) = tokio::join!(join_all(asked), all_asked);
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!(answered.len() >= 64, "{} were answered", answered.len());
    assert!(!refused.is_empty(), "all of them found room");
    for refused in refused {
        assert!(matches!(trouble(refused), Trouble::Throttled(_)));
    }
}

#[tokio::test]
async fn a_program_that_answers_nothing_any_more_is_ended_without_another_call() {
    for end in ["exec >&-", "echo junk"] {
        let directory = TempDir::new().unwrap();
        let pid = directory.path().join("pid");
        let (_directory, store) =
            store(&format!("*) echo $$ >{}; {end}; while :; do sleep 0.1; done ;;", pid.display()));
        trouble(store.check().await);
        let pid = fs::read_to_string(&pid).unwrap();
        let process = format!("/proc/{}", pid.trim());
        let gone = async {
            while fs::exists(&process).unwrap() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is ended");
    }
}

/// What holds its pipes for ever takes nothing of ours for ever.
#[tokio::test]
async fn of_programs_that_have_ended_nothing_is_left() {
    let directory = TempDir::new().unwrap();
    let pids = directory.path().join("pids");
    let test = "keys::exec::tests::of_programs_that_have_ended_nothing_is_left";
    if !is_run_with(test, &[("TEST_PIDS", pids.as_os_str())]) {
        return;
    }
    let pids = PathBuf::from(std::env::var_os("TEST_PIDS").unwrap());
    let (_directory, store) = store(&format!("*) {}; exit 3 ;;", leaves_behind("setsid", &pids)));
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let before = [count("fd"), count("task")];
    const STARTS: usize = 3;
    for _ in 0..STARTS {
        // Longer than a pipe: some of it is never read.
        let refused = trouble(store.describe(&"k".repeat(100_000)).await).to_string();
        assert!(refused.contains("the program ended"), "{refused}");
    }
    let pids = fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), STARTS);
    drop(store);
    let gone = async {
        while [count("fd"), count("task")].iter().zip(before).any(|(now, then)| *now > then) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
    let after = [count("fd"), count("task")];
    for pid in pids.lines() {
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }
    assert!(gone.is_ok(), "descriptors and threads: {before:?} before, {after:?} after");
}

#[tokio::test]
async fn a_program_that_answers_others_is_not_stopped_for_one_slow_call() {
    let (_directory, store) = store(r#"*describe*) ;; *) echo '{"id":'$id'}' ;;"#);
    store.check().await.unwrap();
    let first = store.process().unwrap();
    let slow = tokio::time::timeout(Duration::from_millis(500), store.describe("k"));
    let (slow, other) = tokio::join!(slow, store.check());
    assert!(slow.is_err(), "it was answered");
    other.unwrap();
    assert_eq!(first.waiting(), 0, "who has given up is kept in mind");
    assert!(Arc::ptr_eq(&first, &store.process().unwrap()), "it was started anew");
}

#[tokio::test]
async fn the_program_sees_no_variable_of_ours() {
    let variables = [
        ("NOTARY_SIGNER_PASSPHRASE", OsStr::new("correct horse")),
        ("OTHER_VARIABLE", OsStr::new("stays")),
    ];
    if !is_run_with("keys::exec::tests::the_program_sees_no_variable_of_ours", &variables) {
        return;
    }
    let (_directory, store) = store(
        r#"*) seen="$OTHER_VARIABLE $(env | grep -c ^NOTARY_)"
              echo '{"id":'$id',"error":{"code":"throttled","message":"'$seen'"}}' ;;"#,
    );
    assert_eq!(trouble(store.check().await), Trouble::Throttled("stays 0".into()));
}

#[tokio::test]
async fn a_program_wraps_and_unwraps() {
    let (_directory, store) = store(
        r#"*'"wrap","key":"store","secret":"AQID"'*) echo '{"id":'$id',"wrapped":"BAUG"}' ;;
           *'"unwrap","key":"store","wrapped":"BAUG"'*) echo '{"id":'$id',"secret":"AQID"}' ;;
           *unwrap*) echo '{"id":'$id',"secret":"no base64"}' ;;
           *) echo '{"id":'$id'}' ;;"#,
    );
    assert_eq!(store.wrap("store", &[1, 2, 3]).await.unwrap(), [4, 5, 6]);
    assert_eq!(*store.unwrap("store", &[4, 5, 6]).await.unwrap(), [1, 2, 3]);
    let refused = trouble(store.unwrap("store", &[4]).await).to_string();
    assert!(refused.contains("\"secret\" is not base64"), "{refused}");
    let refused = trouble(store.wrap("other", &[1, 2, 3]).await).to_string();
    assert!(refused.contains("no \"wrapped\""), "{refused}");
}
