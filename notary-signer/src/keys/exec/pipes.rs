//! The pipes of a program, as far as we wait for them: what it has started and let go may hold them
//! for ever after its own end.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// So many bytes go into a pipe that takes any, and nobody waits (POSIX: `PIPE_BUF`, of which this is
/// the least that any system of ours has).
const AT_ONCE: usize = 512;

/// Tells all who hold the other half, once it is dropped, that nothing more is waited for.
pub(super) struct End {
    _open: PipeWriter,
}

/// Hears of an [`End`].
#[derive(Clone)]
pub(super) struct UntilEnd(Arc<PipeReader>);

/// A pipe to or from the program, until the [`End`].
pub(super) struct Pipe<P> {
    pipe: P,
    until: UntilEnd,
}

impl End {
    pub(super) fn new() -> io::Result<(End, UntilEnd)> {
        let (reader, writer) = io::pipe()?;
        Ok((End { _open: writer }, UntilEnd(Arc::new(reader))))
    }
}

impl UntilEnd {
    pub(super) fn of<P>(&self, pipe: P) -> Pipe<P> {
        Pipe { pipe, until: self.clone() }
    }

    /// Waits for what a pipe is wanted for, and says whether the end has not come before.
    fn waits_for(&self, pipe: BorrowedFd<'_>, wanted: PollFlags) -> io::Result<bool> {
        loop {
            // A pipe whose other half is dropped says so without being asked.
            let end = PollFd::new(&*self.0, PollFlags::empty());
            let mut both = [end, PollFd::from_borrowed_fd(pipe, wanted)];
            match poll(&mut both, None) {
                Ok(_) => return Ok(both[0].revents().is_empty()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<P: Read + AsFd> Read for Pipe<P> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self.until.waits_for(self.pipe.as_fd(), PollFlags::IN)? {
            true => self.pipe.read(bytes),
            false => Ok(0),
        }
    }
}

impl<P: Write + AsFd> Write for Pipe<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.until.waits_for(self.pipe.as_fd(), PollFlags::OUT)? {
            true => self.pipe.write(&bytes[..bytes.len().min(AT_ONCE)]),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}
