//! Two small sides of a session, with lists and ceilings that all differ, and what each must learn.

use std::sync::Arc;

use curve25519_dalek::{RistrettoPoint, Scalar};
use identity::HashedIdentity;
use pairing::NodeKey;
use protocol::{
    ByClass, Ceiling, Ceilings, Mediator, PreparedTable, QuestionSet, Role, Session, SettlingPoint,
    SettlingWindow, Setup, SideCeilings, Terms,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};

/// The mediator's clock in every session here.
pub const NOW: u64 = 1_800_000_000;

pub type Lists = ByClass<Vec<HashedIdentity>>;

/// One side of a session, before its table is prepared.
#[derive(Clone)]
pub struct Side {
    pub role: Role,
    pub terms: Terms,
    pub held: Lists,
    pub requested: Lists,
}

impl Side {
    pub fn seed(role: Role) -> [u8; 32] {
        [0x40 + role.byte(); 32]
    }

    pub fn key(role: Role) -> NodeKey {
        NodeKey::from_seed(&Self::seed(role))
    }

    pub fn prepare(&self, rng: &mut impl CryptoRng) -> PreparedTable {
        let ceilings = self.terms.ceilings.map(|_, c| c.of(self.role).held);
        let mediator = self.terms.mediator;
        PreparedTable::prepare(self.held.clone(), ceilings, mediator, rng, |_| ()).unwrap()
    }

    pub fn start(self, table: PreparedTable, rng: &mut impl CryptoRng) -> Session {
        let ceilings = self.terms.ceilings;
        let ceilings = ceilings.map(|_, ceilings| ceilings.of(self.role).requested);
        let setup = Setup {
            role: self.role,
            key: Arc::new(Self::key(self.role)),
            peer: Self::key(self.role.other()).id(),
            terms: self.terms,
            questions: QuestionSet::prepare(self.requested, ceilings, rng).unwrap(),
            table,
        };
        Session::new(setup, rng).unwrap()
    }
}

/// Initiator and responder. With the wide class, the initiator also asks there for somebody whom the
/// responder holds in the narrow class alone.
pub fn two_sides(wide: bool, mediated: bool) -> [Side; 2] {
    let terms = Terms {
        schema_name: "second-opinion-v1".into(),
        schema_digest: [0x5c; 32],
        mediator: if mediated {
            let point = RistrettoPoint::mul_base(&mediator_scalar()).compress();
            Mediator::Settling(SettlingPoint::decode(point.as_bytes()).unwrap())
        } else {
            Mediator::None
        },
        ceilings: ByClass {
            narrow: ceilings([12, 10, 16, 7]),
            wide: wide.then(|| ceilings([6, 5, 5, 3])),
        },
        window: SettlingWindow::from_seconds(1801).unwrap(),
        reference: "Zweite Prüfung / друга перевірка".into(),
    };
    let lists = |narrow: &[_], wide_list: &[_]| ByClass {
        narrow: identities(narrow),
        wide: wide.then(|| identities(wide_list)),
    };
    let initiator = Side {
        role: Role::Initiator,
        terms: terms.clone(),
        held: lists(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 8], &[500, 501, 502, 503, 504]),
        requested: lists(
            &[100, 101, 102, 103, 104, 105, 106, 107, 107],
            &[600, 601, 602, 104],
        ),
    };
    let responder = Side {
        role: Role::Responder,
        terms,
        held: lists(
            &[104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114],
            &[602, 603, 604, 605],
        ),
        requested: lists(&[5, 6, 7, 8, 9, 10, 11], &[500, 700]),
    };
    [initiator, responder]
}

/// What the sides of [`two_sides`] must learn.
pub fn answers(role: Role, wide: bool) -> Lists {
    let (narrow, wide_list): (&[_], &[_]) = match role {
        Role::Initiator => (&[104, 105, 106, 107], &[602]),
        Role::Responder => (&[5, 6, 7, 8], &[500]),
    };
    ByClass {
        narrow: identities(narrow),
        wide: wide.then(|| identities(wide_list)),
    }
}

/// m of the mediator whose settling point the sides name.
pub fn mediator_scalar() -> Scalar {
    Scalar::from_bytes_mod_order([0x6d; 32])
}

pub fn identities(numbers: &[u32]) -> Vec<HashedIdentity> {
    let identity = |number: &u32| {
        let mut bytes = [0x1d; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        HashedIdentity::from_bytes(bytes)
    };
    numbers.iter().map(identity).collect()
}

/// The lists of each class in hex, narrow first, each in ascending order.
pub fn in_hex(lists: &Lists) -> Vec<Vec<String>> {
    let list = |list: &Vec<HashedIdentity>| {
        let mut list: Vec<_> = list.iter().map(hex::encode).collect();
        list.sort_unstable();
        list
    };
    lists.iter().map(|(_, of_class)| list(of_class)).collect()
}

pub fn name(role: Role) -> &'static str {
    match role {
        Role::Initiator => "initiator",
        Role::Responder => "responder",
    }
}

pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Initiator's held and requested, responder's held and requested.
pub fn ceilings(elements: [u32; 4]) -> Ceilings {
    let [a, b, c, d] = elements.map(|elements| Ceiling::new(elements).unwrap());
    let side = |held, requested| SideCeilings { held, requested };
    Ceilings {
        initiator: side(a, b),
        responder: side(c, d),
    }
}
