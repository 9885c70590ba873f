//! A request that is sent again by a caller who may do less than it might when it sent it first, or by another one.

use keyward::proto::{self, UpdateKeyRequest};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use tonic::Code;

use crate::{
    minted::operator,
    on_each_database,
    raw::{Reply, bearer, framed, send},
    rows::{Answer, Row, rows},
    samples::request,
    support::{Caller, not_found, reader, request_id, strings},
    world::{Kind, OTHER, OWN, Target, World},
};

on_each_database![
    no_request_is_answered_again_to_who_may_not_make_it_any_more,
    a_key_that_its_maker_does_not_reach_any_more_is_not_told_of_again,
    a_request_that_was_refused_is_not_remembered,
];

fn method(row: &Row) -> MethodDescriptor {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name(row.call.split_once('/').unwrap().0).unwrap();
    service.methods().find(|method| method.name() == row.method()).unwrap()
}

/// The rows whose requests are remembered.
fn remembered() -> Vec<Row> {
    let takes_id = |row: &Row| {
        row.scope.is_some() && method(row).input().get_field_by_name("request_id").is_some()
    };
    let rows: Vec<Row> = rows().into_iter().filter(takes_id).collect();
    assert!(rows.len() > 15, "{rows:?}");
    rows
}

/// The request under this id.
fn under(row: &Row, request: &[u8], id: &str) -> Vec<u8> {
    let mut message = DynamicMessage::decode(method(row).input(), request).unwrap();
    message.set_field_by_name("request_id", Value::String(id.to_owned()));
    framed(&message.encode_to_vec())
}

/// A caller of this name that may do everything.
async fn caller(world: &mut World, id: &str) -> String {
    world.root.create_key("system", id, operator()).await.secret
}

/// Has it do no more than this.
async fn change(root: &mut Caller, id: &str, key: proto::Key, paths: &[&str]) {
    let key = proto::Key { name: format!("workspaces/system/keys/{id}"), ..key };
    let update_mask = Some(prost_types::FieldMask { paths: strings(paths) });
    let update = UpdateKeyRequest { key: Some(key), update_mask, ..Default::default() };
    root.admin.update_key(update).await.unwrap();
}

#[track_caller]
fn is(reply: &Reply, code: Code, reason: &str, what: &str) {
    assert_eq!((reply.status().code(), reply.reason().as_str()), (code, reason), "{what}");
    assert!(reply.body.is_empty() || code == Code::Ok, "{what}");
}

async fn no_request_is_answered_again_to_who_may_not_make_it_any_more(kind: Kind) {
    let mut world = World::furnished(kind).await;
    for (number, row) in remembered().into_iter().enumerate() {
        let id = format!("once-{number}");
        let secret = caller(&mut world, &id).await;
        let other = caller(&mut world, &format!("other-{number}")).await;
        let about = world.once(&row, Target::Own, &format!("made-once-{number}")).await;
        let body = under(&row, &request(&row, &about).unwrap(), &request_id());
        let call = async |secret: &str| {
            send(&world.plain, &row.path(), bearer(secret), body.clone()).await
        };
        let first = call(&secret).await;
        is(&first, Code::Ok, "", row.call);
        let head = world.root.clone().head().await;
        is(&call(&secret).await, Code::Ok, "", &format!("{}, again", row.call));
        assert_eq!(world.root.clone().head().await, head, "{}, again, changes nothing", row.call);

        let elsewhere = proto::Key { constraint: strings(&["workspaces/rival"]), ..operator() };
        change(&mut world.root.clone(), &id, elsewhere, &["constraint"]).await;
        assert_eq!(row.other, Answer::NotFound, "{}", row.call);
        is(&call(&secret).await, Code::NotFound, "RESOURCE_NOT_FOUND", row.call);
        let less = proto::Key { grants: crate::support::grants(&["introspect"]), ..operator() };
        change(&mut world.root.clone(), &id, less, &["grants", "constraint"]).await;
        is(&call(&secret).await, Code::PermissionDenied, "CALLER_SCOPE_MISSING", row.call);
        let end = proto::RevokeKeyRequest {
            name: format!("workspaces/system/keys/{id}"),
            ..Default::default()
        };
        world.root.clone().admin.revoke_key(end).await.unwrap();
        is(&call(&secret).await, Code::Unauthenticated, "CREDENTIALS_INVALID", row.call);
        // To another caller it is a request of its own, which finds what the first one left.
        let reply = call(&other).await;
        if row.method().starts_with("Create") || row.method().starts_with("BatchCreate") {
            is(&reply, Code::AlreadyExists, "RESOURCE_EXISTS", row.call);
        }
        world.undo(&row, Target::Own).await;
    }
}

async fn a_key_that_its_maker_does_not_reach_any_more_is_not_told_of_again(kind: Kind) {
    let mut world = World::furnished(kind).await;
    let secret = caller(&mut world, "maker").await;
    let mut maker = Caller::on(world.plain.clone(), Some(&secret));
    let parent = format!("workspaces/{OWN}");
    let one = proto::CreateKeyRequest {
        parent: parent.clone(),
        key: Some(reader()),
        request_id: request_id(),
        ..Default::default()
    };
    let several = proto::BatchCreateKeysRequest {
        parent: parent.clone(),
        requests: vec![proto::CreateKeyRequest { key: Some(reader()), ..Default::default() }; 2],
        request_id: request_id(),
        ..Default::default()
    };
    maker.admin.create_key(one.clone()).await.unwrap();
    maker.admin.batch_create_keys(several.clone()).await.unwrap();
    // It still has the scope on the workspace, but on none of the keys in it.
    let on_it = proto::Grant { scope: "*".to_owned(), resource: parent.clone() };
    let less = proto::Key { grants: vec![on_it], ..operator() };
    change(&mut world.root, "maker", less, &["grants"]).await;
    let list = proto::ListKeysRequest { parent, ..Default::default() };
    assert_eq!(maker.admin.list_keys(list).await.unwrap().into_inner().keys, []);
    not_found(maker.admin.create_key(one.clone()).await);
    not_found(maker.admin.batch_create_keys(several.clone()).await);
    change(&mut world.root, "maker", operator(), &["grants"]).await;
    let again = maker.admin.create_key(one).await.unwrap().into_inner();
    assert!(again.secret.is_empty() && again.key.is_some());
    maker.admin.batch_create_keys(several).await.unwrap();
}

async fn a_request_that_was_refused_is_not_remembered(kind: Kind) {
    let mut world = World::furnished(kind).await;
    let bound = proto::Key { constraint: strings(&["workspaces/rival"]), ..operator() };
    let secret = world.root.create_key("system", "late", bound).await.secret;
    let mut late = Caller::on(world.plain.clone(), Some(&secret));
    let asked = |workspace: &str, id: &str| proto::CreateKeyRequest {
        parent: format!("workspaces/{workspace}"),
        key: Some(reader()),
        request_id: id.to_owned(),
        ..Default::default()
    };
    let id = request_id();
    not_found(late.admin.create_key(asked(OWN, &id)).await);
    // Another request of the same id: the first one did not count.
    let made = late.admin.create_key(asked(OTHER, &id)).await.unwrap().into_inner();
    assert!(!made.secret.is_empty());
}
