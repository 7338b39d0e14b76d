//! Invented people, one for each number: no two share a surname and a birth date.
#![allow(dead_code)]

/// A bijection on 20 bits, so that neighbours have nothing in common, in syllables.
pub fn family_name(n: u32) -> String {
    const SYLLABLES: [&str; 16] = [
        "ба", "ве", "ги", "до", "жу", "зо", "ка", "ле", "ми", "но", "пу", "ра", "со", "те", "фа",
        "лю",
    ];
    let mixed = (n.wrapping_mul(0x9_E375) ^ 0x5_A5A5) & 0xf_ffff;
    let syllables = (0..5).map(|i| SYLLABLES[(mixed >> (4 * i)) as usize & 15]);
    syllables.collect::<String>() + "ренко"
}

pub fn given_name(n: u32) -> &'static str {
    const NAMES: [&str; 8] = [
        "Іван",
        "Петро",
        "Олександр",
        "Сергій",
        "Микола",
        "Андрій",
        "Тарас",
        "Ігор",
    ];
    NAMES[n as usize % NAMES.len()]
}

pub fn born(n: u32) -> String {
    let (year, month, day) = (1960 + n % 43, 1 + n / 43 % 12, 1 + n / 516 % 28);
    format!("{year}-{month:02}-{day:02}")
}
