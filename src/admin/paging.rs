//! Lists in pages (AIP-158).

use std::future::Future;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::domain::{
    fault::Faults,
    ports::{Page, StoreError},
};

/// How many are listed where nothing is said.
const SIZE_DEFAULT: u64 = 50;
/// How many are listed at the most.
const SIZE_MAX: u64 = 1_000;
/// How large a page may be, in bytes of its records as JSON: many clients take 4 MiB.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// How many are read at a time, so that little is in memory of what does not fit.
const PART_MAX: u64 = 64;
/// The longest page token, in bytes.
const TOKEN_LENGTH_MAX: usize = 2_000;

/// Which page is asked for.
#[derive(Clone, Debug, Default)]
pub struct Paging {
    /// How many at the most; 0 for the default.
    pub size: i32,
    /// Where to go on. Empty: at the beginning.
    pub token: String,
    /// SHA-256 of the query that the pages are of.
    pub fingerprint: [u8; 32],
}

/// A page.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where to go on. Empty: this was the last.
    pub next_token: String,
}

impl<T> Paged<T> {
    /// The same page of something else.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Paged<U> {
        Paged { items: self.items.into_iter().map(convert).collect(), next_token: self.next_token }
    }
}

/// A page token: where to go on, and the query that it belongs to.
#[derive(Serialize, Deserialize)]
struct Token<C> {
    query: [u8; 8],
    after: C,
}

impl Paging {
    fn query(&self) -> [u8; 8] {
        self.fingerprint.first_chunk().copied().unwrap_or_default()
    }

    /// The page that is asked for, with one more than fits, which tells whether
    /// there is another. Notes a negative size and a token of another query.
    pub(super) fn page<C: DeserializeOwned>(&self, faults: &mut Faults) -> Option<Page<C>> {
        let size = match u64::try_from(self.size) {
            Ok(0) => SIZE_DEFAULT,
            Ok(size) => size.min(SIZE_MAX),
            Err(_) => {
                faults.note("page_size", "must not be negative");
                SIZE_DEFAULT
            }
        };
        let after = if self.token.is_empty() { None } else { Some(self.after(faults)?) };
        Some(Page { after, size: size + 1 })
    }

    fn after<C: DeserializeOwned>(&self, faults: &mut Faults) -> Option<C> {
        let bytes = (self.token.len() <= TOKEN_LENGTH_MAX)
            .then(|| URL_SAFE_NO_PAD.decode(&self.token).ok());
        let token =
            bytes.flatten().and_then(|bytes| serde_json::from_slice::<Token<C>>(&bytes).ok());
        match token {
            Some(token) if token.query == self.query() => Some(token.after),
            Some(_) => {
                faults.note(
                    "page_token",
                    "belongs to another query: only page_size may change between pages",
                );
                None
            }
            None => {
                faults.note("page_token", "is no token that this server gave");
                None
            }
        }
    }

    /// The page of what is reached. Reads on, a small part at a time, until it is full
    /// or large enough: neither a token nor a page with gaps tells of the rest.
    pub(super) async fn filled<T, C, F>(
        &self,
        page: &Page<C>,
        cursor: impl Fn(&T) -> C,
        size: impl Fn(&T) -> usize,
        reached: impl Fn(&T) -> bool,
        read: impl Fn(Page<C>) -> F,
    ) -> Result<Paged<T>, StoreError>
    where
        C: Clone + Serialize,
        F: Future<Output = Result<Vec<T>, StoreError>>,
    {
        let is_full = |count: usize, most: u64| u64::try_from(count).is_ok_and(|n| n >= most);
        let mut part = Page { after: page.after.clone(), size: page.size.min(PART_MAX) };
        let mut items: Vec<T> = Vec::new();
        let mut bytes = 0;
        loop {
            let mut read = read(part.clone()).await?;
            let more = is_full(read.len(), part.size);
            part.after = read.last().map(&cursor);
            read.retain(&reached);
            bytes += read.iter().map(&size).sum::<usize>();
            items.append(&mut read);
            if !more || is_full(items.len(), page.size) || bytes > BYTES_MAX {
                return Ok(self.paged(items, page, cursor, size));
            }
        }
    }

    /// What was read as a page; `cursor` says where to go on after an item, `size` how
    /// many bytes it is.
    fn paged<T, C: Serialize>(
        &self,
        mut items: Vec<T>,
        page: &Page<C>,
        cursor: impl Fn(&T) -> C,
        size: impl Fn(&T) -> usize,
    ) -> Paged<T> {
        let most = usize::try_from(page.size.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut room = BYTES_MAX;
        let small = items.iter().take_while(|item| {
            let size = size(item);
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        });
        // One always fits, or a list would never go on.
        let fits = small.count().max(1).min(most);
        let more = items.len() > fits;
        items.truncate(fits);
        let last = items
            .last()
            .filter(|_| more)
            .map(|item| Token { query: self.query(), after: cursor(item) });
        let token = last.and_then(|token| serde_json::to_vec(&token).ok());
        Paged {
            items,
            next_token: token.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn paging(size: i32, token: &str) -> Paging {
        Paging { size, token: token.to_owned(), fingerprint: [1; 32] }
    }

    fn faults_of(paging: &Paging) -> Vec<String> {
        let mut faults = Faults::new();
        _ = paging.page::<i64>(&mut faults);
        faults.finish().err().unwrap_or_default().into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn sizes_are_defaulted_cut_or_refused() {
        let size = |size| paging(size, "").page::<i64>(&mut Faults::new()).unwrap().size - 1;
        assert_eq!((size(0), size(7), size(i32::MAX)), (50, 7, 1_000));
        assert_eq!(faults_of(&paging(-1, "")), ["page_size"]);
    }

    #[test]
    fn a_token_goes_on_where_the_page_ended_and_only_in_its_query() {
        let asked = paging(2, "");
        let page = asked.page::<i64>(&mut Faults::new()).unwrap();
        let paged = asked.paged(vec![1, 2, 3], &page, |item| *item, |_| 1);
        assert_eq!(paged.items, [1, 2]);
        let next = paging(2, &paged.next_token).page::<i64>(&mut Faults::new()).unwrap();
        assert_eq!(next.after, Some(2));
        let other = Paging { fingerprint: [2; 32], ..paging(2, &paged.next_token) };
        assert_eq!(faults_of(&other), ["page_token"]);
    }

    #[test]
    fn the_last_page_has_no_token() {
        let asked = paging(2, "");
        let page = asked.page::<i64>(&mut Faults::new()).unwrap();
        assert_eq!(asked.paged(vec![1, 2], &page, |item| *item, |_| 1).next_token, "");
    }

    #[test]
    fn a_page_ends_where_it_is_large_enough_but_has_one_item() {
        let asked = paging(10, "");
        let page = asked.page::<i64>(&mut Faults::new()).unwrap();
        let items = |size: usize| asked.paged(vec![1, 2, 3], &page, |item| *item, |_| size);
        assert_eq!(items(BYTES_MAX / 2).items, [1, 2]);
        assert_ne!(items(BYTES_MAX / 2).next_token, "");
        assert_eq!(items(BYTES_MAX + 1).items, [1]);
        assert_eq!(items(BYTES_MAX / 3).items, [1, 2, 3]);
    }

    #[test]
    fn garbage_is_no_token() {
        for token in ["x", "!!", "e30", &"a".repeat(100_000)] {
            assert_eq!(faults_of(&paging(0, token)), ["page_token"]);
        }
    }
}
