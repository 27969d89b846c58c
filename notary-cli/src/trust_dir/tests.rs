use super::*;

fn collection(directory: &Path, gun: &str) -> CollectionDir {
    TrustDir::new(directory.to_owned()).collection(&Gun::parse(gun).unwrap())
}

#[test]
fn a_collection_below_another_one_has_its_own_files() {
    let directory = tempfile::tempdir().unwrap();
    let (outer, inner) = (collection(directory.path(), "a"), collection(directory.path(), "a/b"));
    files::write(&outer.staged_path(), b"outer").unwrap();
    files::write(&inner.staged_path(), b"inner").unwrap();
    assert_eq!(files::read(&outer.staged_path()).unwrap().unwrap(), b"outer");
    assert_eq!(files::read(&inner.staged_path()).unwrap().unwrap(), b"inner");
}

#[test]
fn trust_starts_with_the_pinned_root_and_goes_on_with_the_stored_one() {
    let directory = tempfile::tempdir().unwrap();
    let collection = collection(directory.path(), "a");
    let trusted = collection.trusted();
    assert_eq!(trusted.load("root.json").unwrap(), None);
    files::write(&collection.pinned_path(), b"1").unwrap();
    assert_eq!(trusted.load("root.json").unwrap().unwrap(), b"1");
    assert_eq!(trusted.load("timestamp.json").unwrap(), None);
    trusted.save("root.json", b"2").unwrap();
    assert_eq!(trusted.load("root.json").unwrap().unwrap(), b"2");
    trusted.remove("root.json").unwrap();
    trusted.remove("root.json").unwrap();
    assert_eq!(trusted.load("root.json").unwrap().unwrap(), b"1");
}

#[test]
fn what_a_crash_left_beside_a_file_does_not_touch_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    files::write(&path, b"old").unwrap();
    let mut torn = files::temporary_in(directory.path()).unwrap();
    std::io::Write::write_all(&mut torn, b"ne").unwrap();
    let (torn, left) = torn.keep().unwrap();
    assert_eq!(files::read(&path).unwrap().unwrap(), b"old");
    files::write(&path, b"new").unwrap();
    assert_eq!(files::read(&path).unwrap().unwrap(), b"new");
    files::sweep(directory.path());
    assert!(left.exists(), "it is still written");
    drop(torn);
    files::sweep(directory.path());
    assert!(!left.exists(), "nobody writes it any more");
    assert_eq!(files::read(&path).unwrap().unwrap(), b"new");
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_neither_waited_for_nor_removed() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join(".notary-aB3xYz.tmp");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let link = directory.path().join(".notary-aB3xYw.tmp");
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    files::sweep(directory.path());
    assert!(pipe.exists() && link.is_symlink());
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("taken");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("inside"), b"x").unwrap();
    assert!(matches!(files::write(&path, b"new"), Err(StateError::Io { .. })));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn only_what_is_secret_is_hidden_from_others() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let (public, private) = (directory.path().join("public"), directory.path().join("private"));
    files::write(&public, b"x").unwrap();
    files::write_private(&private, b"x").unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let usual = directory.path().join("usual");
    std::fs::write(&usual, b"x").unwrap();
    assert_eq!((mode(&public), mode(&private)), (mode(&usual), 0o600));
}

#[test]
fn a_damaged_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("staged");
    std::fs::write(&path, b"{\"half\":").unwrap();
    let error = files::read_json::<serde_json::Value>(&path).unwrap_err();
    assert!(error.to_string().contains("staged is damaged"), "{error}");
}

#[tokio::test]
async fn one_process_at_a_time_holds_a_collection() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (collection(directory.path(), "a"), collection(directory.path(), "b"));
    let held = one.lock(Duration::ZERO).await.unwrap();
    let refused = one.lock(Duration::from_millis(50)).await;
    assert!(matches!(refused, Err(StateError::Locked { .. })));
    other.lock(Duration::ZERO).await.unwrap();
    drop(held);
    one.lock(Duration::ZERO).await.unwrap();
}
