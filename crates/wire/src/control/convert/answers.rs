//! What peers answered about records.

use super::records::{kind_number, kind_numbered};
use super::{ms, time};
use crate::control::Malformed;
use crate::control::codec::Carries;
use crate::control::message::ResultsPart;
use crate::pb::{self, results::Part};
use admin::PeerNumber;
use admin::answer::{AnsweringPeer, RecordAnswer, RecordAnswers, ResultsHeader};

impl Carries<ResultsPart> for pb::Results {
    fn write(part: ResultsPart) -> Self {
        let part = match part {
            ResultsPart::Header(header) => Part::Header(header_form(header)),
            ResultsPart::Records(records) => Part::Records(pb::RecordBatch {
                records: records.into_iter().map(record_form).collect(),
            }),
        };
        Self { part: Some(part) }
    }

    fn read(self) -> Result<ResultsPart, Malformed> {
        match self
            .part
            .ok_or(Malformed::Missing("a part of the results"))?
        {
            Part::Header(form) => header(form).map(ResultsPart::Header),
            Part::Records(batch) => {
                let records = batch.records.into_iter().map(record);
                records.collect::<Result<_, _>>().map(ResultsPart::Records)
            }
        }
    }
}

fn header_form(header: ResultsHeader) -> pb::ResultsHeader {
    let peer = |peer: AnsweringPeer| pb::AnsweringPeer {
        peer: peer.peer.number(),
        name: peer.name,
        answered_ms: ms(peer.answered),
        asked: peer.asked,
    };
    pb::ResultsHeader {
        columns: header.columns,
        peers: header.peers.into_iter().map(peer).collect(),
    }
}

fn header(form: pb::ResultsHeader) -> Result<ResultsHeader, Malformed> {
    let peer = |form: pb::AnsweringPeer| {
        Ok(AnsweringPeer {
            peer: PeerNumber::new(form.peer),
            name: form.name,
            answered: time(form.answered_ms)?,
            asked: form.asked,
        })
    };
    Ok(ResultsHeader {
        columns: form.columns,
        peers: form.peers.into_iter().map(peer).collect::<Result<_, _>>()?,
    })
}

fn record_form(record: RecordAnswers) -> pb::RecordAnswers {
    let answer = |answer: RecordAnswer| pb::RecordAnswer {
        answer: answer_number(answer.answer),
        kinds: answer.kinds.into_iter().map(kind_number).collect(),
    };
    pb::RecordAnswers {
        record_id: record.record_id,
        line: record.line,
        cells: record.cells,
        answers: record.answers.into_iter().map(answer).collect(),
    }
}

fn record(form: pb::RecordAnswers) -> Result<RecordAnswers, Malformed> {
    let answer = |form: pb::RecordAnswer| {
        let kinds = form.kinds.into_iter().map(kind_numbered);
        Ok(RecordAnswer {
            answer: answer_numbered(form.answer)?,
            kinds: kinds.collect::<Result<_, _>>()?,
        })
    };
    Ok(RecordAnswers {
        record_id: form.record_id,
        line: form.line,
        cells: form.cells,
        answers: form
            .answers
            .into_iter()
            .map(answer)
            .collect::<Result<_, _>>()?,
    })
}

/// The number of an answer.
pub fn answer_number(answer: Option<identity::Answer>) -> i32 {
    let number = match answer {
        None => pb::Answer::Unspecified,
        Some(identity::Answer::Strong) => pb::Answer::Strong,
        Some(identity::Answer::Confirm) => pb::Answer::Confirm,
        Some(identity::Answer::Possible) => pb::Answer::Possible,
        Some(identity::Answer::None) => pb::Answer::None,
    };
    number.into()
}

/// The answer of that number; `None` where the peer was not asked.
///
/// # Errors
/// [`Malformed::Unknown`].
pub fn answer_numbered(number: i32) -> Result<Option<identity::Answer>, Malformed> {
    Ok(
        match pb::Answer::try_from(number).map_err(|_| Malformed::Unknown("an answer"))? {
            pb::Answer::Unspecified => None,
            pb::Answer::Strong => Some(identity::Answer::Strong),
            pb::Answer::Confirm => Some(identity::Answer::Confirm),
            pb::Answer::Possible => Some(identity::Answer::Possible),
            pb::Answer::None => Some(identity::Answer::None),
        },
    )
}
