//! Those who ask.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use keyward::proto;
use tokio_util::sync::CancellationToken;

use crate::{
    calls::{CLIENT, RESOURCE, SCOPE, micros},
    cluster::{Cluster, REPLICAS},
    history::{Observation, Said},
    random::Random,
    tally::{Failure, Tally},
    world::{Key, Secret, Tenant},
};

/// How often each asks.
const INTERVAL: Duration = Duration::from_millis(2);
/// Longer than any replica is stopped.
const PATIENCE: Duration = Duration::from_secs(60);

/// A question that is about to be sent.
pub(crate) struct Asked {
    key: Arc<Key>,
    secret: Arc<Secret>,
    view: proto::IntrospectView,
    /// The newest change that has returned, of all that the key rests on.
    returned: i64,
    at: Instant,
}

impl Asked {
    /// One that is sent after this.
    pub(crate) fn now(key: &Arc<Key>, secret: &Arc<Secret>, view: proto::IntrospectView) -> Self {
        let returned = key.returned();
        let (key, secret) = (Arc::clone(key), Arc::clone(secret));
        Self { key, secret, view, returned, at: Instant::now() }
    }

    /// As it is sent.
    pub(crate) fn request(&self) -> proto::IntrospectRequest {
        proto::IntrospectRequest {
            secret: self.secret.text.clone(),
            client_ip: CLIENT.to_owned(),
            required_scopes: vec![SCOPE.to_owned()],
            resource: RESOURCE.to_owned(),
            view: self.view.into(),
            ..Default::default()
        }
    }

    /// Notes the answer that has just come.
    pub(crate) fn answered(
        self,
        tally: &Tally,
        replica: usize,
        answer: &proto::IntrospectResponse,
    ) -> proto::DenyReason {
        let Self { key, secret, view, returned, at: asked } = self;
        let (revision, reason) = (answer.revision, answer.reason());
        let is_allowed = answer.decision() == proto::Decision::Allow;
        if is_allowed != (reason == proto::DenyReason::Unspecified) {
            tally.violation(format!("the decision is not that of its reason: {answer:?}"));
        }
        let answered = Instant::now();
        let said = (view != proto::IntrospectView::Decision).then(|| said(answer));
        tally.saw(Observation {
            replica,
            key,
            secret,
            asked,
            answered,
            returned,
            revision,
            reason,
            said,
        });
        reason
    }
}

/// Asks a replica about a key, and notes the answer. None: there was none.
pub(crate) async fn ask(
    cluster: &Cluster,
    tally: &Tally,
    replica: usize,
    key: &Arc<Key>,
    secret: &Arc<Secret>,
) -> Option<proto::DenyReason> {
    let mut caller = cluster.caller(replica)?;
    let asked = Asked::now(key, secret, proto::IntrospectView::Unspecified);
    let outcome =
        tokio::time::timeout(PATIENCE, caller.introspect.introspect(asked.request())).await;
    let status = match outcome {
        Ok(Ok(answer)) => return Some(asked.answered(tally, replica, answer.get_ref())),
        Ok(Err(status)) => status,
        Err(_) => tonic::Status::cancelled("no answer"),
    };
    match Failure::of(&status) {
        Some(failure) => tally.unanswered(replica, failure, &format!("{status:?}")),
        None => tally.violation(format!("replica {replica} answered {status:?}")),
    }
    None
}

fn said(answer: &proto::IntrospectResponse) -> Said {
    Said {
        may_write: answer.grants.iter().any(|grant| grant.scope == SCOPE),
        is_bound: !answer.constraint.is_empty(),
        expire: answer.expire_time.map(micros),
    }
}

/// Asks a replica about whatever there is until it is over; another one, while nobody is to
/// call that.
pub(crate) async fn hammer(
    cluster: Arc<Cluster>,
    tally: Arc<Tally>,
    tenants: Vec<Arc<Tenant>>,
    replica: usize,
    mut random: Random,
    over: CancellationToken,
) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !over.is_cancelled() {
        interval.tick().await;
        let tenant = &tenants[random.below(tenants.len())];
        let key = tenant.key(random.below(tenant.keys.read().unwrap().len()));
        let secret = {
            let secrets = key.secrets.read().unwrap();
            // Mostly the newest, now and then the one before.
            let back = usize::from(random.below(4) == 0).min(secrets.len() - 1);
            Arc::clone(&secrets[secrets.len() - 1 - back])
        };
        let places = (0..REPLICAS).map(|next| (replica + next) % REPLICAS);
        let serving = places.into_iter().find(|place| cluster.caller(*place).is_some());
        if let Some(place) = serving {
            ask(&cluster, &tally, place, &key, &secret).await;
        }
    }
}

/// Judges all that was seen. No change may be under way.
pub(crate) fn judge(tally: &Tally, clocks: crate::history::Clocks) {
    let seen = std::mem::take(&mut *tally.seen.lock().unwrap());
    for answer in &seen {
        if let Some(fault) = crate::history::fault(answer, clocks) {
            tally.violation(fault);
        }
    }
    tally.note(|figures| {
        for answer in &seen {
            let reason = if answer.reason == proto::DenyReason::Unspecified {
                "ALLOW"
            } else {
                answer.reason.as_str_name().trim_start_matches("DENY_REASON_")
            };
            *figures.answered.entry(reason.to_owned()).or_default() += 1;
        }
    });
}
