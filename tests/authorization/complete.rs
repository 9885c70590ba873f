//! The table names every call that the server answers, and no other; every scope; and says of each what the proto files
//! say.

use std::collections::{BTreeMap, BTreeSet};

use keyward::{domain::system::SystemScope, proto};
use prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use prost_types::FileDescriptorSet;

use crate::{
    raw::rpcs,
    rows::{rows, scopes},
    samples::{self, About},
};

/// The descriptors of all services that the server answers for.
fn sets() -> [&'static [u8]; 4] {
    [
        proto::DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ]
}

/// Every call that they declare.
pub(crate) fn declared() -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for set in sets() {
        for file in FileDescriptorSet::decode(set).unwrap().file {
            for service in &file.service {
                let call = |method: &str| format!("{}.{}/{method}", file.package(), service.name());
                calls.extend(service.method.iter().map(|method| call(method.name())));
            }
        }
    }
    assert!(calls.len() > 33, "{calls:?}");
    calls
}

#[test]
fn every_call_has_a_row_and_every_row_is_of_a_call() {
    let listed: BTreeSet<String> = rows().iter().map(|row| row.call.to_owned()).collect();
    let declared = declared();
    let missing: Vec<_> = declared.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "{missing:?} have no row: add to tests/authorization/table.txt which scope each needs and what callers bound to \
         a workspace are answered; a request that is carried out to samples.rs beside it; the scope to the comment of the RPC \
         in proto/ and to src/grpc/needed.rs"
    );
    let gone: Vec<_> = listed.difference(&declared).collect();
    assert!(gone.is_empty(), "{gone:?} are no calls: take their rows out of table.txt");
}

#[test]
fn every_call_that_needs_a_scope_has_a_request() {
    let about = About::example();
    for row in rows().into_iter().filter(|row| row.scope.is_some()) {
        let request = samples::request(&row, &about);
        assert!(
            request.is_some(),
            "add a request of {} about a {} to samples.rs",
            row.call,
            row.about
        );
    }
}

#[test]
fn every_scope_is_listed_with_all_that_it_implies() {
    let listed: Vec<&str> = scopes().iter().map(|(name, _)| *name).collect();
    let declared: Vec<&str> = SystemScope::ALL.iter().map(|scope| scope.as_str()).collect();
    assert_eq!(listed, declared);
    for row in rows() {
        assert!(row.scope.is_none_or(|scope| listed.contains(&scope)), "{}", row.call);
    }
}

#[test]
fn the_proto_files_say_the_scope_of_each_row_and_no_other() {
    let declared: BTreeMap<String, String> = rpcs()
        .into_iter()
        .map(|rpc| (format!("{}/{}", rpc.service, rpc.method), rpc.comment))
        .collect();
    for row in rows() {
        let Some(comment) = declared.get(row.call) else {
            assert_eq!(row.scope, None, "{} needs a caller", row.call);
            continue;
        };
        let needed = row.scope.unwrap_or_else(|| panic!("{} needs no caller", row.call));
        for (scope, _) in scopes() {
            let said = comment.contains(&format!("`{scope}`"));
            assert_eq!(said, scope == needed, "{} and {scope}: {comment}", row.call);
        }
    }
}

/// The ways in which a call can be made over HTTP.
fn routes(method: &MethodDescriptor) -> usize {
    let http = method.parent_pool().get_extension_by_name("google.api.http").unwrap();
    let options = method.options();
    if !options.has_extension(&http) {
        return 0;
    }
    let rule = options.get_extension(&http);
    let more = rule.as_message().unwrap().get_field_by_name("additional_bindings").unwrap();
    1 + more.as_list().unwrap().len()
}

#[test]
fn every_way_of_rest_has_a_row_and_leads_to_no_other_call() {
    let pool = DescriptorPool::decode(proto::DESCRIPTOR_SET).unwrap();
    let rows = rows();
    for service in pool.services() {
        for method in service.methods() {
            let call = format!("{}/{}", service.full_name(), method.name());
            let ways = routes(&method).max(1);
            let listed = rows.iter().filter(|row| row.call == call).count();
            assert_eq!(listed, ways, "{call}: a row for each path, about what the path names");
        }
    }
}

/// The only place where services are put together: whatever is not open to all stands behind the check of callers.
#[test]
fn every_service_is_behind_the_check_of_callers_or_open_on_purpose() {
    let source = include_str!("../../src/app.rs");
    let (_, routes) = source.split_once("fn routes(").unwrap();
    let (routes, _) = routes.split_once("\n    }\n").unwrap();
    let added: Vec<&str> = routes.split(".add_service(").skip(1).collect();
    let services =
        rows().iter().map(|row| row.call.split_once('/').unwrap().0).collect::<BTreeSet<_>>();
    // That of health is there from the beginning.
    assert_eq!(added.len() + 1, services.len(), "{services:?}");
    for service in added {
        let open = service.starts_with("reflection()");
        assert!(open || service.contains("Authenticated::new("), "{service}");
    }
    assert_eq!(source.matches("add_service(").count(), 4, "they are added in one place");
}
