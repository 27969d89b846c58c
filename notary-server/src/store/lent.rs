//! Connections that are lent to those who read.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

use super::dialect::Connection;

/// A connection to read with. It goes back whatever becomes of the work.
pub(super) struct Lent<'a> {
    connection: Option<Connection>,
    readers: &'a std::sync::Mutex<Vec<Connection>>,
}

impl<'a> Lent<'a> {
    /// There is one: whoever asks holds a permit.
    pub(super) fn from(readers: &'a std::sync::Mutex<Vec<Connection>>) -> Lent<'a> {
        let connection = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { connection, readers }
    }
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("as many connections as permits")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("as many connections as permits")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.extend(self.connection.take());
    }
}
