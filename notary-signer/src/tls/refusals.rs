//! Who was refused at the door: connections that end before there is a request.
//!
//! Whoever reaches the port can be refused as often as he likes. So what is kept of it is one line for
//! each reason, and the number of those like it; it is taken now and then, away from the connections,
//! and given out once in [`QUIET`] for each reason.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::{CertificateError, Error};

/// How long there is no further line for the same reason.
const QUIET: Duration = Duration::from_secs(60);

/// Why a connection came to nothing. The order is that of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    NoCertificate,
    UnknownAuthority,
    Expired,
    Revoked,
    WrongUsage,
    OtherCertificate,
    /// The certificate is good, and what came after it is no request.
    NoRequest,
}

impl Reason {
    /// Why a certificate does not count.
    pub(super) fn of(error: &Error) -> Reason {
        use CertificateError as Wrong;
        match error {
            // An authority that only has the name of ours signs otherwise.
            Error::InvalidCertificate(Wrong::UnknownIssuer | Wrong::BadSignature) => {
                Reason::UnknownAuthority
            }
            Error::InvalidCertificate(
                Wrong::Expired
                | Wrong::ExpiredContext { .. }
                | Wrong::NotValidYet
                | Wrong::NotValidYetContext { .. },
            ) => Reason::Expired,
            Error::InvalidCertificate(Wrong::Revoked) => Reason::Revoked,
            Error::InvalidCertificate(
                Wrong::InvalidPurpose | Wrong::InvalidPurposeContext { .. },
            ) => Reason::WrongUsage,
            _ => Reason::OtherCertificate,
        }
    }

    /// The word for the audit and for what is counted.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Reason::NoCertificate => "no_certificate",
            Reason::UnknownAuthority => "unknown_authority",
            Reason::Expired => "certificate_expired",
            Reason::Revoked => "certificate_revoked",
            Reason::WrongUsage => "certificate_usage",
            Reason::OtherCertificate => "certificate_invalid",
            Reason::NoRequest => "no_request",
        }
    }
}

/// Those who were refused since somebody asked last.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<Reason, Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    /// Since they were counted.
    new: u64,
    /// Since the last line.
    times: u64,
    /// The first one since the last line.
    who: String,
    quiet_until: Option<Instant>,
}

/// What is known of one reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    /// How many there were since the last time.
    pub(crate) new: u64,
    /// A line that is due: who was the first, and how many there were since the last line.
    pub(crate) line: Option<(String, u64)>,
}

impl Refusals {
    /// Takes note of one.
    pub(crate) fn note(&self, reason: Reason, who: impl FnOnce() -> String) {
        let mut all = self.all();
        let waiting = all.entry(reason).or_default();
        if waiting.times == 0 {
            waiting.who = who();
        }
        waiting.new = waiting.new.saturating_add(1);
        waiting.times = waiting.times.saturating_add(1);
    }

    /// Takes what came since the last time.
    pub(crate) fn take(&self, now: Instant) -> Vec<Refused> {
        let mut all = self.all();
        let take = |(reason, waiting): (&Reason, &mut Waiting)| {
            let is_due = waiting.times > 0 && waiting.quiet_until.is_none_or(|until| until <= now);
            let line = is_due.then(|| {
                waiting.quiet_until = Some(now + QUIET);
                (std::mem::take(&mut waiting.who), std::mem::take(&mut waiting.times))
            });
            let new = std::mem::take(&mut waiting.new);
            (new > 0 || line.is_some()).then_some(Refused { reason: *reason, new, line })
        };
        all.iter_mut().filter_map(take).collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Reason, Waiting>> {
        // Every state of it is a good one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_line_a_minute_for_each_reason_and_every_one_is_counted() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let note = |reason, who: &str| refusals.note(reason, || who.to_owned());
        let refused = |reason, new, line: Option<(&str, u64)>| Refused {
            reason,
            new,
            line: line.map(|(who, times)| (who.to_owned(), times)),
        };
        assert_eq!(refusals.take(start), []);
        note(Reason::NoCertificate, "a");
        let first = refused(Reason::NoCertificate, 1, Some(("a", 1)));
        assert_eq!(refusals.take(start), [first]);
        note(Reason::NoCertificate, "b");
        note(Reason::NoCertificate, "c");
        note(Reason::Revoked, "d");
        let counted = refused(Reason::NoCertificate, 2, None);
        let other = refused(Reason::Revoked, 1, Some(("d", 1)));
        assert_eq!(refusals.take(start + QUIET / 2), [counted, other]);
        let rest = refused(Reason::NoCertificate, 0, Some(("b", 2)));
        assert_eq!(refusals.take(start + QUIET), [rest]);
        assert_eq!(refusals.take(start + QUIET * 9), []);
    }

    #[test]
    fn what_is_kept_of_a_name_is_asked_for_once_in_a_line() {
        let refusals = Refusals::default();
        refusals.note(Reason::Expired, || "first".to_owned());
        for _ in 0..1_000 {
            refusals.note(Reason::Expired, || panic!("it is not kept"));
        }
        let line = refusals.take(Instant::now()).remove(0).line;
        assert_eq!(line, Some(("first".to_owned(), 1_001)));
    }
}
