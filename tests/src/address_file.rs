//! The file in which a program says where it listens.

use std::io;
use std::path::Path;

/// Writes the address at once or not at all, so that a reader never sees half of it.
///
/// # Errors
/// When the directory of the file cannot be written to.
pub fn write(file: &Path, address: &str) -> io::Result<()> {
    let half = file.with_extension("new");
    std::fs::write(&half, address)?;
    std::fs::rename(half, file)
}

/// The address, once it is written.
pub fn read(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok().map(|text| text.trim_end().to_owned())
}
