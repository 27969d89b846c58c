//! Do packages and modules depend on each other, and on others, as the map says?

mod arrows;
mod calls;
mod docs;
mod licences;
mod rooms;
