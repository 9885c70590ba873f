//! One call, from its answer to the last byte of it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::Response;
use hyper::body::{Body as _, Frame};
use tonic::body::Body;

/// Sends the answer that comes of `F`. A call that its client has reset is over: nothing more is done of it.
pub(super) struct Call<F> {
    state: State<F>,
}

enum State<F> {
    Answers(SendResponse<Bytes>, F),
    Tells(Told),
}

impl<F> Call<F> {
    pub(super) fn new(respond: SendResponse<Bytes>, answer: F) -> Self {
        Self { state: State::Answers(respond, answer) }
    }
}

impl<F> super::super::calls::Call for Call<F>
where
    F: Future<Output = Response<Body>> + Send + Unpin + 'static,
{
    fn fail(&mut self) {
        match &mut self.state {
            State::Answers(respond, _) => respond.send_reset(Reason::INTERNAL_ERROR),
            State::Tells(Told { stream, .. }) => stream.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}

impl<F: Future<Output = Response<Body>> + Unpin> Future for Call<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let State::Answers(respond, answer) = &mut self.state {
            // First: a call that waited long for its turn would else be worked on for nobody.
            if respond.poll_reset(context).is_ready() {
                return Poll::Ready(());
            }
            let (head, body) = ready!(Pin::new(answer).poll(context)).into_parts();
            let is_over = body.is_end_stream();
            match respond.send_response(Response::from_parts(head, ()), is_over) {
                Ok(stream) if !is_over => {
                    self.state = State::Tells(Told { stream, body, held: None });
                }
                Ok(_) => return Poll::Ready(()),
                Err(error) => {
                    tracing::debug!(%error, "an answer was not sent");
                    respond.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(());
                }
            }
        }
        match &mut self.state {
            State::Tells(told) => told.poll(context),
            State::Answers(..) => Poll::Pending,
        }
    }
}

/// An answer whose head is sent.
struct Told {
    stream: SendStream<Bytes>,
    body: Body,
    /// What the client has no room for yet, and whether it is the last.
    held: Option<(Bytes, bool)>,
}

impl Told {
    /// Sends the rest. Where the client takes nothing, one frame is held and no other asked for. Room is reserved for what
    /// is there alone: an answer that waits for something keeps none from others.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some((data, is_last)) = self.held.take() {
                let room =
                    if data.is_empty() { Poll::Ready(true) } else { self.poll_room(context) };
                let Poll::Ready(is_open) = room else {
                    self.held = Some((data, is_last));
                    return Poll::Pending;
                };
                // What cannot be sent is so because the call is over.
                if !is_open || self.stream.send_data(data, is_last).is_err() || is_last {
                    return Poll::Ready(());
                }
            }
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                return self.stream.poll_reset(context).map(drop);
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.held = Some((data, self.body.is_end_stream())),
                Some(Ok(Err(frame))) => {
                    // There are no other frames than these.
                    let _ = frame.into_trailers().map(|last| self.stream.send_trailers(last));
                    return Poll::Ready(());
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "an answer broke off");
                    self.stream.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(());
                }
                None => self.held = Some((Bytes::new(), true)),
            }
        }
    }

    /// Whether the client takes anything.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        // What is sent makes it more.
        self.stream.reserve_capacity(1);
        while self.stream.capacity() == 0 {
            if !matches!(ready!(self.stream.poll_capacity(context)), Some(Ok(_))) {
                return Poll::Ready(false);
            }
        }
        Poll::Ready(true)
    }
}
