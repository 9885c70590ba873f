//! What errors repeat of a request: never so much of a secret that it helps.

use keyward::proto;

use crate::support::{Server, labels, reader, strings};

/// Texts that are shortened before they are shown, so that but a part of the secret behind
/// them is left: too little to be seen to be one, if it were not cut first.
#[tokio::test]
async fn a_secret_behind_other_text_is_cut_wherever_the_text_is_shortened() {
    let (server, mut root) = Server::with_workspaces().await;
    let (_, random) = server.root_secret.rsplit_once('_').unwrap();
    root.create_key("acme", "ci", reader()).await;
    let asked = root.create_key("acme", "", reader()).await.secret;
    for before in (0..100).step_by(4) {
        let text = format!("{}{random}", "a-".repeat(before / 2));
        let scope = proto::IntrospectRequest {
            secret: asked.clone(),
            required_scopes: vec![text.clone()],
            ..Default::default()
        };
        let mask = proto::UpdateKeyRequest {
            key: Some(proto::Key { name: "workspaces/acme/keys/ci".into(), ..reader() }),
            update_mask: Some(prost_types::FieldMask { paths: strings(&[&text]) }),
            ..Default::default()
        };
        let label = proto::CreateKeyRequest {
            parent: "workspaces/acme".to_owned(),
            key: Some(proto::Key { labels: labels(&[(&text, "")]), ..reader() }),
            ..Default::default()
        };
        for status in [
            root.introspect.introspect(scope).await.unwrap_err(),
            root.admin.update_key(mask).await.unwrap_err(),
            root.admin.create_key(label).await.unwrap_err(),
        ] {
            let details = String::from_utf8_lossy(status.details()).into_owned();
            let said = format!("{} {details}", status.message());
            for place in 0..random.len() - 12 {
                assert!(!said.contains(&random[place..place + 12]), "{before}: {said}");
            }
        }
    }
}
