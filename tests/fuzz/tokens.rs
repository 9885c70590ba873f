//! Page tokens: what no list gave is refused, or shows no more than the list does.

use std::cell::RefCell;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, MethodDescriptor, ReflectMessage as _, Value,
};

use crate::{
    rpcs::{RPCS, path},
    sent::Told,
    service::{Host, Service},
};

thread_local! {
    static HOST: RefCell<Lists> = RefCell::new(Lists::new());
}

/// A list, as a caller asks for it.
struct List {
    rpc: &'static MethodDescriptor,
    request: DynamicMessage,
    who: &'static str,
    /// All that is in it, in order.
    all: Vec<DynamicMessage>,
    /// The tokens between its pages of one each, with how many were before.
    tokens: Vec<(usize, String)>,
}

struct Lists {
    host: Host,
    lists: Vec<List>,
}

/// A list: its RPC, fields of the request, and who asks.
type Query = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// Lists that differ in what they list, in their order, and in who asks.
const QUERIES: &[Query] = &[
    ("ListPolicies", &[], "root"),
    ("ListWorkspaces", &[], "root"),
    ("ListPrincipals", &[("parent", "workspaces/acme")], "root"),
    ("ListKeys", &[("parent", "workspaces/acme")], "root"),
    ("ListKeys", &[("parent", "workspaces/other")], "root"),
    ("ListKeys", &[("parent", "workspaces/acme"), ("order_by", "create_time desc")], "bound"),
    ("ListKeys", &[("parent", "workspaces/acme"), ("order_by", "display_name")], "root"),
    ("ListKeys", &[("parent", "workspaces/acme"), ("scope", "area0:read")], "bound"),
    ("ListEvents", &[], "root"),
    ("ListEvents", &[("parent", "workspaces/acme")], "bound"),
    ("ListEvents", &[("parent", "workspaces/other")], "root"),
];

impl List {
    fn asking(&self, size: i32, token: &str) -> Vec<u8> {
        let mut request = self.request.clone();
        request.set_field_by_name("page_size", Value::I32(size));
        request.set_field_by_name("page_token", Value::String(token.to_owned()));
        request.encode_to_vec()
    }

    /// What is on a page, and the token to the next.
    fn page(&self, told: &Told) -> (Vec<DynamicMessage>, String) {
        let [bytes] = &told.raw_messages()[..] else { panic!("{told:?}") };
        let page = DynamicMessage::decode(self.rpc.output(), &**bytes).unwrap();
        let items = page.descriptor().fields().find(FieldDescriptor::is_list).unwrap();
        let items = page.get_field(&items).into_owned();
        let items = items.as_list().unwrap().iter().map(|it| it.as_message().unwrap().clone());
        let token = page.get_field_by_name("next_page_token").unwrap();
        (items.collect(), token.as_str().unwrap().to_owned())
    }

    async fn ask(&self, service: &mut Service, size: i32, token: &str) -> Told {
        let secret = service.secrets[self.who].clone();
        let told = service.send(Some(&secret), &path(self.rpc), &self.asking(size, token)).await;
        assert!(matches!(told.code(), Some("0" | "3")), "{token:?}: {told:?}");
        told
    }

    /// Reads a list to its end, an item each time.
    async fn read(service: &mut Service, query: &Query) -> Self {
        let (method, fields, who) = *query;
        let rpc = RPCS.iter().find(|rpc| rpc.name() == method).unwrap();
        let mut request = DynamicMessage::new(rpc.input());
        for (field, value) in fields {
            request.set_field_by_name(field, Value::String((*value).to_owned()));
        }
        let mut list = Self { rpc, request, who, all: Vec::new(), tokens: Vec::new() };
        let mut token = String::new();
        loop {
            let told = list.ask(service, 1, &token).await;
            let (items, next) = list.page(&told);
            assert!(items.len() <= 1, "{told:?}");
            list.all.extend(items);
            if next.is_empty() {
                return list;
            }
            list.tokens.push((list.all.len(), next.clone()));
            token = next;
        }
    }
}

impl Lists {
    fn new() -> Self {
        let mut host = Host::new();
        let lists = host.run(async |service| {
            let mut lists = Vec::new();
            for query in QUERIES {
                lists.push(List::read(service, query).await);
            }
            lists
        });
        assert!(lists.iter().filter(|list| list.tokens.len() > 1).count() > 5, "there are pages");
        Self { host, lists }
    }
}

/// The token that an input makes of a list's own.
fn made(what: u8, own: &str, text: &[u8]) -> String {
    let json = URL_SAFE_NO_PAD.decode(own).unwrap();
    match what % 4 {
        // As it is written.
        0 => String::from_utf8_lossy(text).into_owned(),
        // What it says, put as ours are.
        1 => URL_SAFE_NO_PAD.encode(text),
        // What it says of where to go on, for this query.
        2 => {
            let mut own: serde_json::Value = serde_json::from_slice(&json).unwrap();
            let Ok(after) = serde_json::from_slice(text) else { return String::new() };
            own["after"] = after;
            URL_SAFE_NO_PAD.encode(own.to_string())
        }
        // Ours with some bytes that are others.
        _ => {
            let mut json = json;
            for change in text.chunks_exact(2) {
                let place = usize::from(change[0]) % json.len();
                json[place] ^= change[1];
            }
            URL_SAFE_NO_PAD.encode(json)
        }
    }
}

/// A byte says which list, a byte of which list the token is, a byte what is made of it, by the bytes that follow.
pub(crate) fn target(input: &[u8]) {
    let Some((&[which, whose, what], text)) = input.split_first_chunk::<3>() else { return };
    HOST.with_borrow_mut(|Lists { host, lists }| {
        let list = &lists[usize::from(which) % lists.len()];
        let other = &lists[usize::from(whose) % lists.len()];
        let Some((before, own)) =
            other.tokens.get(usize::from(what >> 2) % other.tokens.len().max(1))
        else {
            return;
        };
        let token = made(what, own, text);
        let is_own = std::ptr::eq(list, other);
        host.run(async |service| {
            let told = list.ask(service, 1_000, &token).await;
            if told.code() == Some("3") {
                assert!(format!("{told:?}").contains("page_token"), "{told:?}");
                assert!(!is_own || token != *own, "one of its own is refused: {token}");
                return;
            }
            let (items, _) = list.page(&told);
            if token == *own {
                assert!(is_own, "a token of another list is taken: {} {token}", list.rpc.name());
                assert_eq!(items, list.all[*before..], "it goes on where the page ended");
            }
            if !is_own && what % 4 == 2 {
                assert!(token.is_empty(), "a token of another list is taken: {token}");
            }
            // What it shows is of this list, in its order: nothing of another, and nothing twice.
            let mut rest = list.all.iter();
            for item in &items {
                let found = rest.any(|it| it == item);
                assert!(found, "{}: what is not next in the list: {token}", list.rpc.name());
            }
        });
    });
}
