//! The passphrase cipher: seals 32 secret bytes under a passphrase.
//!
//! By [`sealing`], under 32 bytes of Argon2id (RFC 9106, version 0x13) of passphrase and salt. The salt
//! is fresh for every `PassphraseCipher`, so that a key seals once; the place is the caller's context. What it costs to try a passphrase stands beside the salt, as `argon2id m=… t=… p=…
//! salt=…`: `m` in KiB, numbers in decimal, the salt in hexadecimal.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand_core::CryptoRng;
use sealing::{KEY_BYTES, Nonce, SealingKey, TAG_BYTES};
use zeroize::{Zeroize, Zeroizing};

use super::error::{Error, KeyFault};
use super::passphrase::Passphrase;

/// The secret and 16 bytes of tag.
pub(super) const SEALED_BYTES: usize = 32 + TAG_BYTES;

/// What it costs to try one passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Cost {
    /// RFC 9106 §4, second recommended option, but one lane, because one thread computes it.
    pub const DEFAULT: Self = Self {
        kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };

    /// The least that Argon2 allows; it protects nothing, and makes tests quick.
    pub const LEAST: Self = Self {
        kib: 8,
        passes: 1,
        lanes: 1,
    };
}

/// The most that a file may ask for: 1 GiB, and about a minute.
const COST_MAX: (u32, u32, u32) = (1024 * 1024, 16, 16);

/// How the key of one sealed secret comes from a passphrase.
pub(super) struct PassphraseCipher {
    cost: Params,
    salt: [u8; 16],
}

impl PassphraseCipher {
    /// A cipher at the default cost.
    pub(super) fn draw(rng: &mut impl CryptoRng) -> Self {
        Self::draw_at(Cost::DEFAULT, rng).expect("the default is within the bounds")
    }

    /// A cipher at a cost of one's choice.
    ///
    /// # Errors
    ///
    /// [`KeyFault::CostOutOfBounds`].
    pub(super) fn draw_at(
        Cost { kib, passes, lanes }: Cost,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, KeyFault> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        Ok(Self {
            cost: cost((kib, passes, lanes))?,
            salt,
        })
    }

    /// Reads what `Display` writes, and only that.
    ///
    /// # Errors
    ///
    /// [`KeyFault::CostOutOfBounds`] before anything is allocated; [`KeyFault::Damaged`].
    pub(super) fn parse(text: &str) -> Result<Self, KeyFault> {
        let (numbers, salt) = split(text).ok_or(KeyFault::Damaged)?;
        let cost = cost(numbers)?;
        let cipher = Self { cost, salt };
        match cipher.to_string() == text {
            true => Ok(cipher),
            false => Err(KeyFault::Damaged),
        }
    }

    /// Seals `secret`, bound to `context`; once for each cipher.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`].
    pub(super) fn seal(
        &self,
        secret: &[u8; 32],
        passphrase: &Passphrase,
        context: &str,
    ) -> Result<[u8; SEALED_BYTES], Error> {
        let key = self.key(passphrase)?;
        // Ciphertext once it returns; before that nothing here can fail or unwind.
        let mut sealed = [0; SEALED_BYTES];
        let (text, tag) = sealed.split_at_mut(32);
        text.copy_from_slice(secret);
        tag.copy_from_slice(&key.seal_in_place(Nonce::ONCE, context.as_bytes(), text));
        Ok(sealed)
    }

    /// Opens what was sealed; `None` for another passphrase, context, cost, salt or content.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`].
    pub(super) fn open(
        &self,
        sealed: &[u8; SEALED_BYTES],
        passphrase: &Passphrase,
        context: &str,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, Error> {
        let mut opened = Zeroizing::new(*sealed);
        let key = self.key(passphrase)?;
        let text = key.open_in_place(Nonce::ONCE, context.as_bytes(), opened.as_mut());
        Ok(text.map(|text| {
            let mut secret = Zeroizing::new([0; 32]);
            secret.copy_from_slice(text);
            secret
        }))
    }

    /// Argon2id of the passphrase; its memory is wiped before it is given back.
    fn key(&self, passphrase: &Passphrase) -> Result<SealingKey, Error> {
        let kib = self.cost.m_cost();
        let mut memory: Vec<Block> = Vec::new();
        memory
            .try_reserve_exact(self.cost.block_count())
            .map_err(|_| Error::OutOfMemory { kib })?;
        memory.resize(self.cost.block_count(), Block::new());
        let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.cost.clone());
        let derived = argon2.hash_password_into_with_memory(
            passphrase.as_bytes(),
            &self.salt,
            key.as_mut_slice(),
            &mut memory,
        );
        memory.zeroize();
        derived.expect("salt, passphrase and output have lengths Argon2 allows");
        Ok(SealingKey::new(key))
    }
}

impl fmt::Display for PassphraseCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kib, passes, lanes) = (self.cost.m_cost(), self.cost.t_cost(), self.cost.p_cost());
        let salt = hex::encode(self.salt);
        write!(f, "argon2id m={kib} t={passes} p={lanes} salt={salt}")
    }
}

/// Takes the text apart, loosely: the caller compares what it would write.
fn split(text: &str) -> Option<((u32, u32, u32), [u8; 16])> {
    let rest = text.strip_prefix("argon2id m=")?;
    let (kib, rest) = rest.split_once(" t=")?;
    let (passes, rest) = rest.split_once(" p=")?;
    let (lanes, digits) = rest.split_once(" salt=")?;
    let mut salt = [0; 16];
    hex::decode_to_slice(digits, &mut salt).ok()?;
    let numbers = (kib.parse().ok()?, passes.parse().ok()?, lanes.parse().ok()?);
    Some((numbers, salt))
}

fn cost((kib, passes, lanes): (u32, u32, u32)) -> Result<Params, KeyFault> {
    let out_of_bounds = KeyFault::CostOutOfBounds { kib, passes, lanes };
    if kib > COST_MAX.0 || passes > COST_MAX.1 || lanes > COST_MAX.2 {
        return Err(out_of_bounds);
    }
    Params::new(kib, passes, lanes, Some(32)).map_err(|_| out_of_bounds)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const CHEAP: &str = "argon2id m=8 t=1 p=1 salt=09090909090909090909090909090909";

    fn fault(text: &str) -> KeyFault {
        PassphraseCipher::parse(text).err().expect("refused")
    }

    #[test]
    fn what_was_sealed_opens_with_the_same_passphrase_and_context_alone() {
        let cipher = PassphraseCipher::parse(CHEAP).unwrap();
        let right = Passphrase::new("correct horse").unwrap();
        let wrong = Passphrase::new("correct horsf").unwrap();
        let sealed = cipher.seal(&[7; 32], &right, "context").unwrap();
        let opened = |passphrase, context| cipher.open(&sealed, passphrase, context).unwrap();
        assert_eq!(*opened(&right, "context").unwrap(), [7; 32]);
        assert!(opened(&wrong, "context").is_none());
        assert!(opened(&right, "contexT").is_none());
        for i in 0..SEALED_BYTES {
            let mut altered = sealed;
            altered[i] ^= 1;
            assert!(cipher.open(&altered, &right, "context").unwrap().is_none());
        }
    }

    #[test]
    fn the_default_cost_is_that_of_rfc_9106_and_each_salt_is_new() {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let (one, two) = (
            PassphraseCipher::draw(&mut rng),
            PassphraseCipher::draw(&mut rng),
        );
        assert!(
            one.to_string()
                .starts_with("argon2id m=65536 t=3 p=1 salt=")
        );
        assert_ne!(one.salt, two.salt);
    }

    #[test]
    fn costs_are_bounded() {
        for (from, to, bounds) in [
            ("m=8", "m=4294967295", (u32::MAX, 1, 1)),
            ("m=8", "m=1048577", (1_048_577, 1, 1)),
            ("m=8", "m=7", (7, 1, 1)),
            ("t=1", "t=17", (8, 17, 1)),
            ("t=1", "t=0", (8, 0, 1)),
            ("p=1", "p=4294967295", (8, 1, u32::MAX)),
            ("p=1", "p=0", (8, 1, 0)),
        ] {
            let (kib, passes, lanes) = bounds;
            let refused = fault(&CHEAP.replacen(from, to, 1));
            assert_eq!(refused, KeyFault::CostOutOfBounds { kib, passes, lanes });
        }
        assert!(
            PassphraseCipher::parse(&CHEAP.replacen("m=8 t=1 p=1", "m=1048576 t=16 p=16", 1))
                .is_ok()
        );
    }

    #[test]
    fn what_could_be_written_in_two_ways_is_read_in_one() {
        for (from, to) in [
            ("m=8", "m=08"),
            ("m=8", "m=+8"),
            ("m=8", "m=4294967296"),
            ("salt=0", "salt= 0"),
            ("salt=09", "salt=0"),
            ("argon2id", "argon2i"),
            (" t=1", "  t=1"),
        ] {
            assert_eq!(fault(&CHEAP.replacen(from, to, 1)), KeyFault::Damaged);
        }
        let letters = CHEAP.replace("09", "ab");
        assert!(PassphraseCipher::parse(&letters).is_ok());
        assert_eq!(fault(&letters.replace("ab", "AB")), KeyFault::Damaged);
        assert_eq!(fault(&format!("{CHEAP}\n")), KeyFault::Damaged);
    }
}
