//! Tables for eyes, all drawn alike.

use comfy_table::{ContentArrangement, Table, presets};

/// An empty table under a header, as wide as the terminal allows.
pub fn with_header<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}
