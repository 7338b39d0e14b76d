//! The crates together, inside one process: sessions over real sockets, the relay and its mediator, the
//! control service, and a second implementation of the protocol.

#[path = "../support/called.rs"]
mod called;
#[macro_use]
#[path = "../support/service.rs"]
mod service;
mod sides;
#[path = "../support/strangers.rs"]
mod strangers;

mod admission;
mod channel;
mod control;
mod dispositions;
mod recorded_session;
mod relay;
mod second_opinion;
mod session_over_channel;
mod settling;
mod shape;
