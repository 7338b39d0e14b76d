//! What a session was about, with its requested list, as bytes.

use std::path::PathBuf;

use jiff::Timestamp;
use sealing::{Reader, Writer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::record_codec;
use identity::list::{Columns, ListReport};
use identity::{Field, List, Schema};
use pairing::NodeId;
use protocol::Descriptor;

const VERSION: u8 = 1;

/// What a session was about, as far as its clerk's answers need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub peer: NodeId,
    pub begun: Timestamp,
    /// The mediator, and where it is asked.
    pub mediator: Option<(Descriptor, String)>,
    pub wide: bool,
    /// People that the peer's list can have, about.
    pub peer_people: u64,
    /// Where the answers are to be written, and whether over a file that is there.
    pub output: Option<PathBuf>,
    pub force: bool,
    /// Whether they are printed as JSON.
    pub json: bool,
}

#[derive(Serialize, Deserialize)]
struct Written {
    peer: String,
    begun: Timestamp,
    descriptor: Option<String>,
    address: String,
    wide: bool,
    peer_people: u64,
    output: Option<PathBuf>,
    force: bool,
    json: bool,
    schema: String,
    header: Vec<String>,
    /// Fields with the columns that hold them.
    places: Vec<(String, usize)>,
    rows_left_out: u32,
}

/// Lays out: version (1 byte); what it is about, as JSON with its length before it (4); number of people (4), then
/// for each its line (4), the length of its layout (4) and the layout.
///
/// # Errors
/// [`Error::TooLong`]: a record of the list, the list, or a path that is not UTF-8.
pub(super) fn encode(about: &About, requested: &List) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (descriptor, address) = match &about.mediator {
        Some((descriptor, address)) => (Some(descriptor.to_string()), address.clone()),
        None => (None, String::new()),
    };
    let place = |field: Field| Some((field.name().to_owned(), requested.columns.index_of(field)?));
    let written = Written {
        peer: about.peer.to_string(),
        begun: about.begun,
        descriptor,
        address,
        wide: about.wide,
        peer_people: about.peer_people,
        output: about.output.clone(),
        force: about.force,
        json: about.json,
        schema: requested.schema.name().to_owned(),
        header: requested.header().to_vec(),
        places: Field::ALL.into_iter().filter_map(place).collect(),
        rows_left_out: requested.report.rows_left_out,
    };
    let too_long = Error::TooLong {
        what: "the requested list, in people,",
        max: u32::MAX as usize,
    };
    // Serialising fails for a path that is not UTF-8 alone.
    let json = serde_json::to_vec(&written).map_err(|_| Error::TooLong {
        what: "the path of the output, in characters of UTF-8,",
        max: 0,
    })?;
    let mut out = Writer::with_room(json.len() + 256 * requested.people.len());
    out.u8(VERSION);
    out.bytes_u32(&json);
    out.u32(u32::try_from(requested.people.len()).map_err(|_| too_long)?);
    for person in &requested.people {
        out.u32(person.line);
        out.bytes_u32(&record_codec::encode(person)?);
    }
    Ok(out.finish())
}

/// Reads what [`encode`] wrote, and nothing after it; `None` if that is not what it is.
pub(super) fn decode(reader: &mut Reader<'_>) -> Option<(About, List)> {
    if reader.u8()? != VERSION {
        return None;
    }
    let written: Written = serde_json::from_slice(reader.bytes_u32()?).ok()?;
    let count = reader.u32()?;
    let mut people = Vec::new();
    for _ in 0..count {
        let line = reader.u32()?;
        people.push(record_codec::decode(reader.bytes_u32()?, line)?);
    }
    let places = written.places.iter();
    let places: Option<Vec<_>> = places
        .map(|(name, place)| Some((Field::named(name)?, *place)))
        .collect();
    let requested = List {
        schema: Schema::named(&written.schema)?,
        columns: Columns::restored(written.header, &places?)?,
        report: ListReport {
            people: count,
            rows_left_out: written.rows_left_out,
            ..ListReport::default()
        },
        people,
    };
    let mediator = match written.descriptor {
        Some(text) => Some((text.parse().ok()?, written.address)),
        None => None,
    };
    let about = About {
        peer: written.peer.parse().ok()?,
        begun: written.begun,
        mediator,
        wide: written.wide,
        peer_people: written.peer_people,
        output: written.output,
        force: written.force,
        json: written.json,
    };
    Some((about, requested))
}
