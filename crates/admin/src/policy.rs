//! What this node allows a peer, and wants of it: sizes, budget, who decides, when.
//!
//! Both sides set the sizes and the mediator alike, each seen from its own side; budgets, approval and
//! schedule are each side's own business.

use serde::{Deserialize, Serialize};

use identity::{KeyClass, Schema};
use protocol::descriptor::InvalidDescriptor;
use protocol::limits::{CEILING_MAX, SETTLING_WINDOW_SECONDS};
use protocol::{
    ByClass, Ceiling, Ceilings, Descriptor, Mediator, Role, SettlingWindow, SideCeilings, Terms,
};

/// A schedule's interval in seconds.
pub const SCHEDULE_S: std::ops::RangeInclusive<u32> = 60..=7 * 86_400;
/// A budget's window in seconds.
pub const WINDOW_S: std::ops::RangeInclusive<u32> = 60..=366 * 86_400;
/// Elements of a budget at most.
pub const BUDGET_ELEMENTS_MAX: u64 = 1 << 40;

/// What is agreed with one peer, and what it may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub narrow: ClassPolicy,
    /// The wide class is off without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wide: Option<ClassPolicy>,
    /// How long what was evaluated counts, in seconds.
    pub budget_window_s: u32,
    pub approval: Approval,
    /// The mediator's descriptor, from the mediator itself; without one nobody can settle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mediator: Option<String>,
    pub settling_window_s: u32,
    /// Seconds from one scheduled session to the next; without it sessions run when somebody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_s: Option<u32>,
    /// Whether a session may run at once, which shows the peer when somebody asked.
    pub on_demand: bool,
}

/// Sizes and budget of one key class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassPolicy {
    pub own: Sizes,
    pub peer: Sizes,
    pub budget: Budget,
}

/// Ceilings of one side's two lists, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    pub held: u32,
    pub requested: u32,
}

/// What the peer may have evaluated within the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub elements: u64,
    pub sessions: u32,
}

/// Who lets a session run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Each session waits for an officer.
    ByHand,
    ByItself,
}

/// What is wrong in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    #[error("a ceiling is 1 to {CEILING_MAX} elements, not {0}")]
    Ceiling(u32),
    #[error("a budget has at most {BUDGET_ELEMENTS_MAX} elements, not {0}")]
    Budget(u64),
    #[error("a budget's window is 60 to 31622400 seconds, not {0}")]
    Window(u32),
    #[error("a schedule is 60 to 604800 seconds, not {0}")]
    Schedule(u32),
    #[error("a settling window is 600 to 86400 seconds, not {0}")]
    SettlingWindow(u32),
    #[error("the mediator's descriptor: {0}")]
    Mediator(InvalidDescriptor),
    #[error("to meet at a relay takes a mediator whose descriptor has the relay's address")]
    NoRelay,
}

impl Default for Policy {
    /// Sessions by themselves every hour at 65,536 elements of the narrow class, and twice the budget
    /// for them in a day.
    fn default() -> Self {
        let elements = Ceiling::DEFAULT.elements() as u32;
        let sizes = Sizes {
            held: elements,
            requested: elements,
        };
        let sessions = 48;
        Self {
            narrow: ClassPolicy {
                own: sizes,
                peer: sizes,
                budget: Budget {
                    elements: u64::from(elements) * u64::from(sessions),
                    sessions,
                },
            },
            wide: None,
            budget_window_s: 86_400,
            approval: Approval::ByItself,
            mediator: None,
            settling_window_s: 3600,
            schedule_s: Some(3600),
            on_demand: false,
        }
    }
}

impl Policy {
    /// Checks every bound.
    ///
    /// # Errors
    ///
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), PolicyFault> {
        for class in std::iter::once(&self.narrow).chain(&self.wide) {
            for sizes in [class.own, class.peer] {
                for ceiling in [sizes.held, sizes.requested] {
                    Ceiling::new(ceiling).ok_or(PolicyFault::Ceiling(ceiling))?;
                }
            }
            if class.budget.elements > BUDGET_ELEMENTS_MAX {
                return Err(PolicyFault::Budget(class.budget.elements));
            }
        }
        if !WINDOW_S.contains(&self.budget_window_s) {
            return Err(PolicyFault::Window(self.budget_window_s));
        }
        if let Some(schedule_s) = self.schedule_s.filter(|s| !SCHEDULE_S.contains(s)) {
            return Err(PolicyFault::Schedule(schedule_s));
        }
        if !SETTLING_WINDOW_SECONDS.contains(&self.settling_window_s) {
            return Err(PolicyFault::SettlingWindow(self.settling_window_s));
        }
        let Some(text) = &self.mediator else {
            return Ok(());
        };
        let descriptor: Descriptor = text.parse().map_err(PolicyFault::Mediator)?;
        descriptor.terms().map(drop).map_err(PolicyFault::Mediator)
    }

    /// The mediator, if there is one; `None` also where the text is none, which [`check`](Self::check) tells.
    pub fn descriptor(&self) -> Option<Descriptor> {
        self.mediator.as_ref()?.parse().ok()
    }

    /// The terms of a session as this side's `role` sees them, under `schema`. `None` where
    /// [`check`](Self::check) would fail.
    pub fn terms(&self, role: Role, schema: Schema) -> Option<Terms> {
        let both = |class: &ClassPolicy| {
            let (initiator, responder) = match role {
                Role::Initiator => (class.own, class.peer),
                Role::Responder => (class.peer, class.own),
            };
            let side = |sizes: Sizes| {
                Some(SideCeilings {
                    held: Ceiling::new(sizes.held)?,
                    requested: Ceiling::new(sizes.requested)?,
                })
            };
            Some(Ceilings {
                initiator: side(initiator)?,
                responder: side(responder)?,
            })
        };
        Some(Terms {
            schema_name: schema.name().into(),
            schema_digest: schema.digest(),
            mediator: match &self.mediator {
                Some(_) => self.descriptor()?.terms().ok()?,
                None => Mediator::None,
            },
            ceilings: ByClass {
                narrow: both(&self.narrow)?,
                wide: match &self.wide {
                    Some(class) => Some(both(class)?),
                    None => None,
                },
            },
            window: SettlingWindow::from_seconds(self.settling_window_s)?,
            reference: String::new(),
        })
    }

    /// Both classes, as far as they are on.
    pub fn classes(&self) -> ByClass<ClassPolicy> {
        ByClass {
            narrow: self.narrow,
            wide: self.wide,
        }
    }

    /// What is set for a class.
    pub fn class(&self, class: KeyClass) -> Option<&ClassPolicy> {
        match class {
            KeyClass::Narrow => Some(&self.narrow),
            KeyClass::Wide => self.wide.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_policies_that_mirror_each_other_make_the_same_terms() {
        let sizes = |held, requested| Sizes { held, requested };
        let mut a = Policy::default();
        (a.narrow.own, a.narrow.peer) = (sizes(1, 2), sizes(3, 4));
        let mut wide = a.narrow;
        (wide.own, wide.peer) = (sizes(5, 6), sizes(7, 8));
        a.wide = Some(wide);
        let mut b = a.clone();
        std::mem::swap(&mut b.narrow.own, &mut b.narrow.peer);
        let terms = |policy: &Policy, role| policy.terms(role, Schema::default()).unwrap();
        assert!(terms(&a, Role::Initiator) != terms(&b, Role::Responder));
        let wide = b.wide.as_mut().unwrap();
        std::mem::swap(&mut wide.own, &mut wide.peer);
        assert!(terms(&a, Role::Initiator) == terms(&b, Role::Responder));
        assert!(terms(&a, Role::Responder) == terms(&b, Role::Initiator));
        assert!(terms(&a, Role::Initiator) != terms(&a, Role::Responder));
        assert_eq!(
            terms(&a, Role::Initiator)
                .ceilings
                .narrow
                .initiator
                .held
                .elements(),
            1
        );
    }

    #[test]
    fn every_bound_is_checked() {
        let policy = Policy::default();
        assert_eq!(policy.check(), Ok(()));
        let with = |change: fn(&mut Policy)| {
            let mut policy = Policy::default();
            change(&mut policy);
            policy.check().unwrap_err()
        };
        assert_eq!(with(|p| p.narrow.own.held = 0), PolicyFault::Ceiling(0));
        assert_eq!(
            with(|p| p.narrow.peer.requested = CEILING_MAX + 1),
            PolicyFault::Ceiling(CEILING_MAX + 1)
        );
        assert_eq!(
            with(|p| p.narrow.budget.elements = u64::MAX),
            PolicyFault::Budget(u64::MAX)
        );
        assert_eq!(with(|p| p.budget_window_s = 0), PolicyFault::Window(0));
        assert_eq!(with(|p| p.schedule_s = Some(1)), PolicyFault::Schedule(1));
        assert_eq!(
            with(|p| p.settling_window_s = 1),
            PolicyFault::SettlingWindow(1)
        );
        assert_eq!(
            with(|p| p.mediator = Some("ab".into())),
            PolicyFault::Mediator(InvalidDescriptor::WrongPrefix)
        );
    }
}
