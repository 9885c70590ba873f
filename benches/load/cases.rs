//! What is asked of the servers.

use std::rc::Rc;

use keyward::proto::{self, DenyReason, IntrospectRequest, IntrospectResponse, IntrospectView};
use prost::Message as _;

use crate::{
    answers::Good,
    connection::Asked,
    http2::Head,
    keys::Deployment,
    questions::{Messages, Questions, Spread, draw},
};

/// Keys of one call of BatchIntrospect.
pub(crate) const BATCH: usize = 64;
/// Different batches.
const BATCHES: usize = 4_096;
/// The network of the first address is one of every key's, that of the second is not.
const CLIENT_IP: &str = "203.0.113.7";
const OTHER_IP: &str = "192.0.2.1";
pub(crate) const SCOPE: &str = "scope-0:read";

/// What is asked, and how.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) asked: Rc<Asked>,
    pub(crate) questions: Questions,
}

/// Whether the server serves.
pub(crate) fn health(name: &'static str) -> Case {
    let head = Head::new("/grpc.health.v1.Health/Check", None, USUAL);
    let asked =
        Rc::new(Asked { head, is_stream: false, together: false, good: Good::Begins(vec![8, 1]) });
    let messages = Messages::new(std::iter::once(Vec::new()));
    Case { name, asked, questions: Questions::new(&messages, Spread::Uniform, 0) }
}

/// What clients say of themselves.
const USUAL: &[(&str, &str)] = &[("user-agent", "keyward-load")];

/// One key after another.
pub(crate) struct Unary {
    asked: Rc<Asked>,
    messages: Rc<Messages>,
}

impl Unary {
    pub(crate) fn new(of: &Deployment, view: IntrospectView) -> Self {
        Self::about(of, &of.secrets, yes(), |secret| question(secret, view))
    }

    /// From where the keys do not work: they are looked up, and nothing is taken of their limits.
    pub(crate) fn from_elsewhere(of: &Deployment) -> Self {
        Self::about(of, &of.secrets, no(true, DenyReason::IpNotAllowed), |secret| {
            let client_ip = OTHER_IP.to_owned();
            IntrospectRequest { client_ip, ..question(secret, IntrospectView::Decision) }
        })
    }

    /// With secrets that are nobody's.
    pub(crate) fn in_vain(of: &Deployment, secrets: &[String]) -> Self {
        Self::about(of, secrets, no(false, DenyReason::InvalidKey), |secret| {
            question(secret, IntrospectView::Decision)
        })
    }

    fn about(
        of: &Deployment,
        secrets: &[String],
        good: Vec<u8>,
        ask: impl Fn(&str) -> IntrospectRequest,
    ) -> Self {
        let messages = Messages::new(secrets.iter().map(|secret| ask(secret).encode_to_vec()));
        Self { asked: introspect("Introspect", of, (false, false), Good::Begins(good)), messages }
    }

    pub(crate) fn case(&self, name: &'static str, spread: Spread) -> Case {
        let questions = Questions::new(&self.messages, spread, 1);
        Case { name, asked: Rc::clone(&self.asked), questions }
    }
}

/// In one call that goes on, `together` or each question in a frame of its own.
pub(crate) fn stream(name: &'static str, of: &Deployment, spread: Spread, together: bool) -> Case {
    let messages = of.secrets.iter().map(|secret| {
        let request = Some(question(secret, IntrospectView::Decision));
        // A number of two bytes, which is another one each time that it is asked.
        proto::StreamIntrospectRequest { id: 1 << 7, request }.encode_to_vec()
    });
    let questions = Questions::new(&Messages::new(messages), spread, 2);
    let asked = introspect("StreamIntrospect", of, (true, together), Good::Begins(yes()));
    Case { name, asked, questions }
}

/// Many keys in one call.
pub(crate) fn batch(name: &'static str, of: &Deployment, spread: Spread) -> Case {
    let mut order = draw(of.secrets.len(), spread, BATCHES * BATCH, 3);
    // All are as long as the others.
    let left = order.len().next_multiple_of(BATCH) - order.len();
    order.extend_from_within(..left);
    let messages = order.chunks(BATCH).map(|numbers| {
        let ask = |number: &u32| question(&of.secrets[*number as usize], IntrospectView::Decision);
        let requests = numbers.iter().map(ask).collect();
        proto::BatchIntrospectRequest { requests }.encode_to_vec()
    });
    let messages = Messages::new(messages);
    let spread = if spread == Spread::Once { Spread::Once } else { Spread::Uniform };
    let questions = Questions::new(&messages, spread, 4);
    Case {
        name,
        asked: introspect("BatchIntrospect", of, (false, false), Good::Each(BATCH, yes())),
        questions,
    }
}

fn introspect(
    method: &str,
    of: &Deployment,
    (is_stream, together): (bool, bool),
    good: Good,
) -> Rc<Asked> {
    let path = format!("/keyward.v1.Introspect/{method}");
    Rc::new(Asked { head: Head::new(&path, Some(&of.caller), USUAL), is_stream, together, good })
}

/// The question about a key.
pub(crate) fn question(secret: &str, view: IntrospectView) -> IntrospectRequest {
    IntrospectRequest {
        secret: secret.to_owned(),
        client_ip: CLIENT_IP.to_owned(),
        required_scopes: vec![SCOPE.to_owned()],
        view: view.into(),
        ..Default::default()
    }
}

/// What an answer begins with that says yes.
fn yes() -> Vec<u8> {
    let decision = proto::Decision::Allow.into();
    IntrospectResponse { active: true, decision, ..Default::default() }.encode_to_vec()
}

/// What an answer begins with that says no.
fn no(active: bool, reason: DenyReason) -> Vec<u8> {
    let (decision, reason) = (proto::Decision::Deny.into(), reason.into());
    IntrospectResponse { active, decision, reason, ..Default::default() }.encode_to_vec()
}
