//! RFC vectors, a second implementation, a naive verifier, and the attack that our batch proof answers.

use super::*;
use curve25519_dalek::traits::Identity;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn hex(value: &Value) -> Vec<u8> {
    hex::decode(
        value
            .as_str()
            .expect("a hex string")
            .trim_start_matches("0x"),
    )
    .expect("hex")
}

fn hexes(value: &Value) -> Vec<Vec<u8>> {
    value
        .as_str()
        .expect("hex strings")
        .split(',')
        .map(|part| hex::decode(part).expect("hex"))
        .collect()
}

fn scalar(bytes: &[u8]) -> Scalar {
    Scalar::from_canonical_bytes(bytes.try_into().expect("32 bytes")).expect("a canonical scalar")
}

fn element(bytes: &[u8]) -> RistrettoPoint {
    decode_element(bytes.try_into().expect("32 bytes"), 0).expect("an element")
}

fn rfc9497(mode: u64) -> Value {
    let file: Value = serde_json::from_str(include_str!(
        "../../../tests/vectors/rfc9497-ristretto255-sha512.json"
    ))
    .unwrap();
    file.as_array()
        .unwrap()
        .iter()
        .find(|suite| suite["mode"] == mode)
        .expect("the mode")
        .clone()
}

/// Blinding as the RFC has it, r·HashToGroup(x), with its unblinding: for tests only.
struct Multiplicative(Scalar);

impl Multiplicative {
    fn blind(&self, input: &[u8], dst: &Dst) -> RistrettoPoint {
        self.0 * hash_to_group(input, dst)
    }

    fn finalize(&self, input: &[u8], evaluated: &RistrettoPoint) -> [u8; 64] {
        finalize(input, (self.0.invert() * evaluated).compress().as_bytes())
    }
}

#[test]
fn expansion_agrees_with_rfc_9380() {
    let file: Value = serde_json::from_str(include_str!(
        "../../../tests/vectors/rfc9380-expand-message-xmd-sha512.json"
    ))
    .unwrap();
    let tests = file["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 10, "the RFC gives ten");
    let dst = Dst::new(file["DST"].as_str().unwrap().as_bytes());
    for test in tests {
        let length = usize::from_str_radix(
            test["len_in_bytes"]
                .as_str()
                .unwrap()
                .trim_start_matches("0x"),
            16,
        )
        .unwrap();
        let mut out = vec![0u8; length];
        expand_message_xmd(test["msg"].as_str().unwrap().as_bytes(), &dst, &mut out);
        assert_eq!(out, hex(&test["uniform_bytes"]));
    }
}

/// RFC 9497 appendices A.1.1 and A.1.2: BlindedElement (and with it HashToGroup), EvaluationElement and Output.
#[test]
fn blinding_evaluation_and_output_agree_with_rfc_9497() {
    let mut inputs_checked = 0;
    for mode in [0, 1] {
        let suite = rfc9497(mode);
        let dst = Dst::new(&hex(&suite["groupDST"]));
        let key = scalar(&hex(&suite["skSm"]));
        if mode == 1 {
            assert_eq!(
                SecretKey::from_scalar(key).public().encoded().to_vec(),
                hex(&suite["pkSm"])
            );
        }
        for vector in suite["vectors"].as_array().unwrap() {
            let inputs = hexes(&vector["Input"]);
            let blinds = hexes(&vector["Blind"]);
            let blinded = hexes(&vector["BlindedElement"]);
            let evaluated = hexes(&vector["EvaluationElement"]);
            let outputs = hexes(&vector["Output"]);
            assert_eq!(inputs.len() as u64, vector["Batch"].as_u64().unwrap());

            let (ours, _) = SecretKey::from_scalar(key)
                .evaluate(b"", &blinded.concat(), inputs.len(), &mut rng(0))
                .expect("the RFC's elements are valid");
            assert_eq!(ours, evaluated.concat());
            for i in 0..inputs.len() {
                let blind = Multiplicative(scalar(&blinds[i]));
                assert_eq!(
                    blind
                        .blind(&inputs[i], &dst)
                        .compress()
                        .as_bytes()
                        .as_slice(),
                    blinded[i]
                );
                assert_eq!(
                    blind
                        .finalize(&inputs[i], &element(&evaluated[i]))
                        .as_slice(),
                    outputs[i]
                );
                inputs_checked += 1;
            }
        }
    }
    assert_eq!(
        inputs_checked,
        2 + 4,
        "two inputs in OPRF mode, four in VOPRF mode"
    );
}

/// The same outputs, with the RFC's key over four, through our own two ways to a tag.
#[test]
fn tags_agree_with_rfc_9497_whichever_way_the_input_was_blinded() {
    let suite = rfc9497(1);
    let vectors = suite["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 3, "the RFC gives three");
    let key = SecretKey::from_scalar(scalar(&hex(&suite["skSm"])).div_by_2().div_by_2());
    for vector in vectors {
        let inputs = hexes(&vector["Input"]);
        let expected: Vec<Vec<u8>> = hexes(&vector["Output"])
            .iter()
            .map(|o| o[..16].to_vec())
            .collect();

        let prepared: Vec<_> = key.tags(&inputs).iter().map(|tag| tag.0.to_vec()).collect();
        assert_eq!(prepared, expected);
        let asked: Vec<_> = ask(&key, &inputs, 1)
            .iter()
            .map(|tag| tag.0.to_vec())
            .collect();
        assert_eq!(asked, expected);
    }
}

/// One whole exchange of a batch, with randomness from `seed`.
fn ask<I: AsRef<[u8]> + Sync>(key: &SecretKey, inputs: &[I], seed: u64) -> Vec<Tag> {
    let (kept, blinded) = blind(inputs, &mut rng(seed));
    let (evaluated, proof) = key
        .evaluate(b"test", &blinded, inputs.len(), &mut rng(seed + 1))
        .unwrap();
    let holder = HolderKey::new(key.public(), inputs.len());
    unblind(&kept, inputs, &holder, b"test", &evaluated, &proof).unwrap()
}

/// Blinds a batch; also what is sent of it.
fn blind<I: AsRef<[u8]> + Sync>(inputs: &[I], rng: &mut ChaCha20Rng) -> (BlindedBatch, Vec<u8>) {
    let batch = BlindedBatch::blind(inputs, rng);
    let sent = batch.sent(0..inputs.len()).to_vec();
    (batch, sent)
}

fn unblind<I: AsRef<[u8]> + Sync>(
    batch: &BlindedBatch,
    inputs: &[I],
    holder: &HolderKey,
    context: &[u8],
    elements: &[u8],
    proof: &Proof,
) -> Result<Vec<Tag>, Error> {
    let evaluated = Evaluated {
        context,
        elements,
        proof,
    };
    batch.unblind(0..batch.elements(), inputs, holder, &evaluated)
}

/// A second opinion: the `voprf` crate, for random keys, inputs and blinds.
#[test]
fn evaluation_and_output_agree_with_the_voprf_crate() {
    use voprf::{BlindedElement, OprfClient, OprfServer, Ristretto255, VoprfServer};
    let mut rng = rng(7);
    for length in 0..40usize {
        let mut seed = [0u8; 32];
        rng.fill_bytes(&mut seed);
        let theirs = VoprfServer::<Ristretto255>::new_from_seed(&seed, b"tacit").unwrap();
        // The serialised server is its key, then the public key.
        let key = scalar(&theirs.serialize()[..32]);
        let mut input = vec![0u8; length];
        rng.fill_bytes(&mut input);

        // Finalize under the whole key: theirs in one step, ours with the key over four.
        let output = theirs.evaluate(&input).unwrap();
        let quarter = SecretKey::from_scalar(key.div_by_2().div_by_2());
        assert_eq!(ask(&quarter, &[&input], length as u64)[0].0, output[..16]);
        assert_eq!(quarter.tags(&[&input])[0].0, output[..16]);

        // Evaluation of their client's own blinded element.
        let server = OprfServer::<Ristretto255>::new_with_key(&theirs.serialize()[..32]).unwrap();
        let client = OprfClient::<Ristretto255>::deterministic_blind_unchecked(
            &input,
            voprf_scalar(&random_scalar(&mut rng)),
        )
        .unwrap();
        let blinded = client.message.serialize().to_vec();
        let expected = server
            .blind_evaluate(&BlindedElement::deserialize(&blinded).unwrap())
            .serialize()
            .to_vec();
        let (ours, _) = SecretKey::from_scalar(key)
            .evaluate(b"", &blinded, 1, &mut rng)
            .unwrap();
        assert_eq!(ours, expected);
    }
}

/// The `voprf` crate sits on another release of curve25519-dalek: scalars pass as bytes.
fn voprf_scalar(scalar: &Scalar) -> <voprf::Ristretto255 as voprf::Group>::Scalar {
    <voprf::Ristretto255 as voprf::Group>::deserialize_scalar(scalar.as_bytes()).unwrap()
}

/// What `unblind` checks, by the definition: element by element, every sum written out.
fn naive_verify(
    context: &[u8],
    key: &PublicKey,
    blinded: &[u8],
    evaluated: &[u8],
    proof: &Proof,
) -> bool {
    use sha2::{Digest, Sha512};
    let count = (blinded.len() / 32) as u64;
    let mut seed = Sha512::new();
    seed.update(b"tacit/v1/batch-seed");
    seed.update((context.len() as u32).to_be_bytes());
    seed.update(context);
    seed.update(key.encoded());
    seed.update(count.to_be_bytes());
    seed.update(blinded);
    seed.update(evaluated);
    let seed = seed.finalize();
    let (mut m, mut z) = (RistrettoPoint::identity(), RistrettoPoint::identity());
    for i in 0..count as usize {
        let hash = Sha512::new()
            .chain_update(seed)
            .chain_update((i as u32).to_be_bytes())
            .finalize();
        let mut d = [0u8; 32];
        d[..16].copy_from_slice(&hash[..16]);
        let d = scalar(&d);
        m += d * element(&blinded[32 * i..][..32]);
        z += d * element(&evaluated[32 * i..][..32]);
    }
    let encoded = proof.encode();
    let (c, s) = (scalar(&encoded[..32]), scalar(&encoded[32..]));
    let t2 =
        s * curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT + c * element(key.encoded());
    let t3 = s * m + c * z;
    let mut hash = Sha512::new();
    hash.update(b"tacit/v1/challenge");
    for part in [b"tacit/v1/batch".as_slice(), context] {
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    hash.update(key.encoded());
    for point in [m, z, t2, t3] {
        hash.update(point.compress().as_bytes());
    }
    c == Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

#[test]
fn the_batch_proof_satisfies_a_naive_verifier() {
    for count in [1usize, 2, 255, 256, 257, 700] {
        let key = SecretKey::generate(&mut rng(count as u64));
        let inputs: Vec<[u8; 8]> = (0..count as u64).map(u64::to_be_bytes).collect();
        let (_, blinded) = blind(&inputs, &mut rng(1));
        let (evaluated, proof) = key
            .evaluate(b"context", &blinded, count, &mut rng(2))
            .unwrap();
        assert!(naive_verify(
            b"context",
            &key.public(),
            &blinded,
            &evaluated,
            &proof
        ));
        assert!(!naive_verify(
            b"another",
            &key.public(),
            &blinded,
            &evaluated,
            &proof
        ));
    }
}

#[test]
fn one_wrong_evaluation_anywhere_fails_the_proof() {
    let key = SecretKey::generate(&mut rng(3));
    let inputs: Vec<[u8; 8]> = (0..300u64).map(u64::to_be_bytes).collect();
    for wrong in [0, 1, 255, 256, 299] {
        let (kept, blinded) = blind(&inputs, &mut rng(4));
        let (mut evaluated, proof) = key
            .evaluate(b"c", &blinded, inputs.len(), &mut rng(5))
            .unwrap();
        let other =
            element(&evaluated[32 * wrong..][..32]) + RistrettoPoint::mul_base(&Scalar::ONE);
        evaluated[32 * wrong..][..32].copy_from_slice(other.compress().as_bytes());
        assert!(!naive_verify(
            b"c",
            &key.public(),
            &blinded,
            &evaluated,
            &proof
        ));
        let holder = HolderKey::new(key.public(), inputs.len());
        let refused = unblind(&kept, &inputs, &holder, b"c", &evaluated, &proof).err();
        assert_eq!(refused, Some(Error::WrongProof));
    }
}

#[test]
fn a_proof_under_another_key_or_context_is_refused() {
    let (key, other) = (
        SecretKey::generate(&mut rng(1)),
        SecretKey::generate(&mut rng(2)),
    );
    let inputs = [b"input"];
    for (prover, context, expected) in [
        (&key, b"here", None),
        (&other, b"here", Some(Error::WrongProof)),
        (&key, b"else", Some(Error::WrongProof)),
    ] {
        let (kept, blinded) = blind(&inputs, &mut rng(3));
        let (evaluated, proof) = prover.evaluate(context, &blinded, 1, &mut rng(4)).unwrap();
        let holder = HolderKey::new(key.public(), 1);
        assert_eq!(
            unblind(&kept, &inputs, &holder, b"here", &evaluated, &proof).err(),
            expected
        );
    }
}

#[test]
fn bad_encodings_are_refused_with_their_position() {
    let key = SecretKey::generate(&mut rng(1));
    let inputs: Vec<[u8; 8]> = (0..600u64).map(u64::to_be_bytes).collect();
    let (_, blinded) = blind(&inputs, &mut rng(2));
    let evaluate = |bytes: &[u8], count| key.evaluate(b"", bytes, count, &mut rng(3)).err();
    let with = |position: usize, bytes: [u8; 32]| {
        let mut bad = blinded.clone();
        bad[32 * position..][..32].copy_from_slice(&bytes);
        bad
    };
    // RFC 9496 appendix A.3: p - 1 + 1 as a non-canonical field element, a negative one, no square.
    let non_canonical = [0xff; 32];
    let mut negative = [0u8; 32];
    negative[0] = 1;
    for position in [0, 256, 599] {
        assert_eq!(
            evaluate(&with(position, [0; 32]), 600),
            Some(Error::Identity { position })
        );
        assert_eq!(
            evaluate(&with(position, non_canonical), 600),
            Some(Error::NotCanonical { position })
        );
        assert_eq!(
            evaluate(&with(position, negative), 600),
            Some(Error::NotCanonical { position })
        );
    }
    assert_eq!(
        evaluate(&blinded, 599),
        Some(Error::Length {
            found: 19200,
            expected: 19168
        })
    );
    assert_eq!(
        evaluate(&blinded[..19199], 600),
        Some(Error::Length {
            found: 19199,
            expected: 19200
        })
    );
}

#[test]
fn a_proof_with_a_scalar_above_the_group_order_is_refused() {
    let proof = SecretKey::generate(&mut rng(1))
        .prove_knowledge(b"", &mut rng(2))
        .encode();
    assert!(Proof::decode(&proof).is_ok());
    for half in [0, 32] {
        let mut bad = proof;
        bad[half..half + 32].fill(0xff);
        assert_eq!(Proof::decode(&bad).err(), Some(Error::ScalarNotCanonical));
    }
}

#[test]
fn knowledge_and_equality_proofs_hold_for_their_statement_only() {
    let rng = &mut rng(9);
    let secret = random_scalar(rng);
    let public = PublicKey::from_point(RistrettoPoint::mul_base(&secret));
    let other = PublicKey::from_point(RistrettoPoint::random(rng));
    let proof = proof::prove_knowledge(b"me", &secret, rng);
    assert_eq!(public.verify_knowledge(b"me", &proof), Ok(()));
    assert_eq!(
        public.verify_knowledge(b"you", &proof),
        Err(Error::WrongProof)
    );
    assert_eq!(
        other.verify_knowledge(b"me", &proof),
        Err(Error::WrongProof)
    );

    let base = RistrettoPoint::random(rng);
    let image = secret * base;
    let proof = proof::prove_equality(proof::RELEASE, b"me", &secret, &base, rng);
    let verify = |label, context: &[u8], public, base, image| {
        proof::verify_equality(label, context, public, base, image, &proof)
    };
    assert_eq!(
        verify(proof::RELEASE, b"me", &public, &base, &image),
        Ok(())
    );
    assert_eq!(
        verify(proof::BATCH, b"me", &public, &base, &image),
        Err(Error::WrongProof)
    );
    assert_eq!(
        verify(proof::RELEASE, b"you", &public, &base, &image),
        Err(Error::WrongProof)
    );
    assert_eq!(
        verify(proof::RELEASE, b"me", &other, &base, &image),
        Err(Error::WrongProof)
    );
    assert_eq!(
        verify(proof::RELEASE, b"me", &public, &image, &image),
        Err(Error::WrongProof)
    );
    assert_eq!(
        verify(proof::RELEASE, b"me", &public, &base, &base),
        Err(Error::WrongProof)
    );
}

/// Blinding hides: nothing sent tells that two inputs are one, or what an input is.
#[test]
fn every_blinded_element_is_fresh_and_none_is_the_bare_hash() {
    let inputs = [b"same", b"same", b"same"];
    let mut seen = std::collections::HashSet::new();
    for seed in 0..4 {
        let (_, blinded) = blind(&inputs, &mut rng(seed));
        for element in blinded.chunks(32) {
            assert!(seen.insert(element.to_vec()), "an encoding came twice");
        }
    }
    let bare = hash_to_group(b"same", &HASH_TO_GROUP);
    for multiple in [bare, bare + bare, bare + bare + bare + bare] {
        assert!(!seen.contains(multiple.compress().as_bytes().as_slice()));
    }
}

/// Two statements proven with one secret never share a nonce, even from a generator that repeats itself.
#[test]
fn a_stuck_random_generator_does_not_give_the_key_away() {
    let secret = random_scalar(&mut rng(1));
    let first = proof::prove_knowledge(b"first", &secret, &mut rng(2)).encode();
    let second = proof::prove_knowledge(b"second", &secret, &mut rng(2)).encode();
    // With one nonce r in both: x = (s1 - s2) / (c2 - c1).
    let [c1, s1, c2, s2] = [&first[..32], &first[32..], &second[..32], &second[32..]].map(scalar);
    assert_ne!((s1 - s2) * (c2 - c1).invert(), secret);
}

/// Why the RFC's batch proof is not used.
///
/// Both verifiers here take 16-bit coefficients, so that the attack takes a moment instead of
/// minutes: with two pairs the RFC's form falls to two lists of 2¹⁴ candidate errors, each hashed
/// *on its own*, and any two whose weighted errors cancel. Ours, weakened just as much, refuses what
/// the attack finds, because one changed pair changes both coefficients.
#[test]
fn a_k_list_attack_forges_the_proof_of_the_rfc_and_not_ours() {
    use sha2::{Digest, Sha512};
    use std::collections::HashMap;
    let rng = &mut rng(11);
    let key = random_scalar(rng);
    let public = PublicKey::from_point(RistrettoPoint::mul_base(&key));
    let blinded: [RistrettoPoint; 2] = [RistrettoPoint::random(rng), RistrettoPoint::random(rng)];
    let error = RistrettoPoint::random(rng);

    // > compositeInputs: seed, i, C_i, D_i: one pair alone
    let rfc_coefficient = |i: usize, evaluated: &RistrettoPoint| {
        let mut hash = Sha512::new();
        hash.update(public.encoded());
        hash.update([i as u8]);
        hash.update(blinded[i].compress().as_bytes());
        hash.update(evaluated.compress().as_bytes());
        let hash = hash.finalize();
        u16::from_le_bytes([hash[0], hash[1]])
    };
    let our_coefficient = |i: usize, evaluated: &[RistrettoPoint; 2]| {
        let bytes = |points: &[RistrettoPoint; 2]| points.map(|p| p.compress().to_bytes()).concat();
        let seed = proof::batch_seed(b"toy", &public, &bytes(&blinded), &bytes(evaluated));
        let hash = Sha512::new()
            .chain_update(seed)
            .chain_update((i as u32).to_be_bytes())
            .finalize();
        u16::from_le_bytes([hash[0], hash[1]])
    };

    // D_0 = k·B_0 + a·E and D_1 = k·B_1 − b·E pass when d_0·a = d_1·b.
    let mut first = HashMap::new();
    for a in 1u64..1 << 14 {
        let evaluated = key * blinded[0] + Scalar::from(a) * error;
        first.insert(u64::from(rfc_coefficient(0, &evaluated)) * a, evaluated);
    }
    let forged = (1u64..1 << 14)
        .find_map(|b| {
            let evaluated = key * blinded[1] - Scalar::from(b) * error;
            let partner = first.get(&(u64::from(rfc_coefficient(1, &evaluated)) * b))?;
            Some([*partner, evaluated])
        })
        .expect("two lists of 2^14 hold a pair that cancels");

    let accepts = |coefficients: [u16; 2]| {
        let sum = |points: &[RistrettoPoint; 2]| {
            Scalar::from(coefficients[0]) * points[0] + Scalar::from(coefficients[1]) * points[1]
        };
        let (m, z) = (sum(&blinded), sum(&forged));
        let proof = proof::prove_equality(
            proof::BATCH,
            b"toy",
            &key,
            &m,
            &mut rand_chacha::ChaCha20Rng::seed_from_u64(1),
        );
        proof::verify_equality(proof::BATCH, b"toy", &public, &m, &z, &proof).is_ok()
    };
    assert_ne!(forged[0], key * blinded[0], "the first evaluation is wrong");
    assert_ne!(forged[1], key * blinded[1], "and so is the second");
    assert!(
        accepts([
            rfc_coefficient(0, &forged[0]),
            rfc_coefficient(1, &forged[1])
        ]),
        "the RFC's form accepts both"
    );
    assert!(
        !accepts([our_coefficient(0, &forged), our_coefficient(1, &forged)]),
        "ours does not"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_requester_and_the_holder_come_to_the_same_tags(seed: u64, inputs in prop::collection::vec(any::<[u8; 32]>(), 1..600)) {
        let key = SecretKey::generate(&mut rng(seed));
        prop_assert!(ask(&key, &inputs, seed ^ 1) == key.tags(&inputs));
    }

    #[test]
    fn no_bytes_of_a_peer_panic(seed: u64, bytes in prop::collection::vec(any::<u8>(), 0..200), proof: [u8; 32], count in 0usize..8) {
        let key = SecretKey::generate(&mut rng(seed));
        let _ = key.evaluate(b"", &bytes, count, &mut rng(1));
        let inputs = [[0u8; 4]; 3];
        let (kept, _) = blind(&inputs, &mut rng(2));
        let holder = HolderKey::new(key.public(), 3);
        let wide = [proof, proof].concat();
        if let Ok(proof) = Proof::decode(wide.as_slice().try_into().unwrap()) {
            prop_assert!(unblind(&kept, &inputs, &holder, b"", &bytes, &proof).is_err());
        }
    }
}

/// What a requester does with a set that is kept, changed and asked in chunks.
#[test]
fn a_batch_that_was_kept_and_changed_gives_the_tags_of_its_inputs_chunk_by_chunk() {
    let key = SecretKey::generate(&mut rng(1));
    let mut inputs: Vec<[u8; 32]> = (0..300u32)
        .map(|i| [i as u8 ^ (i >> 8) as u8 | 1; 32])
        .collect();
    let mut batch = BlindedBatch::blind(&inputs, &mut rng(2));
    let before = batch.sent(0..300).to_vec();
    inputs[7] = [200; 32];
    batch.replace(7, &inputs[7], &mut rng(3));
    let changed: Vec<usize> = (0..300)
        .filter(|&i| batch.sent(i..i + 1) != &before[32 * i..32 * (i + 1)])
        .collect();
    assert_eq!(changed, [7]);
    let mut kept = Vec::new();
    batch
        .encode(|part| {
            kept.extend_from_slice(part);
            Ok::<(), ()>(())
        })
        .unwrap();
    assert_eq!(kept.len(), 300 * BlindedBatch::KEPT_BYTES);
    assert!(BlindedBatch::decode(&kept[1..]).is_none());
    let batch = BlindedBatch::decode(&kept).unwrap();
    assert_eq!(batch.elements(), 300);
    let holder = HolderKey::new(key.public(), 300);
    for range in [0..128, 128..300] {
        let sent = batch.sent(range.clone());
        let (elements, proof) = key.evaluate(b"c", sent, range.len(), &mut rng(4)).unwrap();
        let evaluated = Evaluated {
            context: b"c",
            elements: &elements,
            proof: &proof,
        };
        let own = &inputs[range.clone()];
        let tags = batch.unblind(range, own, &holder, &evaluated).unwrap();
        assert!(tags == key.tags(own));
    }
}
