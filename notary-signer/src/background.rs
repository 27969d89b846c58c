//! What the service does without being asked: it asks its places of keys, follows the files of TLS,
//! tells who was refused, and seals the audit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use diesel::sqlite::SqliteConnection;
use futures_util::future::join_all;

use crate::Parts;
use crate::config::Config;
use crate::keys::bounded::Bounded;
use crate::keys::{KeyStore, Trouble};
use crate::metrics::Metrics;
use crate::sealing;
use crate::sign::Signer;
use crate::store::StoreError;
use crate::store::audit::{self, Caller, Subject};
use crate::tls::{Refusals, Refused, Tls};

/// How often old lines of the audit are looked for.
const SEAL_EVERY: Duration = Duration::from_secs(60);

/// How often those who were refused before there was a request are looked up.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// How often places of keys are asked that failed last.
const ASK_SICK_EVERY: Duration = Duration::from_secs(5);
/// In which of these turns all of them are: a call each minute is what an idle place costs.
const ASK_ALL_EVERY: u64 = 12;

/// Seals old lines of the audit, now and then, and notes how far it is.
pub(crate) async fn keep_sealing(config: Config, signer: Arc<Signer>) {
    let mut again = actix_web::rt::time::interval(SEAL_EVERY);
    loop {
        again.tick().await;
        let (config, now) = (config.clone(), (signer.parts.clock)());
        let sealed = actix_web::rt::task::spawn_blocking(move || sealing::seal(&config, now)).await;
        match sealed {
            Ok(Ok(made)) => made.iter().for_each(|made| tracing::info!(made.file, "sealed")),
            Ok(Err(error)) => tracing::error!("the audit is not sealed: {error}"),
            // A panic, which the log has.
            Err(_) => {}
        }
        if let Err(error) = signer.database.note_end().await {
            tracing::error!("{error}");
        }
    }
}

/// Asks the places of keys whether they are there: those that are sick often, so that `/readyz` knows
/// when they are well again, and all of them now and then. One that is away stops nobody whose keys are
/// elsewhere, and may come back: the service starts, and the log says so.
pub(crate) async fn keep_asking(signer: Arc<Signer>) {
    let mut told: BTreeMap<String, Trouble> = BTreeMap::new();
    let mut again = actix_web::rt::time::interval(ASK_SICK_EVERY);
    for turn in 0_u64.. {
        again.tick().await;
        let is_asked =
            |place: &&Bounded| turn.is_multiple_of(ASK_ALL_EVERY) || place.sickness().is_some();
        let asked = signer.backends.places().filter(is_asked);
        join_all(asked.map(|place| place.check())).await;
        let sick: BTreeMap<String, Trouble> = signer
            .backends
            .sickness()
            .map(|(name, trouble)| (name.to_owned(), trouble.cause().clone()))
            .collect();
        for (name, trouble) in
            sick.iter().filter(|(name, trouble)| told.get(*name) != Some(trouble))
        {
            tracing::error!("{name} {trouble}");
        }
        for name in told.keys().filter(|name| !sick.contains_key(*name)) {
            tracing::info!("{name} is there again");
        }
        told = sick;
    }
}

/// Follows the files of TLS.
pub(crate) async fn keep_looking(tls: Arc<Tls>, every: Duration, parts: Parts) {
    let mut again = actix_web::rt::time::interval(every);
    loop {
        again.tick().await;
        match tls.look_again() {
            Ok(true) => tracing::info!("the files of TLS have changed: they are in force"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!("the files of TLS have changed, and stay as before: {error}")
            }
        }
        for issuer in tls.lists_run_out((parts.clock)()) {
            tracing::warn!(issuer, "a revocation list has run out: it stays in force");
        }
    }
}

/// Tells log, audit and metrics who was refused before there was a request.
pub(crate) async fn keep_noting(
    refusals: Arc<Refusals>,
    signer: Arc<Signer>,
    metrics: Arc<Metrics>,
) {
    let mut again = actix_web::rt::time::interval(NOTE_EVERY);
    loop {
        let now = again.tick().await.into_std();
        for Refused { reason, new, line } in refusals.take(now) {
            let outcome = reason.code();
            metrics.count_refused(outcome, new);
            let Some((who, times)) = line else { continue };
            tracing::warn!(who, times, "a connection was refused: {outcome}");
            let action = match times {
                1 => "connection".to_owned(),
                _ => format!("connection, {times} times"),
            };
            let at = (signer.parts.clock)();
            let caller = Caller { who, action, request_id: None, trace_id: None, at };
            let append = move |connection: &mut SqliteConnection| {
                audit::append(connection, &caller, &Subject::default(), outcome)
            };
            if let Err(error) = signer.database.change::<_, StoreError>(append).await {
                tracing::error!("cannot write the audit: {error}");
            }
        }
    }
}
