//! The seed of what tests draw at random.

/// A new seed, or the one that `NOTARY_TEST_SEED` asks for again; printed, so that a failed run can
/// be repeated.
pub fn seed() -> u64 {
    let seed = match std::env::var("NOTARY_TEST_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("NOTARY_TEST_SEED={text} is no number")),
        Err(_) => u64::from(std::process::id()) << 32 | u64::from(rand_word()),
    };
    eprintln!("seed: run again with NOTARY_TEST_SEED={seed}");
    seed
}

fn rand_word() -> u32 {
    let random: ring::rand::Random<[u8; 4]> =
        ring::rand::generate(&ring::rand::SystemRandom::new()).expect("the system has randomness");
    u32::from_le_bytes(random.expose())
}
