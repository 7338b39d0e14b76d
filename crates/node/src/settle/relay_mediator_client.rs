//! The mediator where its relay is: asked over one connection, which is made anew when it breaks.
//!
//! It is handed the descriptor that both sides agreed on and this node's key. It judges no answer:
//! a verdict is checked by whoever opens tables with it. `docs/protocol.md`, Settling.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::mediator_client::{MediatorClient, MediatorFault};
use pairing::{NodeId, NodeKey};
use protocol::{Decision, Descriptor, MediatorTime, SessionId, SignedAgreement};
use transport::{Error, Limits, PinnedTls, RelayConnection};

/// A node's questions to the mediator of a descriptor.
pub struct RelayMediatorClient {
    mediator: NodeId,
    last_deadline: MediatorTime,
    address: String,
    tls: PinnedTls,
    limits: Limits,
    /// The connection over which the last question was answered.
    link: Mutex<Option<RelayConnection>>,
}

/// One question over one connection.
type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

impl RelayMediatorClient {
    /// Asks the mediator at its descriptor's address in the name of the node with this key; connects
    /// with the first question.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`].
    pub fn new(descriptor: &Descriptor, key: &NodeKey, limits: Limits) -> Result<Self, Error> {
        Ok(Self {
            mediator: descriptor.mediator,
            last_deadline: descriptor.last_deadline(),
            address: descriptor.address.clone(),
            tls: PinnedTls::new(key.seed(), *descriptor.mediator.as_bytes())?,
            limits,
            link: Mutex::default(),
        })
    }

    /// Asks at another address than the descriptor's, which may be empty or out of date.
    pub fn at(mut self, address: &str) -> Self {
        self.address = address.to_owned();
        self
    }

    /// Asks over the connection of the last question, and over a new one where that has broken.
    async fn ask<T: Send>(
        &self,
        question: impl for<'a> Fn(&'a mut RelayConnection) -> Asked<'a, T> + Send + Sync,
    ) -> Result<T, Error> {
        let kept = self.kept().take();
        if let Some(mut link) = kept {
            match question(&mut link).await {
                Ok(answer) => return Ok(self.keep(link, answer)),
                // The relay's own word; another connection would not change it.
                Err(refused @ Error::Refused { .. }) => {
                    return Err(self.keep(link, refused));
                }
                Err(_) => {}
            }
        }
        let mut link = RelayConnection::connect(&self.address, &self.tls, &self.limits).await?;
        let answer = question(&mut link).await?;
        Ok(self.keep(link, answer))
    }

    fn keep<T>(&self, link: RelayConnection, answer: T) -> T {
        *self.kept() = Some(link);
        answer
    }

    fn kept(&self) -> MutexGuard<'_, Option<RelayConnection>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MediatorClient for RelayMediatorClient {
    fn id(&self) -> NodeId {
        self.mediator
    }

    fn last_deadline(&self) -> MediatorTime {
        self.last_deadline
    }

    async fn time(&self) -> Result<MediatorTime, MediatorFault> {
        Ok(self.ask(|link| Box::pin(link.time())).await?)
    }

    async fn settle(&self, signed: &SignedAgreement) -> Result<Decision, MediatorFault> {
        let asked = self.ask(|link| {
            let signed = signed.clone();
            Box::pin(async move { link.settle(&signed).await })
        });
        Ok(asked.await??)
    }

    async fn claim(
        &self,
        session: &SessionId,
        deadline: MediatorTime,
    ) -> Result<Decision, MediatorFault> {
        let session = *session;
        let asked =
            self.ask(move |link| Box::pin(async move { link.claim(&session, deadline).await }));
        Ok(asked.await??)
    }
}
