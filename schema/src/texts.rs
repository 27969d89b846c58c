//! Many short texts in one allocation: each by itself would take several times of its length.

/// Texts by the numbers under which they were added.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    all: String,
    /// Where each ends in `all`; it starts where the one before ends.
    ends: Vec<u32>,
}

impl Texts {
    /// How many there are, which is the number of the next one.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.ends.len()).expect("a document is below 4 GiB")
    }

    /// Adds a text.
    pub(crate) fn add(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(u32::try_from(self.all.len()).expect("a document is below 4 GiB"));
    }

    /// The text of this number.
    pub(crate) fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.all[start as usize..self.ends[number] as usize]
    }

    /// Gives back the room that was taken for more.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.all.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}
