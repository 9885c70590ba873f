//! Three programs on one database, each started anew in turn while they are asked.

use std::{
    collections::BTreeMap,
    error::Error,
    iter,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use keyward::proto;
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Code, Status};

use crate::{
    LONG,
    caller::Caller,
    fresh::Fresh,
    furnish,
    process::{Deployment, Serving},
    waits::revocation,
};

const REPLICAS: usize = 3;
const ASKING: usize = 6;
const CHANGING: usize = 2;
/// How many answers all who ask have, and how many changes are made, before each step.
const ANSWERS: usize = 200;
const CHANGES: usize = 4;

const INTERVAL: Duration = Duration::from_millis(20);

/// Where the programs are now, as a headless service tells.
#[derive(Clone)]
struct Addresses(Arc<Mutex<Vec<SocketAddr>>>);

impl Addresses {
    fn get(&self, place: usize) -> SocketAddr {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[place]
    }

    fn set(&self, place: usize, address: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[place] = address;
    }
}

/// What all clients saw.
#[derive(Default)]
struct Tally {
    answers: AtomicUsize,
    changes: AtomicUsize,
    /// Calls that were asked again elsewhere, by what they were answered.
    again: Mutex<BTreeMap<String, usize>>,
}

impl Tally {
    fn note(&self, status: &Status) {
        let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
        *again.entry(status.message().to_owned()).or_default() += 1;
    }
}

/// A client that is connected with one of the programs, and goes to the next where that one goes.
struct Client {
    caller: Caller,
    address: SocketAddr,
    place: usize,
    secret: String,
    addresses: Addresses,
    tally: Arc<Tally>,
}

impl Client {
    async fn new(place: usize, secret: &str, addresses: &Addresses, tally: &Arc<Tally>) -> Self {
        let address = addresses.get(place);
        Self {
            caller: Caller::connect(address, secret).await,
            address,
            place,
            secret: secret.to_owned(),
            addresses: addresses.clone(),
            tally: Arc::clone(tally),
        }
    }

    /// Calls; once more, at another, where the answer is UNAVAILABLE, or where the call never left this client, which
    /// clients of gRPC then ask again by themselves (gRFC A6, transparent retries). Nothing else may be wrong.
    async fn call<T>(
        &mut self,
        call: impl Fn(Caller) -> BoxFuture<'static, Result<T, Status>>,
    ) -> T {
        if self.addresses.get(self.place) != self.address {
            self.connect(self.place).await;
        }
        let status = match call(self.caller.clone()).await {
            Ok(answer) => return answer,
            Err(status) => status,
        };
        assert!(status.code() == Code::Unavailable || was_not_sent(&status), "{status:?}");
        self.tally.note(&status);
        self.connect((self.place + 1) % REPLICAS).await;
        call(self.caller.clone()).await.unwrap()
    }

    async fn connect(&mut self, place: usize) {
        (self.place, self.address) = (place, self.addresses.get(place));
        self.caller = Caller::connect(self.address, &self.secret).await;
    }

    /// Asks about the keys of which it is told, all of which were revoked, and about one that works.
    async fn ask(
        mut self,
        works: String,
        mut revoked: mpsc::UnboundedReceiver<String>,
        end: Arc<AtomicBool>,
    ) {
        while !end.load(Ordering::SeqCst) {
            assert_eq!(self.reason(&works).await, proto::DenyReason::Unspecified);
            if let Ok(revoked) = revoked.try_recv() {
                assert_eq!(self.reason(&revoked).await, proto::DenyReason::Revoked, "in force");
            }
            self.tally.answers.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn reason(&mut self, secret: &str) -> proto::DenyReason {
        let request = proto::IntrospectRequest { secret: secret.to_owned(), ..Default::default() };
        let ask = |mut caller: Caller| -> BoxFuture<'static, _> {
            let request = request.clone();
            Box::pin(async move { caller.introspect.introspect(request).await })
        };
        self.call(ask).await.into_inner().reason()
    }

    /// Makes keys, and revokes them; tells those who ask.
    async fn change(
        mut self,
        number: usize,
        tell: Vec<mpsc::UnboundedSender<String>>,
        end: Arc<AtomicBool>,
    ) {
        for round in 0.. {
            if end.load(Ordering::SeqCst) {
                return;
            }
            let id = format!("r{number}-{round}");
            let request = creation(&id);
            let create = |mut caller: Caller| -> BoxFuture<'static, _> {
                let request = request.clone();
                Box::pin(async move { caller.admin.create_key(request).await })
            };
            // No answer is lost, which alone tells the secret.
            let secret = self.call(create).await.into_inner().secret;
            assert_eq!(self.reason(&secret).await, proto::DenyReason::Unspecified, "{id}");
            let request_id = uuid::Uuid::now_v7().to_string();
            let request = revocation(&id, &request_id);
            let revoke = |mut caller: Caller| -> BoxFuture<'static, _> {
                let request = request.clone();
                Box::pin(async move { caller.admin.revoke_key(request).await })
            };
            self.call(revoke).await;
            for tell in &tell {
                let _ = tell.send(secret.clone());
            }
            self.tally.changes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Whether the connection had ended before the call was sent by it.
fn was_not_sent(status: &Status) -> bool {
    let first: &(dyn Error + 'static) = status;
    let mut causes =
        iter::successors(Some(first), |error: &&(dyn Error + 'static)| (*error).source());
    causes.any(|cause| cause.downcast_ref().is_some_and(hyper::Error::is_canceled))
}

fn creation(id: &str) -> proto::CreateKeyRequest {
    proto::CreateKeyRequest {
        parent: "workspaces/web".to_owned(),
        key_id: id.to_owned(),
        key: Some(proto::Key {
            display_name: id.to_owned(),
            grants: vec![proto::Grant { scope: "docs:read".to_owned(), ..Default::default() }],
            ..Default::default()
        }),
        request_id: uuid::Uuid::now_v7().to_string(),
        ..Default::default()
    }
}

/// Waits until all have had so many answers more, or one has failed.
async fn until_more(tally: &Tally, clients: &mut JoinSet<()>) {
    let now = [&tally.answers, &tally.changes].map(|count| count.load(Ordering::SeqCst));
    let going_on = async {
        let mut interval = tokio::time::interval(INTERVAL);
        while tally.answers.load(Ordering::SeqCst) < now[0] + ANSWERS
            || tally.changes.load(Ordering::SeqCst) < now[1] + CHANGES
        {
            tokio::select! {
                _ = interval.tick() => {}
                Some(ended) = clients.join_next() => ended.unwrap(),
            }
        }
    };
    tokio::time::timeout(LONG, going_on).await.unwrap();
}

/// Tells one to end, as whoever updates it does, and begins another in its place.
async fn start_anew(deployment: &Deployment, serving: &mut Serving) {
    let id = serving.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ended = async {
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            interval.tick().await;
            if let Some(status) = serving.child.try_wait().unwrap() {
                return status;
            }
        }
    };
    assert!(tokio::time::timeout(LONG, ended).await.unwrap().success(), "{}", deployment.log());
    *serving = deployment.serve().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_started_anew_in_turn_fail_no_call_that_is_asked_again_elsewhere() {
    let database = Fresh::new().await;
    let deployment = Deployment::new(&[
        ("database.url", &database.url()),
        ("database.migrate_on_start", "true"),
        ("log.level", "warn"),
    ]);
    let secret = deployment.bootstrap();
    let mut servings = Vec::new();
    for _ in 0..REPLICAS {
        servings.push(deployment.serve().await);
    }
    let addresses = servings.iter().map(|serving| serving.address).collect();
    let addresses = Addresses(Arc::new(Mutex::new(addresses)));
    let mut root = Caller::connect(servings[0].address, &secret).await;
    furnish(&mut root, "web").await;
    let works = root.admin.create_key(creation("works")).await.unwrap().into_inner().secret;

    let (tally, end) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
    let (mut clients, mut tell) = (JoinSet::new(), Vec::new());
    for number in 0..ASKING {
        let (sender, revoked) = mpsc::unbounded_channel();
        tell.push(sender);
        let client = Client::new(number % REPLICAS, &secret, &addresses, &tally).await;
        clients.spawn(client.ask(works.clone(), revoked, Arc::clone(&end)));
    }
    for number in 0..CHANGING {
        let client = Client::new(number % REPLICAS, &secret, &addresses, &tally).await;
        clients.spawn(client.change(number, tell.clone(), Arc::clone(&end)));
    }
    for (place, serving) in servings.iter_mut().enumerate() {
        until_more(&tally, &mut clients).await;
        start_anew(&deployment, serving).await;
        addresses.set(place, serving.address);
    }
    until_more(&tally, &mut clients).await;
    end.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    // At most one of each client for each that went.
    let again = tally.again.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(again.values().sum::<usize>() <= REPLICAS * (ASKING + CHANGING), "{again:?}");
    let verified = deployment.run(&["events", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}
