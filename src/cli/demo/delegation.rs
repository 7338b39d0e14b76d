//! The two invented delegations, their lists, and what each comes to in a session.

use std::sync::Arc;

use identity::List;
use identity::grade::PersonAnswer;
use transport::Traffic;

/// One invented delegation.
pub struct Delegation {
    pub name: &'static str,
    pub held: &'static [u8],
    pub requested: &'static [u8],
}

pub static A: Delegation = Delegation {
    name: "Delegation A",
    held: include_bytes!("../../../samples/held-a.csv"),
    requested: include_bytes!("../../../samples/requested-a.csv"),
};

pub static B: Delegation = Delegation {
    name: "Delegation B",
    held: include_bytes!("../../../samples/held-b.csv"),
    requested: include_bytes!("../../../samples/requested-b.csv"),
};

/// A delegation with one person on each list, to compare the traffic with.
pub static NOBODY: Delegation = Delegation {
    name: "Nobody",
    held: ONE_PERSON,
    requested: ONE_PERSON,
};

const ONE_PERSON: &[u8] = b"id,surname,name,dob\n1,Nobody,Ivan,1990-01-02\n";

/// What one side came to.
pub struct Side {
    pub held: List,
    pub requested: List,
    pub answers: Vec<PersonAnswer>,
    pub traffic: Arc<Traffic>,
}
