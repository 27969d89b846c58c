//! The end-to-end tests, one binary. Each module asks one question:
//!
//! - [`architecture`]: do packages depend on each other, and on others, as the map says?

mod architecture;
