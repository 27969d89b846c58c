//! New keys of timestamp, snapshot and targets, and what was stored before them (TUF 5.3.11).

use super::*;

#[test]
fn a_new_timestamp_key_drops_what_the_old_one_signed() {
    let mut client = Client::new(&Collection::new());
    let far = Collection::new();
    let ahead = timestamp_of(&far.snapshot, 1_000_000, in_days(1));
    client.remote.insert("timestamp.json".into(), ahead);
    client.refresh().unwrap();
    // The stolen key ran the version up; a root with a new key lets clients follow again.
    let mut next = root(2);
    next.keys.extend(keys(&[9]));
    next.roles.timestamp = role_keys(&[9], 1);
    client.remote.insert("2.root.json".into(), sign(&Unsigned::of(&next), &[ROOT]));
    let document = Envelope::<Timestamp>::parse(far.timestamp.clone());
    let recovered = sign(&Unsigned::of(document.unwrap().signed()), &[9]);
    client.remote.insert("timestamp.json".into(), recovered.clone());
    client.refresh().unwrap();
    assert_eq!(client.local["timestamp.json"], recovered);
}
