//! How many descriptors this process may have open: a connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises what this process may have open as far as it may without rights, and tells how far that is.
pub(super) fn raised() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where it does not work, the limit stays as it is.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
