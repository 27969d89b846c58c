//! Path patterns, against a plain reading of Python's `fnmatch`: one pattern, a line feed, one name.
//! The engine's time limit for one input is what stands for "linear".

use notary_schema::path::{Candidate, HashPrefixes, PathPattern, PathSet};

/// Above this the plain reading is too slow to compare with.
const COMPARED_BYTES: usize = 256;

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((pattern, name)) = text.split_once('\n') else { return };
    let set = PathSet::Paths(vec![PathPattern::new(pattern)]);
    let covered = set.covers(&Candidate::new(name));
    if text.len() <= COMPARED_BYTES {
        assert_eq!(covered, matches(pattern, name), "{pattern:?} against {name:?}");
    }
    if set.check_publishable().is_ok() {
        assert!(!pattern.contains(['[', ']', '\\']) && !pattern.contains("**"));
    }
    let prefixes = PathSet::HashPrefixes(HashPrefixes::new([pattern]));
    let covered = prefixes.covers(&Candidate::new(name));
    assert!(!covered || pattern.len() <= 64 && !pattern.contains(|c: char| c >= 'g'));
}

fn matches(pattern: &str, name: &str) -> bool {
    let (patterns, segments) = (pattern.split('/'), name.split('/'));
    patterns.clone().count() == segments.clone().count()
        && patterns.zip(segments).all(|(pattern, segment)| {
            let pattern: Vec<char> = pattern.chars().collect();
            let segment: Vec<char> = segment.chars().collect();
            matches_segment(&tokens(&pattern), &segment)
        })
}

enum Token {
    Star,
    Any,
    Literal(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// A table of which prefixes match: no backtracking to get wrong.
fn matches_segment(tokens: &[Token], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for token in tokens {
        let before = reached.clone();
        for at in 0..=text.len() {
            reached[at] = match token {
                Token::Star => before[at] || at > 0 && reached[at - 1],
                one => at > 0 && before[at - 1] && matches_one(one, text[at - 1]),
            };
        }
    }
    reached[text.len()]
}

fn matches_one(token: &Token, c: char) -> bool {
    match token {
        Token::Star | Token::Any => true,
        Token::Literal(literal) => *literal == c,
        Token::Set { negated, ranges } => {
            ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
        }
    }
}

/// `fnmatch.translate` of CPython, step by step.
fn tokens(pattern: &[char]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < pattern.len() {
        let c = pattern[at];
        at += 1;
        match c {
            '*' => tokens.push(Token::Star),
            '?' => tokens.push(Token::Any),
            '[' => {
                let mut end = at;
                end += usize::from(pattern.get(end) == Some(&'!'));
                end += usize::from(pattern.get(end) == Some(&']'));
                while end < pattern.len() && pattern[end] != ']' {
                    end += 1;
                }
                if end < pattern.len() {
                    tokens.push(set(&pattern[at..end]));
                    at = end + 1;
                } else {
                    tokens.push(Token::Literal('['));
                }
            }
            literal => tokens.push(Token::Literal(literal)),
        }
    }
    tokens
}

fn set(inside: &[char]) -> Token {
    let negated = inside[0] == '!';
    let mut chunks = chunks(inside, if negated { 2 } else { 1 });
    for k in (1..chunks.len()).rev() {
        if chunks[k - 1].last() > chunks[k].first() {
            let tail = chunks.remove(k);
            chunks[k - 1].pop();
            chunks[k - 1].extend(&tail[1..]);
        }
    }
    if negated {
        chunks[0].remove(0);
    }
    let single = chunks.iter().flatten().map(|c| (*c, *c));
    let between = chunks.windows(2).filter_map(|two| Some((*two[0].last()?, *two[1].first()?)));
    Token::Set { negated, ranges: single.chain(between).collect() }
}

/// The text between hyphens that make ranges.
fn chunks(inside: &[char], first: usize) -> Vec<Vec<char>> {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let (mut start, mut from) = (0, first);
    while let Some(found) = inside.iter().skip(from).position(|c| *c == '-') {
        let hyphen = from + found;
        chunks.push(inside[start..hyphen].to_vec());
        start = hyphen + 1;
        from = hyphen + 3;
    }
    match inside[start..] {
        [] => chunks.last_mut().expect("a chunk ends before the hyphen").push('-'),
        ref rest => chunks.push(rest.to_vec()),
    }
    chunks
}
