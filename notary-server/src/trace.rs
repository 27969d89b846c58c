//! The trace that work belongs to (W3C Trace Context). A client may name it; otherwise one begins
//! here. It goes along with the work: into each line of the log, and with each call of the signer.

use actix_web::http::header::HeaderMap;
use notary_schema::wire::{TRACEPARENT, TraceParent};
use ring::rand::{SecureRandom, SystemRandom};
use tracing::{Instrument, Span};

tokio::task_local! {
    static CURRENT: TraceParent;
}

/// A piece of work: its trace, and where its lines stand in the log.
#[derive(Debug, Clone)]
pub struct Traced {
    trace: TraceParent,
    span: Span,
}

impl Traced {
    /// Work in a trace, with a span that names it.
    pub fn new(trace: TraceParent, span: Span) -> Traced {
        Traced { trace, span }
    }

    /// What is being worked on.
    pub fn current() -> Traced {
        Traced { trace: current(), span: Span::current() }
    }

    /// Work that nobody asked for, in a trace of its own.
    pub fn background() -> Traced {
        let trace = begin();
        Traced { trace, span: tracing::info_span!("background", trace_id = trace.trace_id()) }
    }

    /// Work that is done once for several: in the trace of none of them, unless they have one trace. A
    /// line of the log names theirs.
    pub fn shared<'a>(several: impl Iterator<Item = &'a Traced>) -> Traced {
        let several: Vec<&Traced> = several.collect();
        if let [one] = several[..] {
            return one.clone();
        }
        let mut ids: Vec<String> = several.iter().map(|one| one.trace.trace_id()).collect();
        ids.sort();
        ids.dedup();
        let trace = match (&ids[..], several.first()) {
            ([_], Some(one)) => one.trace,
            _ => begin(),
        };
        let span = tracing::info_span!("together", trace_id = trace.trace_id());
        let requests = several.len();
        span.in_scope(|| tracing::info!(requests, of_traces = ids.join(" "), "done together"));
        Traced { trace, span }
    }

    /// Writes its lines to the log.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    /// Does the work.
    pub async fn run<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self.trace, work.instrument(self.span)).await
    }
}

/// The trace of a request.
pub fn of(headers: &HeaderMap) -> TraceParent {
    let named = headers.get_all(TRACEPARENT).map(|value| value.as_bytes());
    TraceParent::of_header(named).unwrap_or_else(begin)
}

/// The header of a call that is made now.
pub fn header() -> String {
    current().under(random()).to_string()
}

fn current() -> TraceParent {
    CURRENT.try_with(|trace| *trace).unwrap_or_else(|_| begin())
}

fn begin() -> TraceParent {
    TraceParent::begin(random(), random())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(trace: TraceParent) -> Traced {
        Traced::new(trace, Span::none())
    }

    async fn trace_id_within(traced: Traced) -> String {
        traced.run(async { header()[3..35].to_owned() }).await
    }

    #[actix_web::test]
    async fn work_for_one_is_in_its_trace_and_work_for_several_in_that_of_none() {
        let (one, other) = (begin(), begin());
        let id = one.trace_id();
        assert_eq!(trace_id_within(traced(one)).await, id);
        assert_eq!(trace_id_within(Traced::shared([&traced(one)].into_iter())).await, id);
        let twice = [&traced(one), &traced(one.under([7; 8]))].map(Clone::clone);
        assert_eq!(trace_id_within(Traced::shared(twice.iter())).await, id);
        let both = [traced(one), traced(other)];
        let of_both = trace_id_within(Traced::shared(both.iter())).await;
        assert!(of_both != id && of_both != other.trace_id(), "{of_both}");
    }

    #[actix_web::test]
    async fn each_call_is_a_piece_of_work_of_its_own() {
        let calls = traced(begin()).run(async { [header(), header()] }).await;
        assert!(calls[0][..35] == calls[1][..35] && calls[0] != calls[1], "{calls:?}");
    }
}
