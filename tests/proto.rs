//! What the proto files and what is beside them promise to callers: the paths of REST (AIP-127),
//! which a real proxy is asked by in `.ci/rest`, and the service config, which a real client
//! goes by in `.ci/grpcurl`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::collections::BTreeSet;

use keyward::proto;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor,
};

/// The options as the AIPs have them.
const HTTP: &str = "google.api.http";
const RESOURCE: &str = "google.api.resource";

/// A way to call an RPC over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    method: &'static str,
    path: String,
    body: String,
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(proto::DESCRIPTOR_SET).unwrap()
}

fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    let services: Vec<_> = pool.services().collect();
    let methods: Vec<_> =
        services.iter().flat_map(prost_reflect::ServiceDescriptor::methods).collect();
    assert!(methods.len() > 30, "{methods:?}");
    methods
}

fn streams(method: &MethodDescriptor) -> bool {
    method.is_client_streaming() || method.is_server_streaming()
}

fn text(message: &DynamicMessage, field: &str) -> String {
    message.get_field_by_name(field).unwrap().as_str().unwrap().to_owned()
}

fn route(rule: &DynamicMessage) -> Route {
    let named = ["get", "post", "patch", "put", "delete"];
    let mut given = named.into_iter().filter(|name| rule.has_field_by_name(name));
    let method = given.next().expect("a rule has a method");
    Route { method, path: text(rule, method), body: text(rule, "body") }
}

/// The ways to call an RPC, the main one first.
fn routes(method: &MethodDescriptor) -> Vec<Route> {
    let http = method.parent_pool().get_extension_by_name(HTTP).unwrap();
    let options = method.options();
    if !options.has_extension(&http) {
        return Vec::new();
    }
    let rule = options.get_extension(&http);
    let rule = rule.as_message().unwrap();
    let more = rule.get_field_by_name("additional_bindings").unwrap();
    let more: Vec<_> =
        more.as_list().unwrap().iter().map(|rule| rule.as_message().unwrap()).collect();
    std::iter::once(rule).chain(more).map(route).collect()
}

/// The variable of a path and its pattern: `name` and `workspaces/*` of `/v1/{name=workspaces/*}`.
fn variable(path: &str) -> Option<(&str, &str)> {
    path.split_once('{')?.1.split_once('}')?.0.split_once('=')
}

/// The patterns of all resources, each part that a caller chooses written `*`.
fn patterns(pool: &DescriptorPool) -> BTreeSet<String> {
    let resource = pool.get_extension_by_name(RESOURCE).unwrap();
    let mut found = BTreeSet::new();
    for message in pool.all_messages() {
        let options = message.options();
        if !options.has_extension(&resource) {
            continue;
        }
        let value = options.get_extension(&resource);
        let given = value.as_message().unwrap().get_field_by_name("pattern").unwrap();
        for pattern in given.as_list().unwrap().iter().map(|pattern| pattern.as_str().unwrap()) {
            let part =
                |part: &str| if part.starts_with('{') { "*".into() } else { part.to_owned() };
            found.insert(pattern.split('/').map(part).collect::<Vec<_>>().join("/"));
        }
    }
    assert_eq!(found.len(), 4, "{found:?}");
    found
}

/// The field at a path such as `key.name`.
fn is_single_text(message: &MessageDescriptor, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    let Some(field) = message.get_field_by_name(first) else { return false };
    match rest {
        Some(rest) => is_single_text(field.kind().as_message().unwrap(), rest),
        None => {
            field.kind() == prost_reflect::Kind::String
                && field.cardinality() != Cardinality::Repeated
        }
    }
}

fn has_secret(message: &MessageDescriptor, seen: &mut BTreeSet<String>) -> bool {
    seen.insert(message.full_name().to_owned())
        && message.fields().any(|field| {
            field.name() == "secret"
                || field.kind().as_message().is_some_and(|inner| has_secret(inner, seen))
        })
}

#[test]
fn every_call_that_is_no_stream_has_a_path_and_no_stream_has_one() {
    let mut seen = BTreeSet::new();
    for method in methods(&pool()) {
        let routes = routes(&method);
        assert_eq!(routes.is_empty(), streams(&method), "{}", method.full_name());
        for Route { method: verb, path, .. } in routes {
            assert!(path.starts_with("/v1/"), "{path}");
            assert!(seen.insert((verb, path.clone())), "{verb} {path} is two RPCs'");
        }
    }
}

#[test]
fn methods_and_bodies_are_those_of_the_standard() {
    for method in methods(&pool()) {
        for route in routes(&method) {
            let name = method.name();
            let custom = route.path.contains(':') || route.path == "/v1/introspect";
            let resource = |prefix: &str| name.trim_start_matches(prefix).to_lowercase();
            let (verb, body) = match name {
                _ if custom => ("post", "*".to_owned()),
                _ if name.starts_with("Get") || name.starts_with("List") => ("get", String::new()),
                _ if name.starts_with("Create") => ("post", resource("Create")),
                _ if name.starts_with("Update") => ("patch", resource("Update")),
                _ if name.starts_with("Delete") => ("delete", String::new()),
                _ => panic!("{name} is custom, and {} does not say its verb", route.path),
            };
            assert_eq!((route.method, route.body), (verb, body), "{name}");
        }
    }
}

#[test]
fn paths_are_names_of_resources_and_their_variables_fields_of_the_request() {
    let pool = pool();
    let patterns = patterns(&pool);
    let mut bound = 0;
    for method in methods(&pool) {
        for route in routes(&method) {
            let Some((field, pattern)) = variable(&route.path) else { continue };
            assert!(patterns.contains(pattern), "{}: {pattern}", method.name());
            assert!(is_single_text(&method.input(), field), "{}: {field}", method.name());
            bound += 1;
        }
    }
    assert!(bound > 20, "{bound} paths have a variable");
}

#[test]
fn a_custom_verb_is_that_of_its_rpc() {
    for method in methods(&pool()) {
        for Route { path, .. } in routes(&method) {
            let Some((_, verb)) = path.rsplit_once(':') else { continue };
            let capital = verb.get(..1).unwrap().to_uppercase() + verb.get(1..).unwrap();
            assert!(method.name().starts_with(&capital), "{} of {}", verb, method.name());
        }
    }
}

#[test]
fn a_secret_is_never_part_of_an_address() {
    let mut asked = 0;
    for method in methods(&pool()) {
        if !has_secret(&method.input(), &mut BTreeSet::new()) {
            continue;
        }
        for route in routes(&method) {
            assert_eq!(route.body, "*", "{}: addresses are logged", method.name());
            asked += 1;
        }
    }
    assert_eq!(asked, 3, "Introspect, BatchIntrospect and IdentifyKey");
}

#[test]
fn the_set_holds_the_details_of_errors() {
    let pool = pool();
    for name in
        ["Status", "ErrorInfo", "BadRequest", "RetryInfo", "QuotaFailure", "PreconditionFailure"]
    {
        assert!(pool.get_message_by_name(&format!("google.rpc.{name}")).is_some(), "{name}");
    }
}

#[test]
fn callers_repeat_by_themselves_what_changes_nothing_and_nothing_else() {
    let pool = pool();
    let read = |name: &str| {
        ["Get", "List", "Identify"].iter().any(|verb| name.starts_with(verb))
            || ["Introspect", "BatchIntrospect"].contains(&name)
    };
    let config: serde_json::Value =
        serde_json::from_str(include_str!("../proto/keyward/v1/service_config.json")).unwrap();
    let configs = config["methodConfig"].as_array().unwrap();
    let of = |service: &str, method: Option<&str>| {
        configs.iter().find(|config| {
            config["name"].as_array().unwrap().iter().any(|name| {
                name["service"].as_str() == Some(service) && name["method"].as_str() == method
            })
        })
    };
    let mut named = 0;
    for method in methods(&pool) {
        let service = method.parent_service().full_name().to_owned();
        let own = of(&service, Some(method.name()));
        named += usize::from(own.is_some());
        let config = own.or_else(|| of(&service, None)).expect("every RPC has a config");
        let codes = &config["retryPolicy"]["retryableStatusCodes"];
        let expected = if read(method.name()) {
            serde_json::json!(["UNAVAILABLE"])
        } else {
            serde_json::Value::Null
        };
        assert_eq!(*codes, expected, "{}: AIP-194", method.full_name());
        assert_eq!(config["waitForReady"], true, "{}", method.full_name());
        assert_eq!(config["timeout"].is_null(), streams(&method), "{}", method.full_name());
    }
    let names = configs.iter().flat_map(|config| config["name"].as_array().unwrap());
    let given = names.filter(|name| name["method"].is_string()).count();
    assert_eq!(named, given, "an RPC of the service config does not exist");
}
