//! The seed of what tests draw at random.

/// A new seed, or the one that `NOTARY_TEST_SEED` asks for again; printed, so that a failed run can
/// be repeated.
pub fn seed() -> u64 {
    told(
        asked_for().unwrap_or_else(|| u64::from(std::process::id()) << 32 | u64::from(rand_word())),
    )
}

/// The same seed in every run, unless `NOTARY_TEST_SEED` asks for another: where what is drawn decides
/// whether a test passes.
pub fn usual_seed() -> u64 {
    told(asked_for().unwrap_or(1))
}

fn asked_for() -> Option<u64> {
    let text = std::env::var("NOTARY_TEST_SEED").ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("NOTARY_TEST_SEED={text} is no number")))
}

fn told(seed: u64) -> u64 {
    eprintln!("seed: run again with NOTARY_TEST_SEED={seed}");
    seed
}

/// Numbers that follow from a seed (SplitMix64): enough to spread events, and nothing else.
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number, from 0 to `end - 1`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Whether something happens that does in so many of a hundred cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A position in a list of so many items.
    pub fn index(&mut self, items: usize) -> usize {
        usize::try_from(self.below(items as u64)).expect("below a length")
    }

    /// One of some items.
    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }
}

fn rand_word() -> u32 {
    let random: ring::rand::Random<[u8; 4]> =
        ring::rand::generate(&ring::rand::SystemRandom::new()).expect("the system has randomness");
    u32::from_le_bytes(random.expose())
}
