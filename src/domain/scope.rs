//! Scopes as numbers: once a policy is compiled, whether a key holds a scope is
//! the test of one bit.

use smallvec::SmallVec;

/// The longest name of a scope, in bytes.
pub const NAME_LENGTH_MAX: usize = 100;
/// What [`is_name`] asks of the characters of a name, as a regular expression.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9._:/*-]+$";

/// The number of a scope within its compiled policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeId(u16);

impl ScopeId {
    /// The scope at this place of the policy's list; nothing past the largest list.
    pub fn at(place: usize) -> Option<Self> {
        u16::try_from(place).ok().map(Self)
    }

    /// Its place in the policy's list.
    pub fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// Names as whoever asks has them: each on its own, or within what was sent.
#[derive(Clone, Copy, Debug)]
pub enum Names<'a> {
    /// Each on its own.
    Own(&'a [String]),
    /// Within something else.
    Within(&'a [&'a str]),
}

impl<'a> Names<'a> {
    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            Self::Own(names) => names.len(),
            Self::Within(names) => names.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Each, in their order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let (own, within) = match self {
            Self::Own(names) => (names, &[][..]),
            Self::Within(names) => (&[][..], names),
        };
        own.iter().map(String::as_str).chain(within.iter().copied())
    }
}

impl Default for Names<'_> {
    fn default() -> Self {
        Self::Own(&[])
    }
}

impl<'a> From<&'a [String]> for Names<'a> {
    fn from(names: &'a [String]) -> Self {
        Self::Own(names)
    }
}

impl<'a> From<&'a Vec<String>> for Names<'a> {
    fn from(names: &'a Vec<String>) -> Self {
        Self::Own(names)
    }
}

/// Sets of the first 128 scopes of a policy need no memory beside their own.
const WORDS: usize = 2;

/// A set of the scopes of one policy. Sets of different policies do not mix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(SmallVec<[u64; WORDS]>);

impl ScopeSet {
    /// The set without scopes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a scope.
    pub fn insert(&mut self, scope: ScopeId) {
        let (word, bit) = (scope.place() / 64, scope.place() % 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    /// Whether the scope is in it.
    pub fn contains(&self, scope: ScopeId) -> bool {
        let (word, bit) = (scope.place() / 64, scope.place() % 64);
        self.0.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    /// Adds all of `other`, and says whether that changed anything.
    pub fn extend(&mut self, other: &Self) -> bool {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        let mut grew = false;
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            grew |= *more & !*word != 0;
            *word |= more;
        }
        grew
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    /// What is in this one and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        Self(self.0.iter().zip(others).map(|(a, b)| a & !b).collect())
    }

    /// Whether all of it is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.without(other).is_empty()
    }

    /// Whether some scope is in both.
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    /// Whether no scope is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many scopes are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many bytes of memory it owns.
    pub fn size(&self) -> usize {
        if self.0.spilled() { self.0.capacity() * size_of::<u64>() } else { 0 }
    }

    /// Its scopes, in the policy's order.
    pub fn iter(&self) -> impl Iterator<Item = ScopeId> {
        self.0.iter().enumerate().flat_map(|(place, word)| {
            let bits = std::iter::successors(Some(*word), |rest| Some(rest & rest.wrapping_sub(1)));
            let bits = bits.take_while(|rest| *rest != 0).map(u64::trailing_zeros);
            bits.filter_map(move |bit| ScopeId::at(place * 64 + bit as usize))
        })
    }
}

impl FromIterator<ScopeId> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = ScopeId>>(scopes: I) -> Self {
        let mut set = Self::new();
        for scope in scopes {
            set.insert(scope);
        }
        set
    }
}

/// Whether a text may name a scope: 1 to 100 of `A-Z a-z 0-9 . _ : / * -`.
pub fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._:/*-".contains(&b);
    !text.is_empty() && text.len() <= NAME_LENGTH_MAX && text.bytes().all(fits)
}

/// What stands before and after the `*` of a glob, in which it stands for any run of
/// characters, also an empty one. Nothing for a text without one `*` or with several.
pub fn split_glob(text: &str) -> Option<(&str, &str)> {
    text.split_once('*').filter(|(_, end)| !end.contains('*'))
}

/// Whether a name is of a glob; none is of a text that is no glob.
pub fn is_of_glob(glob: &str, name: &str) -> bool {
    split_glob(glob).is_some_and(|(start, end)| {
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_has_one_asterisk() {
        for (text, expected) in [
            ("read:*", Some(("read:", ""))),
            ("*:read", Some(("", ":read"))),
            ("a*b", Some(("a", "b"))),
            ("*", Some(("", ""))),
            ("sites", None),
            ("", None),
            ("**", None),
            ("a*b*c", None),
        ] {
            assert_eq!(split_glob(text), expected, "{text}");
        }
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let set: ScopeSet = [0, 63, 64, 999].into_iter().filter_map(ScopeId::at).collect();
        let places: Vec<usize> = set.iter().map(ScopeId::place).collect();
        assert_eq!(places, [0, 63, 64, 999]);
        let other: ScopeSet = [63, 64].into_iter().filter_map(ScopeId::at).collect();
        assert!(other.is_subset(&set));
        assert!(!set.is_subset(&other));
        assert_eq!(set.intersection(&other).iter().count(), 2);
        assert_eq!(set.without(&other).iter().map(ScopeId::place).collect::<Vec<_>>(), [0, 999]);
        assert!(ScopeSet::new().is_subset(&other));
        assert!(ScopeSet::new().is_empty());
    }
}
