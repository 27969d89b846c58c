//! An input read as a row of choices; past its end every choice is the first.

pub(super) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(super) fn new(data: &'a [u8]) -> Choices<'a> {
        Choices(data)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// A number below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.byte() as usize % count
    }

    pub(super) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    /// Up to so many bytes as they stand.
    pub(super) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A file with some bytes changed, inserted or cut off; mostly none.
    pub(super) fn damage(&mut self, mut file: Vec<u8>) -> Vec<u8> {
        if self.below(4) != 3 || file.is_empty() {
            return file;
        }
        let at = usize::from(self.byte()) << 8 | usize::from(self.byte());
        let at = at % file.len();
        match self.below(4) {
            0 => file[at] = self.byte(),
            1 => file.insert(at, self.byte()),
            2 => drop(file.remove(at)),
            _ => file.truncate(at),
        }
        file
    }
}
