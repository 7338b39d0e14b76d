//! tacit as people run it: real processes over real sockets.

mod machines;
mod people;
mod running;
#[macro_use]
#[path = "../support/service.rs"]
mod service;

mod control_cli;
mod identity_key;
mod list_cli;
mod match_lists;
mod match_via_relay;
mod namespaces;
mod node;
mod operating_page;
mod promises;
mod relay_cli;
mod screens;
