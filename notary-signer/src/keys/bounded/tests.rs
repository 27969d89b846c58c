use std::collections::VecDeque;

use futures_util::future::join_all;

use super::super::private::PrivateKey;
use super::*;

const BOUNDS: Bounds = Bounds {
    at_once: 2,
    waiting: 3,
    total: Duration::from_secs(10),
    attempts: 3,
    first_pause: Duration::from_millis(100),
    failures: 2,
    pause: Duration::from_secs(60),
};

/// Answers what it was told to, one after the other, and success from then on.
#[derive(Default)]
struct Moody {
    answers: Mutex<VecDeque<Answer>>,
    calls: Mutex<Calls>,
}

enum Answer {
    Trouble(Trouble),
    /// Takes so long.
    After(Duration),
}

#[derive(Default)]
struct Calls {
    all: usize,
    now: usize,
    most: usize,
}

impl Moody {
    async fn answer(&self) -> Result<(), KeyError> {
        {
            let mut calls = self.calls.lock().unwrap();
            calls.all += 1;
            calls.now += 1;
            calls.most = calls.most.max(calls.now);
        }
        let answer = self.answers.lock().unwrap().pop_front();
        let done = match answer {
            Some(Answer::Trouble(trouble)) => {
                Err(KeyError::Backend { backend: "moody".into(), trouble })
            }
            Some(Answer::After(time)) => {
                sleep(time).await;
                Ok(())
            }
            None => Ok(()),
        };
        self.calls.lock().unwrap().now -= 1;
        done
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().all
    }
}

#[async_trait]
impl KeyStore for Moody {
    async fn create(&self, _: Algorithm, _: &str) -> Result<StoredKey, KeyError> {
        self.answer().await?;
        unreachable!("no test lets it make a key")
    }
    async fn attach(&self, _: &str, _: &str) -> Result<StoredKey, KeyError> {
        unreachable!("not asked")
    }
    async fn check(&self) -> Result<(), KeyError> {
        self.answer().await
    }
    async fn public(&self, _: &KeyHandle) -> Result<PublicKey, KeyError> {
        unreachable!("not asked")
    }
    async fn sign(&self, _: &KeyHandle, _: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.answer().await.map(|()| Vec::new())
    }
}

fn bounded(answers: impl IntoIterator<Item = Answer>) -> (Arc<Moody>, Bounded) {
    let answers = Mutex::new(answers.into_iter().collect());
    let moody = Arc::new(Moody { answers, ..Moody::default() });
    (moody.clone(), Bounded::new("moody", moody, BOUNDS))
}

fn away() -> Answer {
    Answer::Trouble(Trouble::Unreachable("nobody listens".into()))
}

fn trouble<T>(done: Result<T, KeyError>) -> Trouble {
    match done {
        Err(KeyError::Backend { trouble, .. }) => trouble,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it succeeded"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let (moody, bounded) = bounded([away(), away()]);
    bounded.check().await.unwrap();
    assert_eq!(moody.calls(), 3);

    for lasting in [
        Trouble::NotLetIn("PIN incorrect".into()),
        Trouble::KeyUnusable("k: disabled".into()),
        Trouble::NoSuchKey("k".into()),
        Trouble::WrongAnswer("junk".into()),
    ] {
        let (moody, bounded) = self::bounded([Answer::Trouble(lasting.clone())]);
        assert_eq!(trouble(bounded.check().await), lasting);
        assert_eq!(moody.calls(), 1, "{lasting}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_last_attempt_the_failure_is_told() {
    let (moody, bounded) = bounded([away(), away(), away(), away()]);
    assert_eq!(trouble(bounded.check().await), Trouble::Unreachable("nobody listens".into()));
    assert_eq!(moody.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn making_a_key_is_tried_once() {
    let (moody, bounded) = bounded([away()]);
    trouble(bounded.create(Algorithm::Ed25519, "p").await);
    assert_eq!(moody.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_after_its_whole_time_whatever_it_does() {
    let (_, bounded) = bounded([Answer::After(Duration::from_secs(3_600))]);
    let start = Instant::now();
    assert_eq!(trouble(bounded.check().await), Trouble::TimedOut(BOUNDS.total));
    assert_eq!(start.elapsed(), BOUNDS.total);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_fails_often_is_left_alone_for_a_pause_and_then_asked_once() {
    let (moody, bounded) = bounded((0..9).map(|_| away()));
    for _ in 0..BOUNDS.failures {
        trouble(bounded.check().await);
    }
    assert!(matches!(trouble(bounded.check().await), Trouble::LeftAlone(_)));
    assert_eq!(moody.calls(), 6, "it was asked while it was left alone");
    assert!(bounded.sickness().is_some());

    // Who asks meanwhile does not make the pause longer.
    sleep(BOUNDS.pause / 2).await;
    assert!(matches!(trouble(bounded.check().await), Trouble::LeftAlone(_)));
    sleep(BOUNDS.pause / 2).await;
    let (trial, other) = tokio::join!(bounded.check(), bounded.check());
    assert!(matches!(trouble(trial), Trouble::Unreachable(_)));
    assert!(matches!(trouble(other), Trouble::LeftAlone(_)), "a second one went with the trial");
    assert_eq!(moody.calls(), 9);

    sleep(BOUNDS.pause).await;
    bounded.check().await.unwrap();
    assert_eq!(bounded.sickness(), None);
    bounded.check().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failures_about_one_key_do_not_make_a_backend_sick() {
    let unusable = || Answer::Trouble(Trouble::KeyUnusable("k: disabled".into()));
    let (_, bounded) = bounded((0..3).map(|_| unusable()));
    let handle = KeyHandle { purpose: "p".into(), opaque: vec![] };
    for _ in 0..3 {
        let refused = bounded.sign(&handle, b"m").await;
        assert!(matches!(trouble(refused), Trouble::KeyUnusable(_)));
    }
    assert_eq!(bounded.sickness(), None);
    bounded.sign(&handle, b"m").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whatever_keeps_a_backend_from_being_there_makes_it_sick() {
    let twice = Trouble::NotSupported("there are 2 tokens".into());
    let (_, bounded) = bounded([Answer::Trouble(twice.clone())]);
    trouble(bounded.check().await);
    assert_eq!(bounded.sickness(), Some(twice));
    bounded.check().await.unwrap();
    assert_eq!(bounded.sickness(), None);
}

#[tokio::test(start_paused = true)]
async fn a_backend_whose_signatures_do_not_verify_is_sick_and_left_alone() {
    let (moody, bounded) = bounded([]);
    let public = PrivateKey::generate(Algorithm::Ed25519).unwrap().public().clone();
    let key = StoredKey { public, handle: KeyHandle { purpose: "p".into(), opaque: vec![] } };
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = told.clone();
    bounded.tell(move |ended| note.lock().unwrap().push((ended.operation, ended.outcome)));
    for _ in 0..BOUNDS.failures {
        let lie = trouble(key.sign(&bounded, b"m").await);
        assert!(matches!(lie, Trouble::WrongAnswer(_)), "{lie}");
        assert_eq!(bounded.sickness(), Some(lie));
    }
    assert!(matches!(trouble(key.sign(&bounded, b"m").await), Trouble::LeftAlone(_)));
    assert_eq!(moody.calls(), BOUNDS.failures as usize);
    let lie = ("sign", "wrong_answer");
    assert_eq!(*told.lock().unwrap(), [lie, lie, ("sign", "left_alone")]);
}

#[tokio::test(start_paused = true)]
async fn so_many_run_so_many_wait_and_one_more_is_told_so() {
    let slow = || Answer::After(Duration::from_secs(1));
    let (moody, bounded) = bounded((0..5).map(|_| slow()));
    let done = join_all((0..6).map(|_| bounded.check())).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 5);
    let refused = done.into_iter().find_map(Result::err).unwrap();
    assert_eq!(refused.to_string(), "moody is asked more than it can do: 3 calls wait already");
    assert_eq!(moody.calls.lock().unwrap().most, BOUNDS.at_once);
    bounded.check().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_the_next_attempt_keeps_nobody_waiting() {
    let (_, bounded) = bounded((0..BOUNDS.at_once).map(|_| away()));
    let begun = Instant::now();
    let pausing = join_all((0..BOUNDS.at_once).map(|_| bounded.check()));
    let other = async {
        bounded.check().await.unwrap();
        begun.elapsed()
    };
    let (pausing, other) = tokio::join!(pausing, other);
    assert!(pausing.iter().all(Result::is_ok) && begun.elapsed() >= BOUNDS.first_pause / 2);
    assert_eq!(other, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn calls_that_run_and_calls_that_wait_are_seen() {
    let slow = || Answer::After(Duration::from_secs(1));
    let (_, bounded) = bounded((0..5).map(|_| slow()));
    assert_eq!(bounded.queue(), Queue { running: 0, waiting: 0 });
    let look = async {
        sleep(Duration::from_millis(500)).await;
        let first = bounded.queue();
        sleep(Duration::from_secs(1)).await;
        [first, bounded.queue()]
    };
    let (_, seen) = tokio::join!(join_all((0..5).map(|_| bounded.check())), look);
    assert_eq!(seen, [Queue { running: 2, waiting: 3 }, Queue { running: 2, waiting: 1 }]);
    assert_eq!(bounded.queue(), Queue { running: 0, waiting: 0 });
}

#[tokio::test(start_paused = true)]
async fn each_call_that_has_ended_is_told_with_its_outcome_and_its_time() {
    let unusable = Answer::Trouble(Trouble::KeyUnusable("k: disabled".into()));
    let never = || Answer::After(Duration::from_secs(3_600));
    let slow = Answer::After(Duration::from_secs(1));
    let (_, bounded) = bounded([slow, unusable, never(), never()]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = told.clone();
    bounded.tell(move |ended| {
        assert_eq!(ended.backend, "moody");
        let took = ended.took.as_secs();
        note.lock().unwrap().push((ended.operation, ended.outcome, took));
    });
    let handle = KeyHandle { purpose: "p".into(), opaque: Vec::new() };
    bounded.sign(&handle, b"message").await.unwrap();
    trouble(bounded.sign(&handle, b"message").await);
    for _ in 0..3 {
        trouble(bounded.check().await);
    }
    let timed_out = ("check", "timed_out", BOUNDS.total.as_secs());
    let expected = [
        ("sign", "ok", 1),
        ("sign", "key_unusable", 0),
        timed_out,
        timed_out,
        ("check", "left_alone", 0),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}
