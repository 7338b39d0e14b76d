//! What clerks ask, and how far that is.

use super::status::{pair_form, pair_status};
use super::{ms, records, time};
use crate::control::Malformed;
use crate::control::codec::Carries;
use crate::control::message::{FoundOnly, Header, NewQuery};
use crate::pb;
use admin::query::{QueryAtPeer, QuerySummary};
use admin::{PeerNumber, QueryNumber};

impl Carries<NewQuery> for pb::SubmitQueryRequest {
    fn write(query: NewQuery) -> Self {
        Self {
            header: Some((&query.header).into()),
            people: query.people.iter().map(pb::Person::from).collect(),
        }
    }

    fn read(self) -> Result<NewQuery, Malformed> {
        let header = Header::try_from(self.header.ok_or(Malformed::Missing("the header"))?)?;
        let people = records::people(self.people)?;
        records::check_cells(&people, header.columns.len())?;
        Ok(NewQuery { header, people })
    }
}

/// Messages of a query's number and nothing else.
macro_rules! of_a_query {
    ($($message:ident)*) => {$(
        impl Carries<QueryNumber> for pb::$message {
            fn write(query: QueryNumber) -> Self {
                Self { number: query.number() }
            }

            fn read(self) -> Result<QueryNumber, Malformed> {
                Ok(QueryNumber::new(self.number))
            }
        }
    )*};
}

of_a_query! { SubmitQueryReply WithdrawQueryRequest WatchQueryRequest QueryResultsRequest }

impl Carries<Vec<QuerySummary>> for pb::ListQueriesReply {
    fn write(queries: Vec<QuerySummary>) -> Self {
        let query = |query: QuerySummary| pb::QueryInfo {
            number: query.number.number(),
            submitted_ms: ms(query.submitted),
            open: query.open,
        };
        Self {
            queries: queries.into_iter().map(query).collect(),
        }
    }

    fn read(self) -> Result<Vec<QuerySummary>, Malformed> {
        let query = |form: pb::QueryInfo| {
            Ok(QuerySummary {
                number: QueryNumber::new(form.number),
                submitted: time(form.submitted_ms)?,
                open: form.open,
            })
        };
        self.queries.into_iter().map(query).collect()
    }
}

impl Carries<Vec<QueryAtPeer>> for pb::QueryUpdate {
    fn write(peers: Vec<QueryAtPeer>) -> Self {
        let peer = |peer: QueryAtPeer| pb::QueryAtPeer {
            peer: peer.peer.number(),
            name: peer.name,
            answered_ms: peer.answered.map(ms),
            pair: Some(pair_form(peer.pair)),
        };
        Self {
            peers: peers.into_iter().map(peer).collect(),
        }
    }

    fn read(self) -> Result<Vec<QueryAtPeer>, Malformed> {
        let peer = |form: pb::QueryAtPeer| {
            Ok(QueryAtPeer {
                peer: PeerNumber::new(form.peer),
                name: form.name,
                answered: form.answered_ms.map(time).transpose()?,
                pair: pair_status(form.pair.unwrap_or_default())?,
            })
        };
        self.peers.into_iter().map(peer).collect()
    }
}

impl Carries<FoundOnly> for pb::StandingResultsRequest {
    fn write(FoundOnly(found_only): FoundOnly) -> Self {
        Self { found_only }
    }

    fn read(self) -> Result<FoundOnly, Malformed> {
        Ok(FoundOnly(self.found_only))
    }
}
