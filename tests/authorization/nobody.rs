//! Who is no caller is told nothing but that, whatever is asked.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use keyward::{domain::system::PREFIX, proto};
use tonic::{Code, transport::Channel};

use crate::{
    minted::{disable, forged, never_stored, operator, revoke, rotate, short_lived},
    on_each_database,
    raw::{Reply, bearer, framed, send},
    record::same,
    rows::{Row, rows, scopes},
    samples::request,
    spoil::spoilt,
    support::{grants, policy, strings},
    world::{Kind, Target, World},
};

on_each_database![
    whose_credentials_do_not_work_is_told_that_alone,
    who_calls_from_elsewhere_is_told_that_alone,
];

/// A certificate that is on the list, with all scopes.
const LISTED: &str = "listed.example";

/// Sends what is good, what is nonsense and what is no message, about both tenants, and expects the same each time.
async fn all_alike(
    world: &World,
    row: &Row,
    channel: &Channel,
    headers: &HeaderMap,
    expected: &Reply,
    what: &str,
) {
    for target in Target::BOTH {
        let good = request(row, &world.about(target)).unwrap();
        let mut bodies = vec![framed(&good)];
        if target == Target::Own {
            let nonsense = framed(&spoilt(row, &good));
            bodies.extend([nonsense, framed(b"\xff\xff"), b"garbage".to_vec(), vec![]]);
        }
        for body in bodies {
            let what = format!("{} about {target:?} for {what}", row.call);
            assert_eq!(
                send(channel, &row.path(), headers.clone(), body).await,
                *expected,
                "{what}"
            );
        }
    }
}

/// A key with the names of all scopes of `system`, of a tenant whose policy has the same names.
async fn mimic(world: &mut World) -> String {
    let scopes = scopes()
        .into_iter()
        .map(|(name, _)| proto::Scope { name: name.to_owned(), ..Default::default() });
    let policy = proto::Policy { scopes: scopes.collect(), roles: vec![], ..policy() };
    world.root.create_policy("mimic", policy).await;
    world.root.create_workspace("systems", "policies/mimic").await;
    world.root.create_key("systems", "", operator()).await.secret
}

/// One secret for each reason why one does not work.
async fn unusable(world: &mut World) -> Vec<(&'static str, String)> {
    let root = &mut world.root;
    let owner = root.create_principal("system", "ada", "").await.name;
    let owned = proto::Key { principal: owner.clone(), ..operator() };
    let all = proto::Key { grants: grants(&["*"]), ..operator() };
    let mut secrets = Vec::new();
    for (workspace, id, key) in [
        ("system", "replaced", operator()),
        ("system", "revoked", operator()),
        ("system", "expired", short_lived(operator())),
        ("system", "disabled", owned),
        ("acme", "of-a-tenant", all),
    ] {
        secrets.push((id, root.create_key(workspace, id, key).await.secret));
    }
    rotate(root, "workspaces/system/keys/replaced").await;
    revoke(root, "workspaces/system/keys/revoked").await;
    disable(root, &owner).await;
    let valid = root.create_key("system", "valid", operator()).await.secret;
    secrets.extend([
        ("of a tenant with the same names", mimic(world).await),
        ("malformed", "x".to_owned()),
        ("cut", valid[..valid.len() - 1].to_owned()),
        ("longer", format!("{valid}0")),
        ("of another keyring", forged(PREFIX)),
        ("never stored", never_stored(&world.server.keyring, PREFIX)),
    ]);
    secrets
}

fn authorization(values: &[String]) -> HeaderMap {
    values.iter().map(|value| (AUTHORIZATION, HeaderValue::try_from(value).unwrap())).fold(
        HeaderMap::new(),
        |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        },
    )
}

async fn whose_credentials_do_not_work_is_told_that_alone(kind: Kind) {
    let listed = format!("dns:{LISTED}");
    let mut world = World::new(kind, &[(&listed, "[\"*\"]", "")]).await;
    world.furnish().await;
    let secret = world.server.root_secret.clone();
    let unusable = unusable(&mut world).await;
    let before = world.record().await;
    let (certified, stranger) =
        (world.certified(&[LISTED]).await, world.certified(&["stranger.example"]).await);
    let missing = [
        vec![],
        vec![String::new()],
        vec!["Bearer".to_owned()],
        vec![secret.clone()],
        vec![format!("Basic {secret}")],
        vec![format!("Bearer {secret}"); 2],
    ];
    let guarded: Vec<Row> = rows().into_iter().filter(|row| row.scope.is_some()).collect();
    let first = |headers: HeaderMap, channel: Channel| {
        let path = guarded[0].path();
        async move { send(&channel, &path, headers, framed(&[])).await }
    };
    let told = |reply: &Reply| (reply.status().code(), reply.reason());
    let nobody = first(HeaderMap::new(), world.plain.clone()).await;
    assert_eq!(told(&nobody), (Code::Unauthenticated, "CREDENTIALS_MISSING".to_owned()));
    let invalid = first(bearer("x"), world.plain.clone()).await;
    assert_eq!(told(&invalid), (Code::Unauthenticated, "CREDENTIALS_INVALID".to_owned()));
    let unknown = first(HeaderMap::new(), stranger.clone()).await;
    assert_eq!(told(&unknown), (Code::Unauthenticated, "CREDENTIALS_INVALID".to_owned()));
    for row in &guarded {
        for values in &missing {
            let what = format!("{} headers", values.len());
            let headers = authorization(values);
            all_alike(&world, row, &world.plain, &headers, &nobody, &what).await;
        }
        for (what, secret) in &unusable {
            all_alike(&world, row, &world.plain, &bearer(secret), &invalid, what).await;
        }
        all_alike(&world, row, &stranger, &HeaderMap::new(), &unknown, "a stranger").await;
        // Whatever the certificate allows: a header is judged alone.
        let basic = authorization(&[format!("Basic {secret}")]);
        all_alike(&world, row, &certified, &basic, &nobody, "a listed one with a header").await;
        all_alike(&world, row, &certified, &bearer("x"), &invalid, "a listed one, too").await;
    }
    same(&before, &world.record().await, "somebody who is nobody");
    // It would have been carried out for somebody.
    let list = rows().into_iter().find(|row| row.method() == "ListKeys").unwrap();
    let good = framed(&request(&list, &world.about(Target::Own)).unwrap());
    let reply = send(&certified, &list.path(), HeaderMap::new(), good.clone()).await;
    assert_eq!(reply.status().code(), Code::Ok);
    let reply = send(&world.plain, &list.path(), bearer(&secret), good).await;
    assert_eq!(reply.status().code(), Code::Ok);
}

async fn who_calls_from_elsewhere_is_told_that_alone(kind: Kind) {
    let mut world = World::furnished(kind).await;
    let elsewhere = proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..operator() };
    let headers = bearer(&world.mint(elsewhere).await);
    let before = world.record().await;
    let guarded = || rows().into_iter().filter(|row| row.scope.is_some());
    let path = guarded().next().unwrap().path();
    let expected = send(&world.plain, &path, headers.clone(), framed(&[])).await;
    assert_eq!(expected.status().code(), Code::PermissionDenied);
    assert_eq!(expected.reason(), "CALLER_ADDRESS_NOT_ALLOWED");
    for row in guarded() {
        all_alike(&world, &row, &world.plain, &headers, &expected, "somebody elsewhere").await;
    }
    same(&before, &world.record().await, "somebody elsewhere");
}
