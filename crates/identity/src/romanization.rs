//! Which family of transliterations a Latin record is written in, where single letters depend on it.
//! `docs/matching.md` §3.3.
//!
//! `ch` is Ч to English habits and Х to Polish, German and scientific ones (Malachow, Juchymenko).
//! One word may not show which; the whole name of a record often does.

/// Whether the names of one record, cleaned, are written by a system in which `ch` is Х.
pub(crate) fn ch_is_kh<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    let mut central = false;
    for name in names {
        if ["zh", "kh", "ya", "yu", "yo", "ia", "iu"]
            .iter()
            .any(|part| name.contains(part))
            || has_plain_sh(name)
        {
            return false;
        }
        central |= name.contains(['w', 'č', 'š', 'ž', 'ě', 'ř', 'ś', 'ź', 'ż', 'ł', 'ń'])
            || ["cz", "sz", "tsch"].iter().any(|part| name.contains(part));
    }
    central
}

/// `sh` that is not part of a German `sch`-like group.
fn has_plain_sh(name: &str) -> bool {
    name.match_indices("sh")
        .any(|(place, _)| !name[..place].ends_with('s'))
}

/// Writes `h` for every `ch` that is Х: not one after `s` or `t`, which make groups of their own, nor in
/// -ich and -ych at the end of a word, which are -ич to nearly everybody.
pub(crate) fn with_kh(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(place) = rest.find("ch") {
        let ends_word = !rest[place + 2..].starts_with(|letter: char| letter.is_alphabetic());
        let grouped =
            rest[..place].ends_with(['s', 't']) || ends_word && rest[..place].ends_with(['i', 'y']);
        out.push_str(&rest[..place]);
        out.push_str(if grouped { "ch" } else { "h" });
        rest = &rest[place + 2..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_name_tells_what_ch_is() {
        assert!(ch_is_kh(["malachow", "wasyl"]));
        assert!(ch_is_kh(["puchov", "žanna"]));
        assert!(!ch_is_kh(["chernov", "sergey"]));
        assert!(!ch_is_kh(["chernykh", "jurij"]));
        assert!(!ch_is_kh(["pushin", "jakov"]));
        assert_eq!(with_kh("juchymenko"), "juhymenko");
        assert_eq!(with_kh("wasylewytsch"), "wasylewytsch");
        assert_eq!(with_kh("juriyovych"), "juriyovych");
    }
}
