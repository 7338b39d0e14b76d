//! What people and programs call the things of a node: a number of a type of its own for each kind, so that
//! none stands for another.

#[cfg(feature = "sql")]
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The number as people write it; whether there is such a row, the store says.
            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            /// The number itself.
            pub const fn number(self) -> i64 {
                self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        #[cfg(feature = "sql")]
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        #[cfg(feature = "sql")]
        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }
    )*};
}

numbers! {
    /// A peer; stays the same when the peer is removed and added again.
    PeerNumber
    /// Somebody who may use this node.
    ClientNumber
    /// A query of a clerk.
    QueryNumber
    /// A prepared table; never given twice.
    TableNumber
    /// A question set; never given twice.
    QuestionsNumber
    /// A session that a peer or the schedule wants and an officer decides on.
    ApprovalNumber
    /// A session that got as far as its Commitment.
    SessionNumber
}
