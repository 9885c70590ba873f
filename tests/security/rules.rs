//! The rules that hold beside the classes of mistakes.
//!
//! Who is not known gets nothing (RFC 7662, section 2.1), and what is no key is answered byte for
//! byte alike: `timing`. Who may call what is asked before what is sent, and what is there:
//! `tests/api/callers/scopes.rs`, `tests/api/isolation`. Here what a title may be and that it names
//! nothing, and that a list of networks is lifted by who says so, and is told.

use keyward::proto::{self, WarningCode};
use prost_types::FieldMask;
use tonic::Code;

use crate::{
    support::{Caller, not_found, policy, reader, strings, wrong_fields},
    ways::{WAYS, Ways, is_allowed, question},
    world::Store,
};

on_each_store!(
    a_title_has_one_form_and_nothing_that_misleads,
    a_title_names_nothing,
    networks_are_lifted_by_who_names_them_and_with_a_warning,
);

/// What is written, and what is kept of it.
fn titles() -> Vec<(String, String)> {
    let longest = "x".repeat(100);
    // Two hundred characters before they are put together, one hundred after.
    let composed = "e\u{301}".repeat(100);
    let pairs = [
        ("  ci \t", "ci"),
        ("\u{a0}\u{3000}ci\u{2003}", "ci"),
        ("Cafe\u{301}", "Café"),
        ("A\u{30a}", "Å"),
        ("\u{212b}", "Å"),
        ("\u{1100}\u{1161}", "가"),
        ("a  b", "a  b"),
        ("workspaces/other/keys/x", "workspaces/other/keys/x"),
        ("<script>'\"--%00", "<script>'\"--%00"),
        ("🔑", "🔑"),
        (&longest, &longest),
        (&format!("  {longest}  "), &longest),
    ];
    let mut titles: Vec<_> =
        pairs.into_iter().map(|(text, kept)| (text.to_owned(), kept.to_owned())).collect();
    titles.push((composed, "é".repeat(100)));
    titles
}

/// What no title has.
fn no_titles() -> Vec<String> {
    let mut texts = vec!["x".repeat(101), "é".repeat(101), "x".repeat(100_000)];
    let controls = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}');
    let of_direction = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
    let others =
        ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{feff}', '\u{200b}'];
    let all = controls.chain(of_direction).chain(others);
    texts.extend(all.map(|character| format!("a{character}b")));
    texts
}

async fn a_title_has_one_form_and_nothing_that_misleads(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    root.create_principal("acme", "ada", "owner").await;
    root.create_key("acme", "ci", reader()).await;
    for (written, kept) in titles() {
        for (what, title) in titled(&mut root, &written).await {
            assert_eq!(title.unwrap(), kept, "{what}: {written:?}");
        }
    }
    let head = root.head().await;
    for written in no_titles() {
        for (what, title) in titled(&mut root, &written).await {
            let code = title.expect_err(&written).code();
            assert_eq!(code, Code::InvalidArgument, "{what}: {written:?}");
        }
    }
    assert_eq!(root.head().await, head);
}

type Titled = Result<String, tonic::Status>;

/// Gives each kind of thing this title: what is answered for it.
async fn titled(root: &mut Caller, title: &str) -> [(&'static str, Titled); 5] {
    let display_name = title.to_owned();
    let admin = &mut root.admin;
    let policy = proto::Policy {
        name: "policies/acme".to_owned(),
        display_name: display_name.clone(),
        ..Default::default()
    };
    let request = proto::UpdatePolicyRequest { policy: Some(policy), ..Default::default() };
    let policy = admin.update_policy(request).await;
    let workspace = proto::Workspace {
        name: "workspaces/acme".to_owned(),
        display_name: display_name.clone(),
        ..Default::default()
    };
    let request =
        proto::UpdateWorkspaceRequest { workspace: Some(workspace), ..Default::default() };
    let workspace = admin.update_workspace(request).await;
    let principal = proto::Principal {
        name: "workspaces/acme/principals/ada".to_owned(),
        display_name: display_name.clone(),
        ..Default::default()
    };
    let request =
        proto::UpdatePrincipalRequest { principal: Some(principal), ..Default::default() };
    let principal = admin.update_principal(request).await;
    let key = proto::Key {
        name: "workspaces/acme/keys/ci".to_owned(),
        display_name: display_name.clone(),
        ..Default::default()
    };
    let request = proto::UpdateKeyRequest { key: Some(key), ..Default::default() };
    let key = admin.update_key(request).await;
    let made = proto::CreateKeyRequest {
        parent: "workspaces/acme".to_owned(),
        key: Some(proto::Key { display_name, ..reader() }),
        ..Default::default()
    };
    let made = admin.create_key(made).await;
    [
        ("policy", policy.map(|it| it.into_inner().policy.unwrap().display_name)),
        ("workspace", workspace.map(|it| it.into_inner().workspace.unwrap().display_name)),
        ("principal", principal.map(|it| it.into_inner().principal.unwrap().display_name)),
        ("key", key.map(|it| it.into_inner().key.unwrap().display_name)),
        ("new key", made.map(|it| it.into_inner().key.unwrap().display_name)),
    ]
}

async fn a_title_names_nothing(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    // Each has the other's name for a title, and a third has one of theirs too.
    let titled = |title: &str| proto::Key { display_name: title.to_owned(), ..reader() };
    let one = root.create_key("acme", "one", titled("two")).await.secret;
    let two = root.create_key("acme", "two", titled("one")).await.secret;
    let third = root.create_key("acme", "", titled("workspaces/acme/keys/one")).await.secret;
    let name = "workspaces/acme/keys/one".to_owned();
    let request = proto::RevokeKeyRequest { name, ..Default::default() };
    root.admin.revoke_key(request).await.unwrap();
    assert!(!root.ask(&one, &[], "").await.active);
    assert!(root.ask(&two, &[], "").await.active);
    assert!(root.ask(&third, &[], "").await.active);
    // The title of a workspace is none of its names either.
    let workspace = proto::Workspace {
        name: "workspaces/acme".to_owned(),
        display_name: "titled".to_owned(),
        ..Default::default()
    };
    let request =
        proto::UpdateWorkspaceRequest { workspace: Some(workspace), ..Default::default() };
    root.admin.update_workspace(request).await.unwrap();
    let name = "workspaces/titled".to_owned();
    not_found(root.admin.get_workspace(proto::GetWorkspaceRequest { name }).await);
    let request = proto::ListKeysRequest {
        parent: "workspaces/acme".to_owned(),
        principal: "two".to_owned(),
        ..Default::default()
    };
    assert_eq!(wrong_fields(root.admin.list_keys(request).await), ["principal"]);
    // Nor do titles, roles and scopes of one spelling meet.
    let alike = proto::Policy { display_name: "policies/acme".to_owned(), ..policy() };
    root.create_policy("alike", alike).await;
}

async fn networks_are_lifted_by_who_names_them_and_with_a_warning(store: Store) {
    let (_server, mut root) = store.with_workspaces().await;
    let mut ways = Ways::new(root.clone()).await;
    let listed = || proto::Key { allowed_cidrs: strings(&["192.0.2.0/24"]), ..reader() };
    for (number, (mask, lifted)) in [
        (None, false),
        (Some(&["display_name"][..]), false),
        (Some(&["grants", "labels"]), false),
        (Some(&["allowed_cidrs"]), true),
        (Some(&["*"]), true),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("k{number}");
        let secret = root.create_key("acme", &id, listed()).await.secret;
        let from_anywhere = question(&secret, &["sites:read"], "");
        for validate_only in [true, false] {
            let name = format!("workspaces/acme/keys/{id}");
            let request = proto::UpdateKeyRequest {
                key: Some(proto::Key { name, ..reader() }),
                update_mask: mask.map(|paths| FieldMask { paths: strings(paths) }),
                validate_only,
                ..Default::default()
            };
            let answer = root.admin.update_key(request).await.unwrap().into_inner();
            let warned = answer.warnings.iter().any(|warning| {
                warning.code() == WarningCode::BoundLifted && warning.field == "key.allowed_cidrs"
            });
            assert_eq!(warned, lifted, "{mask:?}: {:?}", answer.warnings);
            for way in WAYS {
                let is_open = is_allowed(&ways.ask(way, &from_anywhere).await.unwrap());
                assert_eq!(is_open, lifted && !validate_only, "{mask:?}, {way:?}");
            }
        }
    }
}
