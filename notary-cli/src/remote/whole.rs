//! A body that is kept whole.

use std::io;
use std::iter::repeat_n;
use std::sync::Arc;

use super::Sink;

/// A body in memory that can be shared. One whose length is announced is written to its place at
/// once: it is never there twice.
#[derive(Default)]
pub(crate) struct Whole {
    announced: Arc<[u8]>,
    /// How much of what is announced has come.
    filled: usize,
    /// What came without having been announced.
    more: Vec<u8>,
}

impl Whole {
    /// All that came.
    pub(crate) fn finish(self) -> Arc<[u8]> {
        match self.filled == self.announced.len() && self.more.is_empty() {
            true => self.announced,
            false => [&self.announced[..self.filled], &self.more].concat().into(),
        }
    }
}

impl Sink for Whole {
    fn expect(&mut self, bytes: u64) {
        self.announced = repeat_n(0, usize::try_from(bytes).unwrap_or_default()).collect();
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // It is shared only when it is whole, or empty: all that are empty may be one.
        let room = &mut Arc::make_mut(&mut self.announced)[self.filled..];
        let (fitting, more) = bytes.split_at(bytes.len().min(room.len()));
        room[..fitting.len()].copy_from_slice(fitting);
        self.filled += fitting.len();
        self.more.extend(more);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        *self = Whole::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_came_whatever_was_announced() {
        for announced in [None, Some(0), Some(2), Some(5), Some(9)] {
            let mut body = Whole::default();
            for _ in 0..2 {
                body.restart().unwrap();
                announced.into_iter().for_each(|bytes| body.expect(bytes));
                body.write(b"abc").unwrap();
                body.write(b"de").unwrap();
            }
            assert_eq!(&body.finish()[..], b"abcde", "{announced:?} announced");
        }
    }
}
