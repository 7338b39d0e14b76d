//! The mediator: its time, settling, and claims of what was settled.
//!
//! Handed a caller that TLS has proven and what it shows; gives a signed verdict or a refusal. A
//! verdict is on disk before it is given. Everything is decided under one lock, in which the clock is
//! read too, so that of a claim and a settlement at the same instant one comes first. It never sees
//! a list or a table. `docs/protocol.md`, Settling.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::SysRng;
use rand_core::UnwrapErr;

use pairing::{NodeId, NodeKey};
use protocol::limits::{EPOCH_SECONDS_MAX, RETENTION_SECONDS, WINDOW_SECONDS_MAX};
use protocol::{
    AgreementFault, Decision, Descriptor, MediatorTime, Refusal, SessionId, SettlingKey,
    SignedAgreement, SignedVerdict, Verdict,
};
use store::file_cipher::FileCipher;
use store::ledger::{Settled, SettlementLedger};
use store::settling_keys::{self, EpochKey};

/// How long a settling key's epoch is, in seconds: 30 days.
pub const EPOCH_SECONDS: u64 = 30 * 86_400;
const _: () = assert!(EPOCH_SECONDS <= EPOCH_SECONDS_MAX);

/// Seconds since 1970 by the mediator's system clock.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The mediator of one relay.
pub struct Mediator {
    identity: Arc<NodeKey>,
    home: PathBuf,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    keys: Vec<EpochKey>,
    ledger: SettlementLedger,
    /// The latest time that was vouched for; the clock does not go behind it.
    latest: MediatorTime,
}

/// What a mediator can say about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Sessions settled that can still be claimed.
    pub settled: u64,
    /// The last second of the newest epoch.
    pub epoch_until: Option<MediatorTime>,
    pub now: MediatorTime,
}

impl Mediator {
    /// Opens keys and ledger of the relay in `home`, and makes a settling key if none is good for a
    /// session that starts now.
    ///
    /// # Errors
    /// What is in `home` cannot be read or written.
    pub fn open(home: &Path, identity: Arc<NodeKey>, clock: Clock) -> Result<Self, store::Error> {
        let keys = settling_keys::load(home, &FileCipher::of(&identity))?;
        let ledger = SettlementLedger::open(home, FileCipher::of(&identity))?;
        let latest = ledger.latest()?;
        let mediator = Self {
            identity,
            home: home.to_owned(),
            clock,
            state: Mutex::new(State {
                keys,
                ledger,
                latest,
            }),
        };
        mediator.sweep()?;
        Ok(mediator)
    }

    /// The mediator's time: its system's, but never behind what it once vouched for.
    pub fn time(&self) -> MediatorTime {
        self.now(&self.lock())
    }

    /// Settles an agreement, or gives what was settled of its session before.
    ///
    /// # Errors
    /// See [`Refusal`]; nothing was given away.
    pub fn settle(
        &self,
        caller: &NodeId,
        signed: &SignedAgreement,
    ) -> Result<SignedVerdict, Refusal> {
        let mut state = self.lock();
        let session = signed.agreement.session_id();
        // First: a session has one verdict, whatever has changed since it was given.
        if let Some(verdict) = settled_before(&state.ledger, caller, &session)? {
            return match &verdict.verdict {
                Verdict::Settled(settlement) if settlement.is_of(&signed.agreement) => Ok(verdict),
                _ => Err(Refusal::OtherAgreement),
            };
        }
        let now = self.now(&state);
        self.reload_if_unknown(&mut state, &signed.agreement.mediator)?;
        let epoch = state
            .keys
            .iter()
            .find(|epoch| epoch.key.point().encoded() == &signed.agreement.mediator)
            .filter(|epoch| !epoch.is_spent(now))
            .ok_or(AgreementFault::OtherMediator)?;
        let mut rng = UnwrapErr(SysRng);
        let settlement = epoch.key.settle(signed, caller, now, &mut rng)?;
        let verdict = Verdict::Settled(Box::new(settlement)).sign(&self.identity);
        let settled = Settled {
            initiator: signed.agreement.initiator,
            responder: signed.agreement.responder,
            verdict: verdict.encode(),
        };
        // On disk before it leaves: after a crash the same session must get the same verdict.
        let added = state.ledger.add(&session, now, &settled, &mut rng);
        added.map_err(|error| not_kept(&error))?;
        Ok(verdict)
    }

    /// Says what is known of a session whose deadline the caller tells.
    ///
    /// A wrong deadline gives a verdict about that deadline, which says nothing about the session's own.
    ///
    /// # Errors
    /// [`Refusal::NotAParty`], [`Refusal::Forgotten`], [`Refusal::NotKept`].
    pub fn claim(
        &self,
        caller: &NodeId,
        session: &SessionId,
        deadline: MediatorTime,
    ) -> Result<Decision, Refusal> {
        let mut state = self.lock();
        if let Some(verdict) = settled_before(&state.ledger, caller, session)? {
            return Ok(Decision::Verdict(verdict));
        }
        let now = self.now(&state);
        // Until then the other side may still settle.
        if now < deadline {
            return Ok(Decision::Open(now));
        }
        if now.0 > deadline.0.saturating_add(RETENTION_SECONDS) {
            return Err(Refusal::Forgotten);
        }
        // From here on no clock that is put back can make the deadline one that is to come.
        if now > state.latest {
            let vouched = state.ledger.vouch(now);
            vouched.map_err(|error| not_kept(&error))?;
            state.latest = now;
        }
        let verdict = Verdict::NeverSettled {
            session: *session,
            at: now,
            deadline,
        };
        Ok(Decision::Verdict(verdict.sign(&self.identity)))
    }

    /// The descriptor of the newest epoch that has begun, with the relay's `address`, which may be
    /// empty; `None` if the address is too long.
    pub fn descriptor(&self, address: &str) -> Option<Descriptor> {
        let state = self.lock();
        described(&state.keys, &self.identity, self.now(&state), address)
    }

    /// The [`descriptor`](Self::descriptor) beside a relay that runs, or before it does: makes a settling key if none is good now.
    ///
    /// # Errors
    /// The settling keys cannot be read or written.
    pub fn describe(
        home: &Path,
        identity: &NodeKey,
        clock: Clock,
        address: &str,
    ) -> Result<Option<Descriptor>, store::Error> {
        let (cipher, now) = (FileCipher::of(identity), MediatorTime(clock()));
        let mut keys = settling_keys::load(home, &cipher)?;
        begin_epoch(home, &cipher, &mut keys, now)?;
        Ok(described(&keys, identity, now, address))
    }

    /// Erases keys and settlements whose time is over, and begins a new epoch when the last one ends.
    ///
    /// # Errors
    /// What is in the home cannot be read or written.
    pub fn sweep(&self) -> Result<(), store::Error> {
        let mut state = self.lock();
        let now = self.now(&state);
        let cipher = FileCipher::of(&self.identity);
        // From the disk first: what is no longer in memory could not be erased by the next sweep.
        for spent in state.keys.iter().filter(|epoch| epoch.is_spent(now)) {
            settling_keys::erase(&self.home, &spent.key)?;
        }
        state.keys.retain(|epoch| !epoch.is_spent(now));
        begin_epoch(&self.home, &cipher, &mut state.keys, now)?;
        // Settled at most a window before its deadline.
        let kept = RETENTION_SECONDS + WINDOW_SECONDS_MAX;
        state
            .ledger
            .forget(MediatorTime(now.0.saturating_sub(kept)))?;
        Ok(())
    }

    /// How many sessions are kept, and how long the newest epoch lasts.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn summary(&self) -> Result<Summary, store::Error> {
        let state = self.lock();
        Ok(Summary {
            settled: state.ledger.count()?,
            epoch_until: state.keys.last().map(|epoch| epoch.until),
            now: self.now(&state),
        })
    }

    /// Another process of this relay may have begun an epoch ahead of time.
    fn reload_if_unknown(&self, state: &mut State, point: &[u8; 32]) -> Result<(), Refusal> {
        let known = |keys: &[EpochKey]| keys.iter().any(|k| k.key.point().encoded() == point);
        if !known(&state.keys) {
            let loaded = settling_keys::load(&self.home, &FileCipher::of(&self.identity));
            state.keys = loaded.map_err(|error| not_kept(&error))?;
        }
        Ok(())
    }

    fn now(&self, state: &State) -> MediatorTime {
        MediatorTime((self.clock)()).max(state.latest)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a settling key if none is good for a session that starts now.
fn begin_epoch(
    home: &Path,
    cipher: &FileCipher,
    keys: &mut Vec<EpochKey>,
    now: MediatorTime,
) -> Result<(), store::Error> {
    if keys.iter().any(|epoch| now <= epoch.until) {
        return Ok(());
    }
    let mut rng = UnwrapErr(SysRng);
    let epoch = EpochKey {
        key: SettlingKey::generate(&mut rng),
        from: now,
        until: MediatorTime(now.0.saturating_add(EPOCH_SECONDS)),
    };
    // On disk before anybody is told of it: nodes agree under it for as long as its epoch lasts.
    settling_keys::create(home, cipher, &epoch, &mut rng)?;
    keys.push(epoch);
    Ok(())
}

fn described(
    keys: &[EpochKey],
    identity: &NodeKey,
    now: MediatorTime,
    address: &str,
) -> Option<Descriptor> {
    let good = |epoch: &&EpochKey| epoch.from <= now && now <= epoch.until;
    let epoch = keys.iter().rfind(good)?;
    Descriptor::new(
        identity,
        &epoch.key.point(),
        (epoch.from, epoch.until),
        address,
    )
}

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    })
}

fn settled_before(
    ledger: &SettlementLedger,
    caller: &NodeId,
    session: &SessionId,
) -> Result<Option<SignedVerdict>, Refusal> {
    let Some(settled) = ledger.find(session).map_err(|error| not_kept(&error))? else {
        return Ok(None);
    };
    if *caller != settled.initiator && *caller != settled.responder {
        return Err(Refusal::NotAParty);
    }
    match SignedVerdict::decode(&settled.verdict) {
        Ok(verdict) => Ok(Some(verdict)),
        Err(_) => Err(Refusal::NotKept),
    }
}

fn not_kept(error: &store::Error) -> Refusal {
    tracing::error!(%error, "the mediator's ledger");
    Refusal::NotKept
}
