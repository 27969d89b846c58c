//! A token that goes away and comes back, and one that does not let the signer in.

use std::fs;
use std::time::Duration;

use notary_schema::online::OnlineRole::Snapshot;
use notary_schema::wire::KeyRequest;

use crate::client::{app, life};
use crate::places;
use crate::troubles::is_signed_at_last;
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_was_pulled_out_is_named_and_signs_again_when_it_is_back() {
    let name = "tokens::a_token_that_was_pulled_out_is_named_and_signs_again_when_it_is_back";
    let Some(mut world) = places::in_a_token(name) else { return };
    let is_out = places::odd_token(&mut world).join("out");
    world.start().await.unwrap();
    let key = world.server().key(Snapshot, false).await.keyid;
    for version in 1..4 {
        let document = world.snapshot(version, 1);
        assert_eq!(world.server().sign(&[&key], &document).await.status, 200);

        fs::write(&is_out, "").unwrap();
        let next = world.snapshot(version + 1, 1);
        let refused = world.server().sign(&[&key], &next).await;
        assert_eq!(refused.problem().code, "backend_unavailable");
        assert_is_named(&world, "there is no token").await;

        fs::remove_file(&is_out).unwrap();
        is_signed_at_last(&world, &key, &next).await;
        assert_eq!(world.server().get("/readyz").await.unwrap().status, 200);
    }
}

/// Three tries lock most tokens for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_pin_is_named_and_the_right_one_is_taken_after_a_restart() {
    let name = "tokens::a_wrong_pin_is_named_and_the_right_one_is_taken_after_a_restart";
    let Some(mut world) = places::in_a_token(name) else { return };
    let wanted = wanted(1);
    let pin_file = places::token(&mut world).pin_file.clone();
    let right = fs::read(&pin_file).unwrap();
    fs::write(&pin_file, "9999").unwrap();
    world.start().await.unwrap();
    for _ in 0..3 {
        let refused = world.server().key_for(&wanted).await;
        assert_eq!(refused.problem().code, "backend_unavailable");
    }
    assert_is_named(&world, "the PIN is wrong").await;

    world.stop().await;
    fs::write(&pin_file, right).unwrap();
    world.start().await.unwrap();
    assert_eq!(world.server().key_for(&wanted).await.status, 200);
    assert_eq!(world.server().get("/readyz").await.unwrap().status, 200);
}

/// Makers have codes of their own for a PIN that is wrong or locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_fails_for_an_unknown_reason_is_not_tried_again() {
    let name = "tokens::a_login_that_fails_for_an_unknown_reason_is_not_tried_again";
    let Some(mut world) = places::in_a_token(name) else { return };
    let tried = places::odd_token(&mut world).join("login");
    fs::write(&tried, "").unwrap();
    world.start().await.unwrap();
    let wanted = wanted(1);
    for _ in 0..3 {
        let refused = world.server().key_for(&wanted).await;
        assert_eq!(refused.problem().code, "backend_unavailable");
    }
    assert_is_named(&world, "which may be the PIN").await;
    assert_eq!(fs::read_to_string(&tried).unwrap(), "x", "it was tried more than once");

    world.stop().await;
    fs::remove_file(&tried).unwrap();
    world.start().await.unwrap();
    assert_eq!(world.server().key_for(&wanted).await.status, 200);
}

/// What has taken the PIN before has another reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_fails_once_after_the_pin_was_taken_is_tried_again_after_a_pause() {
    let name =
        "tokens::a_login_that_fails_once_after_the_pin_was_taken_is_tried_again_after_a_pause";
    let Some(mut world) = places::in_a_token(name) else { return };
    let state = places::odd_token(&mut world);
    world.start().await.unwrap();
    let key = world.server().key(Snapshot, false).await.keyid;
    let document = world.snapshot(1, 1);
    fs::write(state.join("login"), "").unwrap();
    // All sessions end.
    fs::write(state.join("out"), "").unwrap();
    assert_eq!(world.server().sign(&[&key], &document).await.status, 503);
    fs::remove_file(state.join("out")).unwrap();
    while fs::read_to_string(state.join("login")).unwrap().is_empty() {
        assert_eq!(world.server().sign(&[&key], &document).await.status, 503);
    }
    for _ in 0..3 {
        assert_eq!(world.server().sign(&[&key], &document).await.status, 503);
    }
    assert_eq!(fs::read_to_string(state.join("login")).unwrap(), "x", "there was no pause");
    fs::remove_file(state.join("login")).unwrap();
    is_signed_at_last(&world, &key, &document).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_somebody_else_that_is_broken_does_not_matter() {
    let name = "tokens::the_token_of_somebody_else_that_is_broken_does_not_matter";
    let Some(mut world) = places::in_a_token(name) else { return };
    fs::write(places::odd_token(&mut world).join("other"), "").unwrap();
    world.start().await.unwrap();
    let key = world.server().key(Snapshot, false).await.keyid;
    assert_eq!(world.server().sign(&[&key], &world.snapshot(1, 1)).await.status, 200);
}

/// Otherwise a root would name a key that nothing is ever signed with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_must_not_sign_is_not_attached() {
    let name = "tokens::a_key_that_must_not_sign_is_not_attached";
    let Some(mut world) = places::in_a_token(name) else { return };
    places::key_in_token(&world, "spare");
    let mute = places::odd_token(&mut world).join("mute");
    world.config.keys[0].attach = Some("object=spare".to_owned());
    world.start().await.unwrap();
    let wanted = wanted(1);
    fs::write(&mute, "").unwrap();
    let refused = world.server().key_for(&wanted).await;
    assert_eq!(refused.problem().code, "backend_unavailable");
    fs::remove_file(&mute).unwrap();
    assert_eq!(world.server().key_for(&wanted).await.status, 200);
}

/// The last try locks it, and who unlocks a token is not there when the signer starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_login_is_tried_where_one_try_is_left_or_none() {
    let name = "tokens::no_login_is_tried_where_one_try_is_left_or_none";
    let Some(mut world) = places::in_a_token(name) else { return };
    let token = places::odd_token(&mut world);
    let tried = token.join("login");
    let states =
        [("final-try", "one try is left before the PIN locks"), ("locked", "the PIN is locked")];
    for ((state, words), number) in states.into_iter().zip(1..) {
        let wanted = wanted(number);
        fs::write(token.join(state), "").unwrap();
        fs::write(&tried, "").unwrap();
        world.start().await.unwrap();
        let refused = world.server().key_for(&wanted).await;
        assert_eq!(refused.problem().code, "backend_unavailable", "{state}");
        assert_is_named(&world, words).await;
        assert_eq!(fs::read_to_string(&tried).unwrap(), "", "{state}: a login was tried");

        // Somebody has logged in by hand.
        fs::remove_file(token.join(state)).unwrap();
        fs::remove_file(&tried).unwrap();
        is_made_at_last(&world, &wanted).await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_calls_that_come_together_one_logs_in() {
    let name = "tokens::of_calls_that_come_together_one_logs_in";
    let Some(mut world) = places::in_a_token(name) else { return };
    let token = places::odd_token(&mut world);
    for count in ["login", "sessions"] {
        fs::write(token.join(count), "").unwrap();
    }
    world.start().await.unwrap();
    let server = world.server();
    let [one, two, three] = [1, 2, 3].map(wanted);
    let refused = tokio::join!(server.key_for(&one), server.key_for(&two), server.key_for(&three));
    for refused in [refused.0, refused.1, refused.2] {
        assert_eq!(refused.problem().code, "backend_unavailable");
    }
    let counted = |what: &str| fs::read_to_string(token.join(what)).unwrap().len();
    assert!(counted("sessions") >= 2, "no two calls came together");
    assert_eq!(counted("login"), 1, "a PIN that may be refused was tried more than once");
}

/// A key for another life of the collection with each number.
fn wanted(number: u8) -> KeyRequest {
    let (role, rotate, except) = (Snapshot, false, vec![]);
    KeyRequest { collection: app(), incarnation: life(number), role, rotate, except }
}

/// A place that failed may be left alone for a moment.
async fn is_made_at_last(world: &World, wanted: &KeyRequest) {
    let made = async {
        while world.server().key_for(wanted).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), made).await.expect("it is well again");
}

async fn assert_is_named(world: &World, words: &str) {
    let ready = world.server().get("/readyz").await.unwrap();
    let detail = ready.problem().detail;
    assert!(detail.contains(places::PLACE) && detail.contains(words), "{detail}");
}
