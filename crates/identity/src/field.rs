//! The fields of a record. `docs/matching.md` §1.
//!
//! Names alone: what a cell of a field says is read by [`normal_record`](crate::normal_record), and which
//! header means which field is told by [`header`](crate::header).

/// A field of a record, as the capture card has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    RecordId,
    FamilyName,
    GivenName,
    Patronymic,
    FullName,
    OtherFamilyNames,
    DateOfBirth,
    Sex,
    PlaceOfBirth,
    Nationality,
    DocumentType,
    DocumentNumber,
    ServiceNumber,
    TaxId,
    Rank,
    Unit,
    CaptureDate,
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

    /// The field of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}
