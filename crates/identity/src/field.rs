//! The fields of a record. `docs/matching.md` §1.
//!
//! Names alone: what a cell of a field says is read by [`normal_record`](crate::normal_record), and which
//! header means which field is told by [`header`](crate::header).

/// A field of a record, as the capture card has them.
///
/// Source: Third Geneva Convention, art. 17, art. 122 and annex IV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    /// The list's own number for the record; unique in a list, never in a key, and how results are told apart.
    RecordId,
    /// Family name, also a double one.
    FamilyName,
    /// Given name; a patronymic written behind it is taken out.
    GivenName,
    /// Name after the father (Петрович, Petrivna), or the father's own name.
    Patronymic,
    /// All names in one cell, in place of the three before.
    FullName,
    /// Maiden and former names; each gives keys of its own.
    OtherFamilyNames,
    /// As a whole or as far as it is known.
    DateOfBirth,
    /// Used for nothing but to find contradictions.
    Sex,
    /// Read down to the own name of a town or village.
    PlaceOfBirth,
    /// For people to confirm by; in no key.
    Nationality,
    /// Which document the number is of; in no key, since two clerks rarely call it the same.
    DocumentType,
    /// Passport, identity card, military ticket.
    DocumentNumber,
    /// Number that the armed forces gave (Geneva III, art. 17: "army, regimental, personal or serial number").
    ServiceNumber,
    /// РНОКПП, ИНН or СНИЛС; worth nothing without its check digit.
    TaxId,
    /// For people to confirm by; in no key.
    Rank,
    /// For people to confirm by; in no key.
    Unit,
    /// For people to confirm by; in no key.
    CaptureDate,
    /// For people to confirm by; in no key.
    CapturePlace,
}

impl Field {
    /// Every field, in the order of the capture card.
    pub const ALL: [Self; 18] = [
        Self::RecordId,
        Self::FamilyName,
        Self::GivenName,
        Self::Patronymic,
        Self::FullName,
        Self::OtherFamilyNames,
        Self::DateOfBirth,
        Self::Sex,
        Self::PlaceOfBirth,
        Self::Nationality,
        Self::DocumentType,
        Self::DocumentNumber,
        Self::ServiceNumber,
        Self::TaxId,
        Self::Rank,
        Self::Unit,
        Self::CaptureDate,
        Self::CapturePlace,
    ];

    /// The field's own name, as `--column` and list files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RecordId => "record_id",
            Self::FamilyName => "family_name",
            Self::GivenName => "given_name",
            Self::Patronymic => "patronymic",
            Self::FullName => "full_name",
            Self::OtherFamilyNames => "other_family_names",
            Self::DateOfBirth => "date_of_birth",
            Self::Sex => "sex",
            Self::PlaceOfBirth => "place_of_birth",
            Self::Nationality => "nationality",
            Self::DocumentType => "document_type",
            Self::DocumentNumber => "document_number",
            Self::ServiceNumber => "service_number",
            Self::TaxId => "tax_id",
            Self::Rank => "rank",
            Self::Unit => "unit",
            Self::CaptureDate => "capture_date",
            Self::CapturePlace => "capture_place",
        }
    }

    /// The field of exactly that name, as `--column` takes it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}
