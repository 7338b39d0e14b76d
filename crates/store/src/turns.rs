//! Turns: who waits for the store gets it in the order in which they came.
//!
//! The standard library's lock may go to the same thread again and again, and an import asks for it hundreds of
//! times in a row.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Hands out one turn at a time.
#[derive(Default)]
pub(super) struct Turns {
    tickets: Mutex<Tickets>,
    over: Condvar,
}

#[derive(Default)]
struct Tickets {
    next: u64,
    served: u64,
}

/// The turn of whoever holds it, until it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits for all who came before.
    pub(super) fn wait(&self) -> Turn<'_> {
        let mut tickets = self.tickets();
        let own = tickets.next;
        tickets.next += 1;
        while tickets.served != own {
            tickets = self
                .over
                .wait(tickets)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self)
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.tickets().served += 1;
        self.0.over.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_in_the_order_in_which_they_were_asked_for() {
        let turns = Turns::default();
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let first = turns.wait();
            for n in 0..8 {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    let _turn = turns.wait();
                    order.lock().unwrap().push(n);
                });
                while turns.tickets().next != n + 2 {
                    std::thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), (0..8).collect::<Vec<_>>());
    }
}
