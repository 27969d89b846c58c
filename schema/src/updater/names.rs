//! What files are called, in the repository and in the directory of a client (TUF 6.1, 7.2).

use std::fmt::Write;

use crate::name::{RoleName, Version};
use crate::role::TargetFile;

/// A root that is about to replace the trusted one, in the directory of a client. No role's file is
/// called so.
pub(super) const NEXT_ROOT: &str = "root.next";

/// The name of a role's trusted file in the directory of a client: `docs.json`, percent-encoded.
///
/// The first letter of a delegated role like `Root` is encoded too: a file system that does not tell
/// cases apart would put its file in the place of the root.
pub fn local_name(role: &RoleName) -> String {
    let name = role.as_str();
    let top_level = [RoleName::ROOT, RoleName::TARGETS, RoleName::SNAPSHOT, RoleName::TIMESTAMP];
    let is_like = |top: &RoleName| top != role && top.as_str().eq_ignore_ascii_case(name);
    match name.as_bytes() {
        [first, ..] if top_level.iter().any(is_like) => format!("%{first:02X}{}.json", &name[1..]),
        _ => format!("{}.json", encode(name)),
    }
}

/// The name of a role's file below the metadata URL: `7.docs.json`, percent-encoded; without a
/// version where the repository has no consistent snapshots, and for the timestamp.
pub fn remote_name(role: &RoleName, version: Option<Version>) -> String {
    match version {
        Some(version) => format!("{version}.{}.json", encode(role.as_str())),
        None => format!("{}.json", encode(role.as_str())),
    }
}

/// The path of a target below the targets URL, not encoded: with consistent snapshots the hash
/// stands before the last segment, `dir/HASH.name`. `None` when no known hash is listed.
pub fn target_location(name: &str, file: &TargetFile, consistent: bool) -> Option<String> {
    if !consistent {
        return Some(name.to_owned());
    }
    let hash = file.hashes.sha256().or(file.hashes.sha512())?;
    Some(match name.rsplit_once('/') {
        Some((directory, last)) => format!("{directory}/{hash}.{last}"),
        None => format!("{hash}.{name}"),
    })
}

/// Percent-encodes all but the unreserved characters of RFC 3986, as python-tuf does.
fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte as char);
            }
            _ => write!(encoded, "%{byte:02X}").expect("a String takes all"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Hashes;

    #[test]
    fn role_names_are_encoded_in_urls_and_file_names() {
        let role = RoleName::parse("a/ü b").unwrap();
        assert_eq!(local_name(&role), "a%2F%C3%BC%20b.json");
        assert_eq!(remote_name(&role, Version::new(7).ok()), "7.a%2F%C3%BC%20b.json");
        assert_eq!(remote_name(&RoleName::TIMESTAMP, None), "timestamp.json");
    }

    #[test]
    fn no_file_of_a_delegated_role_has_a_name_like_that_of_a_top_level_role() {
        let local = |name: &str| local_name(&RoleName::parse(name).unwrap());
        for (name, file) in [
            ("root", "root.json"),
            ("Root", "%52oot.json"),
            ("rOOT", "%72OOT.json"),
            ("Timestamp", "%54imestamp.json"),
            ("SNAPSHOT", "%53NAPSHOT.json"),
            ("Targets", "%54argets.json"),
            ("Roots", "Roots.json"),
            ("%52oot", "%2552oot.json"),
        ] {
            assert_eq!(local(name), file);
        }
        let role = RoleName::parse("Root").unwrap();
        assert_eq!(
            remote_name(&role, Version::new(1).ok()),
            "1.Root.json",
            "URLs stay as they are"
        );
    }

    #[test]
    fn the_hash_of_a_target_stands_before_its_last_segment() {
        let file = TargetFile { length: 0, hashes: Hashes::sha256_of("ab".into()), custom: None };
        assert_eq!(target_location("d/e/f", &file, true).unwrap(), "d/e/ab.f");
        assert_eq!(target_location("f", &file, true).unwrap(), "ab.f");
        assert_eq!(target_location("d/f", &file, false).unwrap(), "d/f");
    }
}
