//! Each operation of the OPRF, per element: a chunk of 4,096 at a time on one core.
//!
//! `cargo bench --bench oprf`. Throughput is in elements, so the time of an element is one over it.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use oprf::{HASH_TO_GROUP, HolderKey, SecretKey, blind, hash_to_group};
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
    group.bench_function("ask (blind)", |bench| bench.iter(|| blind(&inputs, rng)));
    let (_, blinded) = blind(&inputs, rng);
    group.bench_function("answer (evaluate and prove)", |bench| {
        bench.iter(|| {
            key.evaluate(b"bench", &blinded, ELEMENTS, rng)
                .expect("valid elements")
        })
    });
    group.bench_function("verify, unblind and finalize", |bench| {
        bench.iter_batched(
            || {
                let (kept, blinded) = blind(&inputs, &mut UnwrapErr(SysRng));
                let (evaluated, proof) = key
                    .evaluate(b"bench", &blinded, ELEMENTS, &mut UnwrapErr(SysRng))
                    .expect("valid elements");
                (kept, evaluated, proof)
            },
            |(kept, evaluated, proof)| {
                kept.unblind(&inputs, &holder, b"bench", &evaluated, &proof)
                    .expect("an honest holder")
            },
            BatchSize::PerIteration,
        )
    });
    group.finish();
}

criterion_group!(benches, operations);
criterion_main!(benches);
