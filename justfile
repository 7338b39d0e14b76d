# What one does here every day. `just` alone lists it; each recipe is one or two commands, for those without just.

# Neither rustup nor llvm-cov fetches a toolchain or a component by itself: what is missing is said.
export RUSTUP_AUTO_INSTALL := "0"
export CARGO_LLVM_COV_SETUP := "no"

_list:
    @just --list

# All tests of all crates, or those whose name contains NAME
test *name:
    cargo test --locked --workspace {{ name }}

# Formatter, clippy and documentation, all without warnings
lint:
    cargo fmt --check
    cargo clippy --locked --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# Files that use each other in a circle; how long files are, and how much of them is told
circles:
    cargo run --locked --quiet --package xtask -- circles
    cargo run --locked --quiet --package xtask -- house

# The benches: oprf, session, relay, matching, flood; or one of them: just bench --bench oprf
bench *which:
    cargo bench --locked --package tacit {{ which }}

# The list parser against random bytes, for a minute; needs cargo-fuzz and a nightly compiler
fuzz seconds="60":
    cargo +nightly fuzz run list_parse -- -max_total_time={{ seconds }}

# Two invented delegations match on this machine
demo:
    cargo run --locked --release -- demo

# Lines that tests reach, as HTML; needs cargo-llvm-cov and the component llvm-tools
coverage:
    cargo llvm-cov --locked --workspace --html

# Licences, bans and sources of all dependencies; needs cargo-deny
deny:
    cargo deny --locked --workspace check bans licenses sources

# Everything that must pass
ci:
    bash .ci/run
