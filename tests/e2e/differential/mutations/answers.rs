//! What a mirror answers instead of the right file, and what becomes of files that a client stored.

use notary_tests::judge::{Response, Served};

use super::{Draw, How, Mutation};

/// What becomes of a stored file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Stored {
    /// It is gone.
    Gone,
    /// It is no metadata any more.
    Garbled,
}

const fn answer(name: &'static str, edit: fn(&mut Served, &str, &mut Draw<'_>)) -> Mutation {
    Mutation { name, how: How::Answer(edit) }
}

pub(super) const ALL: &[Mutation] = &[
    answer("a missing file", |served, name, _| served.set(name, Response::Status(404))),
    answer("403 for a file", |served, name, _| served.set(name, Response::Status(403))),
    answer("500 for a file", |served, name, _| served.set(name, Response::Status(500))),
    answer("403 for the next root", |served, _, _| {
        let next = next_root(served);
        served.set(&next, Response::Status(403));
    }),
    answer("500 for the next root", |served, _, _| {
        let next = next_root(served);
        served.set(&next, Response::Status(500));
    }),
    answer("the present root as the next one", |served, _, _| {
        let next = next_root(served);
        let version = next_version(served) - 1;
        if let Some(file) = served.file(&format!("{version}.root.json")) {
            served.set(&next, Response::File(file));
        }
    }),
    answer("a timestamp as the next root", |served, _, _| {
        let next = next_root(served);
        if let Some(file) = served.file("timestamp.json") {
            served.set(&next, Response::File(file));
        }
    }),
    answer("a root is left out", |served, _, draw| {
        let last = next_version(served).saturating_sub(1).max(1);
        let gone = 1 + draw.random.below(last);
        if let Some(later) = served.file(&format!("{last}.root.json")) {
            served.set(&format!("{gone}.root.json"), Response::File(later));
        }
    }),
    answer("a byte of a file is another", |served, name, draw| {
        damage(served, name, |file| {
            if !file.is_empty() {
                let at = draw.random.index(file.len());
                file[at] ^= 1 << draw.random.below(8);
            }
        });
    }),
    answer("half of a file", |served, name, _| {
        damage(served, name, |file| file.truncate(file.len() / 2));
    }),
    answer("an empty file", |served, name, _| damage(served, name, Vec::clear)),
    answer("a file with a space after its end", |served, name, _| {
        damage(served, name, |file| file.push(b' '));
    }),
    answer("another file", |served, name, draw| {
        let names = served.names();
        if let Some(file) = served.file(draw.random.one_of(&names).as_str()) {
            served.set(name, Response::File(file));
        }
    }),
    answer("the file of an earlier version", |served, name, draw| {
        let unversioned = |name: &str| match name.split_once('.') {
            Some((version, rest)) if version.parse::<u64>().is_ok() => rest.to_owned(),
            _ => name.to_owned(),
        };
        let wanted = unversioned(name);
        let mut alike = served.names();
        alike.retain(|other| unversioned(other) == wanted);
        let file = match alike.is_empty() {
            true => None,
            false => served.file(draw.random.one_of(&alike).as_str()),
        };
        if let Some(file) = file {
            served.set(name, Response::File(file));
        }
    }),
    answer("the timestamp of another moment", |served, _, draw| {
        if !draw.past.is_empty()
            && let Some(file) = draw.random.one_of(draw.past).file("timestamp.json")
        {
            served.set("timestamp.json", Response::File(file));
        }
    }),
    answer("the whole repository as it was", |served, _, draw| {
        if !draw.past.is_empty() {
            *served = draw.random.one_of(draw.past).clone();
        }
    }),
    answer("other target files", |served, _, _| {
        for name in served.target_names() {
            damage(served, &name, |file| file.reverse());
        }
    }),
    answer("longer target files", |served, _, _| {
        for name in served.target_names() {
            damage(served, &name, |file| file.push(b'.'));
        }
    }),
    answer("no target files", |served, _, _| {
        for name in served.target_names() {
            served.set(&name, Response::Status(404));
        }
    }),
    Mutation { name: "a stored file is gone", how: How::Stored(Stored::Gone) },
    Mutation { name: "a stored file is garbled", how: How::Stored(Stored::Garbled) },
];

fn damage(served: &mut Served, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    if let Some(mut file) = served.file(name) {
        edit(&mut file);
        served.set(name, Response::File(file));
    }
}

pub(super) fn next_version(served: &Served) -> u64 {
    let is_there = |version: &u64| served.file(&format!("{version}.root.json")).is_none();
    (1..).find(is_there).expect("there are not endless roots")
}

fn next_root(served: &Served) -> String {
    format!("{}.root.json", next_version(served))
}
