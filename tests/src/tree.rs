//! The source tree under test, and what cargo knows of it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The root of the workspace.
pub fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("tests/ is a folder of the workspace").to_owned()
}

/// A TOML file of the tree, by its path from the root.
pub fn toml(path: &str) -> toml::Table {
    let file = root().join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.parse().unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// One package of `cargo tree`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeNode {
    /// Its name.
    pub name: String,
    /// The features it is built with.
    pub features: Vec<String>,
}

/// Everything that is compiled into a program of this package, for this platform: its normal and
/// build dependencies at any depth. The first node is the package.
pub fn dependencies(package: &str) -> Vec<TreeNode> {
    dependencies_with(package, &[])
}

/// The same with options of cargo that choose features.
pub fn dependencies_with(package: &str, features: &[&str]) -> Vec<TreeNode> {
    let arguments = ["tree", "--locked", "-e", "normal,build", "--prefix", "none"];
    let format = ["--format", "{p}|{f}", "-p", package];
    let text = cargo(&[&arguments[..], &format, features].concat());
    let read = |line: &str| {
        let (name, features) = line.split_once('|')?;
        let features = features.trim_end_matches(" (*)").split(',').map(str::to_owned).collect();
        Some(TreeNode { name: name.split(' ').next()?.to_owned(), features })
    };
    let nodes: Vec<TreeNode> = text.lines().filter_map(read).collect();
    assert_eq!(nodes.first().map(|node| node.name.as_str()), Some(package), "{text}");
    nodes
}

/// Every source file below a folder, with its text.
pub fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let (mut folders, mut sources) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the tree") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("source is UTF-8");
                sources.push((path, text));
            }
        }
    }
    sources
}

/// `cargo metadata`, with the packages of all platforms.
pub fn metadata() -> Value {
    metadata_of("Cargo.toml")
}

/// The same of another workspace of the tree, by the path of its manifest. It asserts that its lock
/// file is up to date.
pub fn metadata_of(manifest: &str) -> Value {
    let arguments = ["metadata", "--locked", "--format-version", "1", "--manifest-path", manifest];
    serde_json::from_str(&cargo(&arguments)).expect("cargo metadata is JSON")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo starts: it built this test");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "cargo {}: {stderr}", arguments.join(" "));
    stdout.into_owned()
}
