//! How long a mirror may let a client wait, over all files together.

use std::cell::Cell;
use std::time::Duration;

/// The slowest transfer of metadata that costs no patience. Where a file's length is not listed, a
/// mirror holds a client for half an hour at most with that file.
pub(super) const SLOWEST_METADATA: u64 = 32 << 10;
/// The longest answer that costs no patience, beside the time for its bytes.
const PROMPT: Duration = Duration::from_secs(1);

/// `--timeout`, for everything that a client asks for: what is spent on one file is not there for the
/// next. Files that come as they should at a second each and [`SLOWEST_METADATA`] cost nothing, so
/// that many roots or roles over a slow line are waited for.
pub(super) struct Patience {
    timeout: Duration,
    spent: Cell<Duration>,
}

impl Patience {
    /// As much as this.
    pub(super) fn new(timeout: Duration) -> Patience {
        Patience { timeout, spent: Cell::default() }
    }

    /// How much is left.
    pub(super) fn left(&self) -> Duration {
        self.timeout.saturating_sub(self.spent.get())
    }

    /// A request has taken so long, whatever came of it.
    pub(super) fn spend(&self, took: Duration) {
        self.spent.set(self.spent.get() + took);
    }

    /// What came in a time that was spent is used, and has so many bytes: what it may cost is given
    /// back.
    pub(super) fn give_back(&self, took: Duration, bytes: usize) {
        let due = PROMPT + Duration::from_secs(bytes as u64 / SLOWEST_METADATA);
        self.spent.set(self.spent.get().saturating_sub(took.min(due)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_comes_in_time_costs_nothing_and_what_is_late_is_paid_once() {
        let patience = Patience::new(10 * SECOND);
        let take = |took: Duration, bytes| {
            patience.spend(took);
            patience.give_back(took, bytes);
            patience.left()
        };
        assert_eq!(take(SECOND, 0), 10 * SECOND);
        assert_eq!(take(4 * SECOND, 96 << 10), 10 * SECOND);
        assert_eq!(take(SECOND / 2, 1 << 20), 10 * SECOND, "who is quick earns nothing");
        assert_eq!(take(4 * SECOND, 100), 7 * SECOND);
        assert_eq!(take(5 * SECOND, (32 << 10) - 1), 3 * SECOND);
    }

    #[test]
    fn what_is_not_used_costs_all_of_its_time() {
        let patience = Patience::new(10 * SECOND);
        patience.spend(8 * SECOND);
        assert_eq!(patience.left(), 2 * SECOND);
        patience.spend(8 * SECOND);
        assert_eq!(patience.left(), Duration::ZERO);
    }
}
