//! Field masks: an update changes exactly the fields that are named.

use std::{cell::RefCell, collections::BTreeSet, sync::LazyLock};

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, MethodDescriptor, ReflectMessage as _, Value,
};

use crate::{
    rpcs::{RPCS, path},
    service::{Host, Service},
};

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::new());
}

/// What is updated: the kind, its field in the request, its name, and two values for each field that can be changed, as
/// they are answered.
const WRITTEN: &[(&str, &str, &str, &str, &str)] = &[
    (
        "Key",
        "key",
        "workspaces/acme/keys/full",
        r#"{"display_name":"one","grants":[{"scope":"area0:read"}],"constraint":["sites/1"],
            "allowed_cidrs":["192.0.2.0/24"],"expire_time":"2028-01-01T00:00:00Z","plan":"narrow","labels":{"env":"test"}}"#,
        r#"{"display_name":"two","grants":[{"scope":"area1:read","resource":"sites/*"}],"constraint":["sites/1","sites/2"],
            "allowed_cidrs":["192.0.2.7/32"],"never_expires":true,"plan":"metered","labels":{"env":"prod","team":"a"}}"#,
    ),
    (
        "Principal",
        "principal",
        "workspaces/acme/principals/owner",
        r#"{"display_name":"one","role":"operator","confined_to":["sites"]}"#,
        r#"{"display_name":"two","role":"operator","confined_to":["sites","doors/1"]}"#,
    ),
    (
        "Workspace",
        "workspace",
        "workspaces/other",
        r#"{"display_name":"one","plan":"narrow"}"#,
        r#"{"display_name":"two","plan":"metered"}"#,
    ),
    (
        "Policy",
        "policy",
        "policies/veiled",
        r#"{"display_name":"one","presets":[{"name":"p","scopes":["area0:read"]}],"hide_existence":true,
            "expiry":{"default_ttl":"60s","max_ttl":"8640000s"}}"#,
        r#"{"display_name":"two","presets":[{"name":"q","scopes":["open"]}],"roles":[{"name":"operator","scopes":["*"]}],
            "hide_existence":true,"expiry":{"required":true}}"#,
    ),
];

/// What a policy answers for what it leaves out.
const OF_POLICIES: &str = r#"{"resources":{"separator":"/","wildcard":"*"},"expiry":{},"rotation":{},
    "unmatched_resource":"UNMATCHED_RESOURCE_INSUFFICIENT_SCOPE"}"#;
/// What an update itself changes, whatever is named.
const OF_CHANGES: &[&str] = &["etag", "revision", "update_time", "rotation_due_time"];
/// The most paths that a mask has.
const PATHS_MAX: usize = 100;

/// Whether a field can be changed, by what its proto file says.
fn is_changeable(field: &FieldDescriptor) -> bool {
    let behavior =
        field.parent_file().parent_pool().get_extension_by_name("google.api.field_behavior");
    let given = field.options().get_extension(&behavior.unwrap()).into_owned();
    let numbers = given.as_list().unwrap().iter().filter_map(Value::as_enum_number);
    // OUTPUT_ONLY, IMMUTABLE, IDENTIFIER; and an etag is what is asked for, not what is changed.
    field.name() != "etag" && !numbers.into_iter().any(|number| [3, 5, 8].contains(&number))
}

/// Fields that are of one oneof are one.
fn group(field: &FieldDescriptor) -> String {
    let of = field.containing_oneof();
    of.map_or_else(|| field.name().to_owned(), |of| of.name().to_owned())
}

/// The values of the fields that are one, as they are given.
fn of_group(message: &DynamicMessage, name: &str) -> Vec<(String, Value)> {
    let descriptor = message.descriptor();
    let of = descriptor.fields().filter(|field| group(field) == name && message.has_field(field));
    of.map(|field| (field.name().to_owned(), message.get_field(&field).into_owned())).collect()
}

/// What can be updated.
struct Kind {
    update: &'static MethodDescriptor,
    get: &'static MethodDescriptor,
    /// Its field in the request of the update.
    field: &'static str,
    name: &'static str,
    changeable: Vec<FieldDescriptor>,
    values: [DynamicMessage; 2],
    /// What is answered for what is left out.
    defaults: DynamicMessage,
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let kind = |(kind, field, name, one, two): &(&str, &'static str, &'static str, &str, &str)| {
        let find =
            |verb: &str| RPCS.iter().find(|rpc| rpc.name() == format!("{verb}{kind}")).unwrap();
        let (update, get) = (find("Update"), find("Get"));
        let read = |json: &str| {
            let mut json = serde_json::Deserializer::from_str(json);
            DynamicMessage::deserialize(get.output(), &mut json).unwrap()
        };
        let changeable = get.output().fields().filter(is_changeable).collect();
        let defaults = read(if *kind == "Policy" { OF_POLICIES } else { "{}" });
        Kind { update, get, field, name, changeable, values: [read(one), read(two)], defaults }
    };
    WRITTEN.iter().map(kind).collect()
});

/// What an update asks for.
struct Update {
    kind: &'static Kind,
    resource: DynamicMessage,
    paths: Vec<String>,
}

impl Update {
    fn read(input: &[u8]) -> Option<Self> {
        let (&[kind, given, values], mask) = input.split_first_chunk::<3>()?;
        let kind = &KINDS[usize::from(kind) % KINDS.len()];
        let mut resource = DynamicMessage::new(kind.get.output());
        for (place, field) in kind.changeable.iter().enumerate() {
            let from = &kind.values[usize::from(values >> (place % 8) & 1)];
            if given >> (place % 8) & 1 == 1 && from.has_field(field) {
                resource.set_field(field, from.get_field(field).into_owned());
            }
        }
        resource.set_field_by_name("name", Value::String(kind.name.to_owned()));
        let mask = String::from_utf8_lossy(mask);
        let paths = mask.split('\n').filter(|_| !mask.is_empty()).map(str::to_owned).collect();
        Some(Self { kind, resource, paths })
    }

    /// The groups of fields that are to change; none where the mask is wrong.
    fn named(&self) -> Option<BTreeSet<String>> {
        let fields = &self.kind.changeable;
        let given = |field: &&FieldDescriptor| match &*self.paths {
            [] => self.resource.has_field(field),
            [all] if all == "*" => true,
            paths => paths.iter().any(|path| path == field.name()),
        };
        let is_known = |path: &String| fields.iter().any(|field| field.name() == path);
        let is_right =
            self.paths == ["*"] || self.paths.len() <= PATHS_MAX && self.paths.iter().all(is_known);
        is_right.then(|| fields.iter().filter(given).map(group).collect())
    }

    fn request(&self) -> DynamicMessage {
        let of = self.kind.update.input();
        let mut request = DynamicMessage::new(of.clone());
        request.set_field_by_name(self.kind.field, Value::Message(self.resource.clone()));
        let field = of.get_field_by_name("update_mask").unwrap();
        let mut mask = DynamicMessage::new(field.kind().as_message().unwrap().clone());
        let paths = self.paths.iter().cloned().map(Value::String).collect();
        mask.set_field_by_name("paths", Value::List(paths));
        request.set_field(&field, Value::Message(mask));
        request
    }

    /// The resource as it is.
    async fn now(&self, service: &mut Service) -> DynamicMessage {
        let get = self.kind.get;
        let mut request = DynamicMessage::new(get.input());
        request.set_field_by_name("name", Value::String(self.kind.name.to_owned()));
        let root = service.secrets["root"].clone();
        let told = service.send(Some(&root), &path(get), &request.encode_to_vec()).await;
        assert_eq!(told.code(), Some("0"), "{told:?}");
        DynamicMessage::decode(get.output(), &*told.raw_messages()[0]).unwrap()
    }
}

/// A byte says what is updated, a byte which fields are given, a byte with which values; then a path a line.
pub(crate) fn target(input: &[u8]) {
    let Some(update) = Update::read(input) else { return };
    HOST.with_borrow_mut(|host| host.run(async |service| check(service, &update).await));
}

async fn check(service: &mut Service, update: &Update) {
    let before = (update.now(service).await, service.state_before().await);
    let root = service.secrets["root"].clone();
    let request = update.request();
    let told = service.send(Some(&root), &path(update.kind.update), &request.encode_to_vec()).await;
    let after = (update.now(service).await, service.state().await);
    service.note(before.1, after.1);
    let shown = || format!("{request}: {told:?}");
    let code = told.code().unwrap();
    // INVALID_ARGUMENT, and FAILED_PRECONDITION for what would take rights from live keys.
    assert!(["0", "3", "9"].contains(&code), "{}", shown());
    let named = update.named();
    if named.is_none() {
        assert_eq!(code, "3", "a path that names nothing is taken: {}", shown());
        assert!(format!("{told:?}").contains("update_mask"), "{}", shown());
    }
    if code != "0" {
        assert_eq!(after, before, "{}", shown());
        return;
    }
    let named = named.unwrap();
    let groups: BTreeSet<String> =
        after.0.descriptor().fields().map(|field| group(&field)).collect();
    for name in groups.iter().filter(|name| !OF_CHANGES.contains(&name.as_str())) {
        let now = of_group(&after.0, name);
        if named.contains(name) {
            // What is left out of an answer: that a key never expires.
            let given = match of_group(&update.resource, name) {
                none if none.is_empty() => of_group(&update.kind.defaults, name),
                given => given,
            };
            let given: Vec<_> =
                given.into_iter().filter(|(field, _)| field != "never_expires").collect();
            let now: Vec<_> =
                now.into_iter().filter(|(field, _)| field != "never_expires").collect();
            assert_eq!(now, given, "{name} is named: {}", shown());
        } else {
            assert_eq!(now, of_group(&before.0, name), "{name} is not named: {}", shown());
        }
    }
}
