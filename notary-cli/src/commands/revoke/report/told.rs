//! The report in words.

use std::fmt::Write;

use super::{CameWithIt, LeftRole, NewSigners, NextVersion, Report, SignedTarget, UNREAD};
use crate::output::one_line;
use crate::session::Session;

impl Report {
    /// What is going to change, for people.
    pub(in super::super) fn preview(&self) -> String {
        let mut text = self.differences();
        self.tell_left_behind(&mut text);
        text
    }

    /// What the key has signed, for people.
    pub(in super::super) fn at_stake(&self) -> String {
        let mut text = String::new();
        self.tell_signed(&mut text);
        text
    }

    pub(super) fn differences(&self) -> String {
        let mut text = String::new();
        for next in &self.roles {
            let NextVersion { role, version_before, version, content_of, changes } = next;
            match content_of {
                Some(of) if of == version_before => continue,
                Some(of) => line(
                    &mut text,
                    format_args!("{role} goes back from {version_before} to {of}, as {version}:"),
                ),
                None => line(&mut text, format_args!("{role} {version} is empty:")),
            }
            changes.iter().for_each(|change| text += &format!("  {}", change.line()));
        }
        text
    }

    fn tell_left_behind(&self, text: &mut String) {
        for role in &self.left_behind {
            line(text, format_args!("no delegation leads to {role} any more"));
        }
    }

    pub(super) fn tell_left(&self, session: &Session) {
        let gun = &self.collection;
        for LeftRole { role, version, why } in &self.left {
            let version = version.map_or(String::new(), |version| format!(" {version}"));
            session.output.warn(match *why {
                UNREAD => format!(
                    "{role}{version} cannot be read, and what it lists is not known: `notary repair \
                     {gun}` brings it back, or, where nobody has it, `notary witness {gun} {role} \
                     --publish` makes the next version; then say this again"
                ),
                _ => format!(
                    "clients refuse {role}{version}, and not for this key: it stays as it is; `notary \
                     doctor {gun}` says more"
                ),
            });
        }
    }

    pub(super) fn told(&self, will: &str) -> String {
        let mut text = String::new();
        if self.listed.is_empty() && !self.is_left(UNREAD) {
            line(&mut text, "no role lists the key; nothing is left to do");
        }
        for next in &self.roles {
            let NextVersion { role, version_before, version, content_of, .. } = next;
            match content_of {
                Some(of) if of == version_before => {
                    line(&mut text, format_args!("{will} {role} {version}"));
                }
                Some(of) => {
                    line(&mut text, format_args!("{will} {role} {version}, as {role} {of} was"));
                }
                None => line(&mut text, format_args!("{will} {role} {version}, which is empty")),
            }
        }
        if let Some(version) = self.root_version {
            line(&mut text, format_args!("{will} root {version}"));
        }
        for role in &self.new_online_keys {
            line(
                &mut text,
                format_args!("{will} a root with another key of the signer for {role}"),
            );
        }
        for NewSigners { delegator, role, keys, threshold } in &self.signers {
            match threshold {
                Some(threshold) => {
                    let count = keys.len();
                    line(
                        &mut text,
                        format_args!("{role} is signed by {threshold} of {count} keys"),
                    );
                }
                None => line(&mut text, format_args!("{delegator} delegates to {role} no more")),
            }
        }
        self.tell_left_behind(&mut text);
        self.tell_signed(&mut text);
        text
    }

    fn tell_signed(&self, text: &mut String) {
        if !self.signed_targets.is_empty() {
            line(text, "targets that the key has signed:");
        }
        for target in &self.signed_targets {
            let SignedTarget { role, name, file, from_version, to_version, .. } = target;
            let versions = match from_version == to_version {
                true => from_version.to_string(),
                false => format!("{from_version} to {to_version}"),
            };
            let marks = [
                (!target.needed).then_some("signed by others, too"),
                target.introduced.then_some("came with the key"),
                target.still_published.then_some("still published"),
            ];
            let marks: Vec<&str> = marks.into_iter().flatten().collect();
            let sha256 = file.hashes.sha256().unwrap_or("no sha256");
            let marks =
                if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
            let length = file.length;
            let told = format!("  {role} {versions}: {name} {length} {sha256}{marks}");
            line(text, one_line(&told));
        }
        if self.more_signed_targets > 0 {
            line(text, format_args!("  and {} more", self.more_signed_targets));
        }
        for one in self.came_with_it.iter().filter(|one| one.still_listed) {
            let CameWithIt { role, version, keyid, .. } = one;
            line(
                text,
                format_args!(
                    "{keyid} came with {role} {version} and is still listed; revoke it, too, with --also {keyid}"
                ),
            );
        }
    }
}

fn line(text: &mut String, said: impl std::fmt::Display) {
    writeln!(text, "{said}").expect("a String takes all");
}
