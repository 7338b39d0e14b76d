//! The database's shape, by numbered steps: each file of `migrations/` leads from one version to the next.
//!
//! The version is SQLite's `user_version`. All missing steps run in one transaction, so a database is
//! at an old version or at the new one, also after a crash. A step that was released never changes.

use std::path::Path;

use rusqlite::Connection;

use super::error::Error;

/// "tcit": says in the file's header that this is a tacit store.
pub(super) const APPLICATION_ID: i32 = 0x7463_6974;

const STEPS: [&str; 6] = [
    include_str!("migrations/1.sql"),
    include_str!("migrations/2.sql"),
    include_str!("migrations/3.sql"),
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
];

/// The version that this program writes.
pub(super) const VERSION: usize = STEPS.len();

/// Reads the version of a database; `None` if nothing was ever written to it.
///
/// # Errors
///
/// [`Error::ForeignStore`], [`Error::NewerStore`]: nothing was changed.
pub(super) fn version(database: &Connection, path: &Path) -> Result<Option<usize>, Error> {
    let pragma = |name| database.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let objects: i64 =
        database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (application, version, objects) == (0, 0, 0) {
        return Ok(None);
    }
    let foreign = || Error::ForeignStore { path: path.into() };
    if application != APPLICATION_ID {
        return Err(foreign());
    }
    let version = usize::try_from(version).map_err(|_| foreign())?;
    match version {
        0 => Err(foreign()),
        1..=VERSION => Ok(Some(version)),
        _ => Err(Error::NewerStore {
            path: path.into(),
            version,
            newest_known: VERSION,
        }),
    }
}

/// Runs the steps after `from`, inside the caller's transaction.
///
/// # Errors
///
/// Those of the database; the caller rolls back.
pub(super) fn migrate(database: &Connection, from: usize) -> Result<(), Error> {
    migrate_to(database, from, VERSION)
}

fn migrate_to(database: &Connection, from: usize, to: usize) -> Result<(), Error> {
    for step in STEPS.get(from..to).unwrap_or_default() {
        database.execute_batch(step)?;
    }
    if from < to {
        database.pragma_update(None, "application_id", APPLICATION_ID)?;
        database.pragma_update(None, "user_version", to as i64)?;
    }
    Ok(())
}

/// A database at `version`, for the tests of every later one.
#[cfg(test)]
pub(super) fn at_version(database: &Connection, version: usize) {
    migrate_to(database, 0, version).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(database: &Connection) -> Vec<String> {
        let mut query = database
            .prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name")
            .unwrap();
        let rows = query.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn every_earlier_version_comes_to_the_shape_of_a_new_store() {
        let new = Connection::open_in_memory().unwrap();
        migrate(&new, 0).unwrap();
        assert_eq!(version(&new, Path::new("s")).unwrap(), Some(VERSION));
        for from in 1..=VERSION {
            let old = Connection::open_in_memory().unwrap();
            at_version(&old, from);
            assert_eq!(version(&old, Path::new("s")).unwrap(), Some(from));
            migrate(&old, from).unwrap();
            assert_eq!(shape(&old), shape(&new), "from version {from}");
            assert_eq!(version(&old, Path::new("s")).unwrap(), Some(VERSION));
        }
    }

    #[test]
    fn newer_and_foreign_databases_are_told_apart() {
        let database = Connection::open_in_memory().unwrap();
        let seen = || version(&database, Path::new("s"));
        assert_eq!(seen().unwrap(), None);
        database.execute_batch("CREATE TABLE other (id)").unwrap();
        assert!(matches!(seen(), Err(Error::ForeignStore { .. })));
        database
            .pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        assert!(matches!(seen(), Err(Error::ForeignStore { .. })));
        database
            .pragma_update(None, "user_version", VERSION as i64 + 1)
            .unwrap();
        assert!(matches!(seen(), Err(Error::NewerStore { version, .. }) if version == VERSION + 1));
    }
}
