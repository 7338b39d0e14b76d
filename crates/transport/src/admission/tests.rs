use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::known::{ADDRESSES_PER_KEY_MAX, KNOWN_FOR};
use super::*;

const NOW: Duration = Duration::from_secs(1);

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn small(before_hello: usize, unproven: usize) -> Places {
    Places {
        before_hello,
        hello: Duration::ZERO,
        unproven,
        known_addresses: 8,
        proven: 6,
        proven_per_key: 2,
    }
}

fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    Ipv4Addr::new(a, b, c, d).into()
}

fn v6(groups: [u16; 8]) -> IpAddr {
    Ipv6Addr::from(groups).into()
}

fn table(before_hello: usize, unproven: usize) -> AdmissionTable<()> {
    AdmissionTable::new(small(before_hello, unproven))
}

fn arrive(
    table: &mut AdmissionTable<()>,
    from: IpAddr,
    rng: &mut ChaCha20Rng,
) -> (Ticket, Option<Ticket>) {
    let (ticket, displaced) = table.arrive(from, NOW, rng, ());
    (ticket, displaced.map(|(ticket, ())| ticket))
}

/// The prefixes of an address as their text, by another way than the table's.
fn prefixes(address: IpAddr) -> Vec<String> {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            vec![format!("{a}.{b}"), format!("{a}.{b}.{c}")]
        }
        IpAddr::V6(address) => {
            let bytes = address.octets();
            [4, 6, 7].map(|n| format!("{:02x?}", &bytes[..n])).to_vec()
        }
    }
}

/// Whether `gone` is of the fullest prefix of those in `room`, level by level.
fn is_of_the_fullest(gone: IpAddr, room: &[IpAddr]) -> bool {
    let own = prefixes(gone);
    let mut beside: Vec<Vec<String>> = room.iter().map(|other| prefixes(*other)).collect();
    for (level, prefix) in own.iter().enumerate() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for other in &beside {
            *counts.entry(other[level].clone()).or_default() += 1;
        }
        if counts.get(prefix) != counts.values().max() {
            return false;
        }
        beside.retain(|other| other[level] == *prefix);
    }
    true
}

#[test]
fn a_room_that_is_not_full_sends_nobody_away() {
    let (mut table, mut rng) = (table(3, 3), rng(1));
    for n in 0..3 {
        assert_eq!(arrive(&mut table, v4(10, 0, 0, n), &mut rng).1, None);
    }
    assert!(arrive(&mut table, v4(10, 0, 0, 3), &mut rng).1.is_some());
}

#[test]
fn a_flood_from_one_prefix_displaces_nobody_of_another() {
    let floods: [fn(u16) -> IpAddr; 3] = [
        |n| v4(10, 1, n.to_be_bytes()[0], n.to_be_bytes()[1]),
        |n| v6([0x2001, 0xdb8, n, 0, 0, 0, 0, 1]),
        |n| v6([0, 0, 0, 0, 0, 0xffff, 0x0a02, n]),
    ];
    let honest = [
        v4(10, 9, 0, 1),
        v6([0x2001, 0xdb9, 0, 0, 0, 0, 0, 1]),
        v6([0, 0, 0, 0, 0, 0xffff, 0x0a09, 2]),
    ];
    for flood in floods {
        let (mut table, mut rng) = (table(16, 16), rng(2));
        let tickets = honest.map(|from| arrive(&mut table, from, &mut rng).0);
        for n in 0..1_000 {
            let (_, gone) = arrive(&mut table, flood(n), &mut rng);
            assert!(!gone.is_some_and(|gone| tickets.contains(&gone)));
        }
        for ticket in tickets {
            assert_eq!(table.hello_came(ticket, &mut rng), Ok(None));
        }
    }
}

#[test]
fn of_the_fullest_prefix_the_fullest_finer_one_pays() {
    let (mut table, mut rng) = (table(12, 12), rng(3));
    // Of 10.1/16 six are of 10.1.1/24 and three of three others; of 10.2/16 there are three.
    let others = [
        v4(10, 1, 2, 1),
        v4(10, 1, 3, 1),
        v4(10, 1, 4, 1),
        v4(10, 2, 1, 1),
        v4(10, 2, 1, 2),
        v4(10, 2, 1, 3),
    ];
    let others = others.map(|from| arrive(&mut table, from, &mut rng).0);
    for n in 0..200 {
        let (_, gone) = arrive(&mut table, v4(10, 1, 1, n), &mut rng);
        assert!(!gone.is_some_and(|gone| others.contains(&gone)));
    }
}

#[test]
fn whoever_goes_is_random_so_that_one_of_many_survives_n_strangers_with_the_probability_e_to_the_minus_n_over_u()
 {
    const PLACES: usize = 64;
    const RUNS: u32 = 1_000;
    // All of one /24, so that no prefix protects anybody; the room is full before, and after.
    for (room, strangers) in [("hello", 32), ("hello", 64), ("unproven", 32)] {
        let mut survived = 0;
        for run in 0..RUNS {
            let mut rng = rng(u64::from(run) + 100);
            let mut table = match room {
                "hello" => table(PLACES, 1),
                _ => table(1, PLACES),
            };
            let mut there = true;
            let mut honest = None;
            for n in 0..PLACES + strangers {
                let (ticket, mut gone) = arrive(&mut table, v4(10, 0, 0, n as u8), &mut rng);
                if room == "unproven" {
                    let displaced = table.hello_came(ticket, &mut rng).unwrap();
                    gone = displaced.map(|(ticket, ())| ticket);
                }
                // The honest one is the last for whom there is room: neither the oldest nor the newest.
                if n == PLACES - 1 {
                    honest = Some(ticket);
                }
                there &= gone.is_none() || gone != honest;
            }
            survived += u32::from(there);
        }
        let expected = (-(strangers as f64) / PLACES as f64).exp();
        let seen = f64::from(survived) / f64::from(RUNS);
        // Four standard deviations of the mean are 0.063.
        assert!((seen - expected).abs() < 0.063, "{room}: {seen} {expected}");
    }
}

#[test]
fn of_prefixes_that_are_as_full_each_is_as_likely_to_pay() {
    let mut paid = [0_u32; 4];
    for run in 0..2_000 {
        let (mut table, mut rng) = (table(3, 3), rng(run));
        let tickets = [1, 2, 3, 4].map(|b| arrive(&mut table, v4(10, b, 0, 1), &mut rng));
        let gone = tickets[3].1.unwrap();
        let index = tickets.iter().position(|(ticket, _)| *ticket == gone);
        paid[index.unwrap()] += 1;
    }
    assert!(
        paid.iter().all(|paid| (400..600).contains(paid)),
        "{paid:?}"
    );
}

#[test]
fn an_address_that_proved_a_key_has_two_places_that_strangers_cannot_take() {
    let (mut table, mut rng) = (table(2, 2), rng(4));
    let home = v4(10, 0, 0, 1);
    let (first, _) = arrive(&mut table, home, &mut rng);
    table.hello_came(first, &mut rng).unwrap();
    table.prove(first, [1; 32], NOW).unwrap();
    table.leave(first);
    // Also as IPv6 writes it.
    let mapped = v6([0, 0, 0, 0, 0, 0xffff, 0x0a00, 1]);
    let own = [home, mapped].map(|from| arrive(&mut table, from, &mut rng).0);
    for n in 0..100 {
        // From its very address, too.
        let from = v4(10, 0, 0, 1 + n % 2);
        let (stranger, gone) = arrive(&mut table, from, &mut rng);
        assert!(!gone.is_some_and(|gone| own.contains(&gone)));
        if let Ok(Some((gone, ()))) = table.hello_came(stranger, &mut rng) {
            assert!(!own.contains(&gone));
        }
    }
    for ticket in own {
        assert_eq!(table.hello_came(ticket, &mut rng), Ok(None));
        assert_eq!(table.prove(ticket, [1; 32], NOW), Ok(()));
    }
    // Their places are free for the next two once they have proven their key.
    let next = [0, 1].map(|_| arrive(&mut table, home, &mut rng).0);
    for n in 0..100 {
        let gone = arrive(&mut table, v4(10, 0, 0, n), &mut rng).1;
        assert!(!gone.is_some_and(|gone| next.contains(&gone)));
    }
}

#[test]
fn an_address_is_known_for_thirty_days_after_its_last_proof() {
    let day = Duration::from_secs(24 * 3600);
    let from = v4(10, 0, 0, 1);
    for (after, known) in [(29 * day, true), (30 * day, false)] {
        let (mut table, mut rng) = (table(1, 1), rng(5));
        let (ticket, _) = arrive(&mut table, from, &mut rng);
        table.hello_came(ticket, &mut rng).unwrap();
        table.prove(ticket, [1; 32], NOW).unwrap();
        let (own, _) = table.arrive(from, NOW + after, &mut rng, ());
        let mut displaced = false;
        for n in 0..64 {
            let from = v4(10, 0, 0, n);
            let (_, gone) = table.arrive(from, NOW + after, &mut rng, ());
            displaced |= gone.is_some_and(|(gone, ())| gone == own);
        }
        assert_eq!(displaced, !known, "{after:?}");
    }
    assert_eq!(KNOWN_FOR, 30 * day);
}

#[test]
fn a_key_that_is_proven_from_everywhere_has_no_other_keys_address_forgotten() {
    let mut known = Known::new(16);
    let honest = v4(10, 9, 0, 1);
    known.remember([1; 32], honest, NOW);
    let hostile: Vec<IpAddr> = (0..=255).map(|n| v4(10, 0, 0, n)).collect();
    for key in [2, 3, 4] {
        for (n, from) in hostile.iter().enumerate() {
            known.remember([key; 32], *from, NOW + Duration::from_secs(n as u64));
        }
    }
    let later = NOW + Duration::from_secs(300);
    assert!(known.is_known(honest, later));
    let remembered = hostile.iter().filter(|from| known.is_known(**from, later));
    let remembered = remembered.count();
    assert!((1..16).contains(&remembered), "{remembered}");
    // Each key remembers the latest of its own.
    assert!(known.is_known(hostile[255], later) && !known.is_known(hostile[0], later));
}

#[test]
fn an_address_that_two_keys_proved_is_known_until_both_have_forgotten_it() {
    let mut known = Known::new(64);
    let shared = v4(10, 0, 0, 1);
    known.remember([1; 32], shared, NOW);
    known.remember([2; 32], shared, NOW);
    for n in 0..=255 {
        known.remember([2; 32], v4(10, 0, 1, n), NOW);
    }
    assert!(known.is_known(shared, NOW));
    for n in 0..=255 {
        known.remember([1; 32], v4(10, 0, 2, n), NOW);
    }
    assert!(!known.is_known(shared, NOW));
}

#[test]
fn what_one_key_has_proven_and_nobody_has_taken_over_is_bounded_and_leaves_room_for_others() {
    let (mut table, mut rng) = (table(4, 4), rng(6));
    let mut proves = |key: u8| {
        let (ticket, _) = arrive(&mut table, v4(10, 0, 0, key), &mut rng);
        table.hello_came(ticket, &mut rng).unwrap();
        (ticket, table.prove(ticket, [key; 32], NOW))
    };
    let (first, proven) = proves(1);
    assert_eq!(proven, Ok(()));
    assert_eq!(proves(1).1, Ok(()));
    assert_eq!(proves(1).1, Err(NoPlace));
    for key in [2, 2, 3, 3] {
        assert_eq!(proves(key).1, Ok(()));
    }
    assert_eq!(proves(4).1, Err(NoPlace), "all six are taken");
    table.leave(first);
    let (ticket, _) = arrive(&mut table, v4(10, 0, 0, 4), &mut rng);
    table.hello_came(ticket, &mut rng).unwrap();
    assert_eq!(table.prove(ticket, [4; 32], NOW), Ok(()));
}

#[test]
fn who_was_displaced_or_has_left_goes_no_further() {
    let (mut table, mut rng) = (table(1, 1), rng(7));
    let (one, _) = arrive(&mut table, v4(10, 0, 0, 1), &mut rng);
    let (two, gone) = arrive(&mut table, v4(10, 0, 0, 2), &mut rng);
    let gone = gone.unwrap();
    let stayed = if gone == one { two } else { one };
    assert_eq!(table.hello_came(gone, &mut rng), Err(NoPlace));
    assert_eq!(table.prove(gone, [1; 32], NOW), Err(NoPlace));
    assert_eq!(table.prove(stayed, [1; 32], NOW), Err(NoPlace), "no hello");
    assert_eq!(table.hello_came(stayed, &mut rng), Ok(None));
    assert_eq!(
        table.hello_came(stayed, &mut rng),
        Err(NoPlace),
        "only once"
    );
    table.leave(stayed);
    assert_eq!(table.prove(stayed, [1; 32], NOW), Err(NoPlace));
    table.leave(stayed);
    table.leave(gone);
}

/// What may happen at a listener, with an index among the connections that came.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Arrives(IpAddr),
    HelloComes(usize),
    Proves(usize, u8),
    Leaves(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    // Few prefixes of each length, so that they are shared.
    let addresses = prop_oneof![
        (0..3_u8, 0..3_u8, 0..4_u8).prop_map(|(b, c, d)| v4(10, b, c, d)),
        (0..2_u16, 0..2_u16, 0..3_u16, 0..2_u16).prop_map(|(a, b, c, d)| v6([
            0x2001,
            a,
            b,
            c << 8,
            d,
            0,
            0,
            1
        ])),
    ];
    prop_oneof![
        4 => addresses.prop_map(Happens::Arrives),
        2 => (0..400_usize).prop_map(Happens::HelloComes),
        1 => (0..400_usize, 0..3_u8).prop_map(|(index, key)| Happens::Proves(index, key)),
        1 => (0..400_usize).prop_map(Happens::Leaves),
    ]
}

/// Where a connection is, as told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    BeforeHello,
    Unproven,
    Apart,
    Proven(u8),
    Out,
}

proptest! {
    #[test]
    fn no_room_holds_more_than_its_places_and_who_goes_is_of_its_fullest_prefix(
        before_hello in 1..12_usize,
        unproven in 1..12_usize,
        seed: u64,
        events in prop::collection::vec(happens(), 1..400),
    ) {
        let mut rng = rng(seed);
        let mut table = table(before_hello, unproven);
        let mut came: Vec<(Ticket, IpAddr, Place)> = Vec::new();
        let mut proven_from: Vec<IpAddr> = Vec::new();
        for event in events {
            // Whom the event displaced, and of which room.
            let (gone, room) = match event {
                Happens::Arrives(from) => {
                    let (ticket, gone) = arrive(&mut table, from, &mut rng);
                    let beside = came.iter().filter(|(_, other, place)| {
                        *other == from && *place == Place::Apart
                    });
                    let apart = proven_from.contains(&from) && beside.count() < PLACES_APART;
                    let place = if apart { Place::Apart } else { Place::BeforeHello };
                    came.push((ticket, from, place));
                    (gone, Place::BeforeHello)
                }
                Happens::HelloComes(index) => {
                    let Some((ticket, _, place)) = came.get_mut(index) else { continue };
                    let entered = table.hello_came(*ticket, &mut rng);
                    match place {
                        Place::BeforeHello => *place = Place::Unproven,
                        Place::Apart => prop_assert_eq!(&entered, &Ok(None)),
                        _ => prop_assert_eq!(&entered, &Err(NoPlace)),
                    }
                    (entered.ok().flatten().map(|(ticket, ())| ticket), Place::Unproven)
                }
                Happens::Proves(index, key) => {
                    let all = came.iter().filter(|other| matches!(other.2, Place::Proven(_)));
                    let own = came.iter().filter(|other| other.2 == Place::Proven(key));
                    let fits = all.count() < 6 && own.count() < 2;
                    let Some((ticket, from, place)) = came.get_mut(index) else { continue };
                    let proven = table.prove(*ticket, [key; 32], NOW);
                    if [Place::Unproven, Place::Apart].contains(place) {
                        prop_assert_eq!(proven.is_ok(), fits);
                        *place = if fits { Place::Proven(key) } else { Place::Out };
                        // More addresses than the table remembers: which are known is not asked then.
                        proven_from.push(*from);
                        proven_from.sort();
                        proven_from.dedup();
                        if proven_from.len() > ADDRESSES_PER_KEY_MAX { return Ok(()) }
                    } else {
                        prop_assert_eq!(proven, Err(NoPlace));
                    }
                    (None, Place::Out)
                }
                Happens::Leaves(index) => {
                    let Some((ticket, _, place)) = came.get_mut(index) else { continue };
                    table.leave(*ticket);
                    *place = Place::Out;
                    (None, Place::Out)
                }
            };
            let there: Vec<IpAddr> = came.iter().filter(|other| other.2 == room)
                .map(|(_, from, _)| *from).collect();
            let places = if room == Place::Unproven { unproven } else { before_hello };
            prop_assert_eq!(gone.is_some(), room != Place::Out && there.len() > places);
            if let Some(gone) = gone {
                let gone = came.iter_mut().find(|(ticket, ..)| *ticket == gone).unwrap();
                prop_assert_eq!(gone.2, room, "only who is in the full room goes");
                prop_assert!(is_of_the_fullest(gone.1, &there));
                gone.2 = Place::Out;
            }
        }
    }
}
