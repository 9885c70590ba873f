//! What a client sends with a call, of which the beginning was read already.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use smallvec::SmallVec;

use crate::grpc::quick::PREFIX;

/// Frames that are read of a body at the most: a body that fails may do so for ever.
const FRAMES_MAX: usize = 2;

/// A body of which the beginning was read already.
pub(super) struct Resumed<B: hyper::body::Body> {
    read: SmallVec<[Result<Frame<Bytes>, B::Error>; FRAMES_MAX]>,
    rest: B,
}

impl<B: hyper::body::Body<Data = Bytes> + Unpin> Resumed<B> {
    pub(super) fn new(rest: B) -> Self {
        Self { read: SmallVec::new(), rest }
    }

    /// Whether nothing of it was there to read.
    pub(super) fn has_nothing(&self) -> bool {
        self.read.is_empty()
    }

    /// The one message of the body, once it is all here: in one frame, after which many clients send an empty one that
    /// says no more than that it is the last. None: it comes otherwise.
    pub(super) fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while self.read.len() < FRAMES_MAX && !self.rest.is_end_stream() {
            match ready!(Pin::new(&mut self.rest).poll_frame(context)) {
                Some(frame) => self.read.push(frame),
                None => return Poll::Ready(None),
            }
        }
        let is_empty = |frame: &Result<Frame<Bytes>, B::Error>| {
            frame.as_ref().is_ok_and(|frame| frame.data_ref().is_some_and(Bytes::is_empty))
        };
        let is_all = self.rest.is_end_stream() && self.read.iter().skip(1).all(is_empty);
        Poll::Ready(self.whole().filter(|_| is_all))
    }

    /// The message in the first frame, where that is one message.
    pub(super) fn whole(&self) -> Option<Bytes> {
        let data = self.read.first()?.as_ref().ok()?.data_ref()?;
        let (prefix, message) = data.split_first_chunk::<PREFIX>()?;
        let [compressed, length @ ..] = *prefix;
        let is_whole = usize::try_from(u32::from_be_bytes(length)) == Ok(message.len());
        (is_whole && compressed == 0).then(|| data.slice(PREFIX..))
    }
}

impl<B> hyper::body::Body for Resumed<B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.rest).poll_frame(context);
        }
        Poll::Ready(Some(self.read.remove(0)))
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.read.is_empty() { self.rest.size_hint() } else { SizeHint::default() }
    }
}
