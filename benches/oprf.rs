//! Each operation of the OPRF, per element: a chunk of 4,096 at a time on one core.
//!
//! `cargo bench --bench oprf`. Throughput is in elements, so the time of an element is one over it.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use oprf::{BlindedBatch, Evaluated, HASH_TO_GROUP, HolderKey, SecretKey, hash_to_group};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;

const ELEMENTS: usize = 4096;

fn operations(criterion: &mut Criterion) {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .expect("the first pool of this process");
    let rng = &mut UnwrapErr(SysRng);
    let inputs: Vec<[u8; 32]> = (0..ELEMENTS as u64)
        .map(|n| {
            let mut input = [0; 32];
            input[..8].copy_from_slice(&n.to_be_bytes());
            input
        })
        .collect();
    let key = SecretKey::generate(rng);
    let holder = HolderKey::new(key.public(), ELEMENTS);

    let mut group = criterion.benchmark_group("oprf");
    group
        .throughput(Throughput::Elements(ELEMENTS as u64))
        .sample_size(10);
    group.bench_function("hash to group", |bench| {
        bench.iter(|| {
            inputs
                .iter()
                .map(|input| hash_to_group(input, &HASH_TO_GROUP))
                .collect::<Vec<_>>()
        })
    });
    group.bench_function("prepare (holder's own tags)", |bench| {
        bench.iter(|| key.tags(&inputs))
    });
    group.bench_function("ask (blind)", |bench| {
        bench.iter(|| BlindedBatch::blind(&inputs, rng))
    });
    let batch = BlindedBatch::blind(&inputs, rng);
    let blinded = batch.sent(0..ELEMENTS);
    group.bench_function("answer (evaluate and prove)", |bench| {
        bench.iter(|| {
            key.evaluate(b"bench", blinded, ELEMENTS, rng)
                .expect("valid elements")
        })
    });
    let (elements, proof) = key
        .evaluate(b"bench", blinded, ELEMENTS, rng)
        .expect("valid elements");
    let evaluated = Evaluated {
        context: b"bench",
        elements: &elements,
        proof: &proof,
    };
    group.bench_function("check (verify and unblind)", |bench| {
        bench.iter(|| {
            batch
                .unblind(0..ELEMENTS, &inputs, &holder, &evaluated)
                .expect("an honest holder")
        })
    });
    group.finish();
}

criterion_group!(benches, operations);
criterion_main!(benches);
