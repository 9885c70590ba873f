//! Callers of every kind: with each scope alone, and with all but one; bound to a tenant in each way, and not bound; by a
//! key and by a certificate.

use http::HeaderMap;
use keyward::proto;
use tonic::transport::Channel;

use crate::{
    raw::bearer,
    rows::{Answer, Row, scopes},
    support::{grants, strings},
    world::{Kind, OWN, Target, World},
};

/// How a caller is bound to its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// It is not.
    Free,
    /// By the constraint of its key.
    Constraint,
    /// By the resources of its grants.
    Grants,
    /// By its owner.
    Owner,
    /// By the list of callers.
    Listed,
}

/// A caller.
pub(crate) struct Who {
    /// What a test that fails calls it.
    pub(crate) name: String,
    pub(crate) channel: Channel,
    pub(crate) headers: HeaderMap,
    /// A workspace that it reaches if anyone does, and that is not there.
    pub(crate) new_workspace: String,
    held: Vec<&'static str>,
    bound: Bound,
}

impl Who {
    /// Whether it has the scope, or one that implies it.
    pub(crate) fn holds(&self, needed: &str) -> bool {
        closure(&self.held).contains(&needed)
    }

    /// Whether it is one with one scope that is bound to nothing. All others who lack a scope are refused in the same
    /// way: with these alone everything is tried.
    pub(crate) fn is_plain(&self) -> bool {
        self.held.len() == 1 && self.bound == Bound::Free && !self.headers.is_empty()
    }

    /// What it is answered about a tenant.
    pub(crate) fn expected(&self, row: &Row, target: Target) -> Answer {
        if !row.scope.is_none_or(|scope| self.holds(scope)) {
            return Answer::Denied;
        }
        match (self.bound, target) {
            (Bound::Free, _) => row.free,
            (_, Target::Own) => row.own,
            (_, Target::Other) => row.other,
        }
    }
}

/// These scopes and all that they imply.
fn closure(held: &[&'static str]) -> Vec<&'static str> {
    let all = scopes();
    let implied = |name: &&str| all.iter().find(|(scope, _)| scope == name).unwrap().1.clone();
    held.iter().flat_map(|name| std::iter::once(*name).chain(implied(name))).collect()
}

/// Each scope alone, and for each all those without which a caller has all but that one.
fn sets() -> Vec<Vec<&'static str>> {
    let names: Vec<&str> = scopes().into_iter().map(|(name, _)| name).collect();
    let alone = names.iter().map(|name| vec![*name]);
    let without = names.iter().map(|missing| {
        let lacks = |name: &&'static str| !closure(&[*name]).contains(missing);
        names.iter().copied().filter(lacks).collect::<Vec<_>>()
    });
    alone.chain(without).filter(|held| !held.is_empty()).collect()
}

/// Who is to be made.
struct Plan {
    held: Vec<&'static str>,
    bound: Bound,
    by_certificate: bool,
}

fn plans() -> Vec<Plan> {
    use Bound::{Constraint, Free, Grants, Listed, Owner};
    let mut plans = Vec::new();
    for held in sets() {
        for bound in [Free, Constraint, Grants, Owner] {
            // In the ways that are like another one, those with one scope will do.
            if held.len() == 1 || [Free, Constraint].contains(&bound) {
                plans.push(Plan { held: held.clone(), bound, by_certificate: false });
            }
        }
        if held.len() == 1 {
            for bound in [Free, Listed] {
                plans.push(Plan { held: held.clone(), bound, by_certificate: true });
            }
        }
    }
    plans
}

fn new_workspace(number: usize) -> String {
    format!("new-{number}")
}

fn identity(number: usize) -> String {
    format!("caller-{number}.example")
}

/// A world, yet without tenants, and everybody who calls there.
pub(crate) async fn everybody(kind: Kind) -> (World, Vec<Who>) {
    let plans = plans();
    let listed: Vec<[String; 3]> = plans
        .iter()
        .enumerate()
        .filter(|(_, plan)| plan.by_certificate)
        .map(|(number, plan)| {
            let scopes = format!("{:?}", plan.held);
            let workspaces = match plan.bound {
                Bound::Free => String::new(),
                _ => format!("{:?}", [OWN, &new_workspace(number)]),
            };
            [format!("dns:{}", identity(number)), scopes, workspaces]
        })
        .collect();
    let listed: Vec<(&str, &str, &str)> = listed
        .iter()
        .map(|[identity, scopes, workspaces]| (&**identity, &**scopes, &**workspaces))
        .collect();
    let mut world = World::new(kind, &listed).await;
    let mut everybody = Vec::new();
    for (number, Plan { held, bound, by_certificate }) in plans.into_iter().enumerate() {
        let new_workspace = new_workspace(number);
        let (channel, headers) = if by_certificate {
            (world.certified(&[&identity(number)]).await, HeaderMap::new())
        } else {
            let key = key(&mut world, &held, bound, number).await;
            (world.plain.clone(), bearer(&world.mint(key).await))
        };
        let kind = if by_certificate { "certificate" } else { "key" };
        let name = format!("a {kind}, {bound:?}, with {held:?}");
        everybody.push(Who { name, channel, headers, new_workspace, held, bound });
    }
    assert!(everybody.len() > 80, "{}", everybody.len());
    (world, everybody)
}

async fn key(world: &mut World, held: &[&str], bound: Bound, number: usize) -> proto::Key {
    let names = [OWN, &new_workspace(number)].map(|id| format!("workspaces/{id}"));
    let mut key = proto::Key {
        display_name: "a caller".to_owned(),
        grants: grants(held),
        ..Default::default()
    };
    match bound {
        Bound::Free | Bound::Listed => {}
        Bound::Constraint => key.constraint = names.to_vec(),
        Bound::Grants => {
            let on = |name: &String| {
                let resource = format!("{name}/**");
                held.iter()
                    .map(|scope| proto::Grant {
                        scope: (*scope).to_owned(),
                        resource: resource.clone(),
                    })
                    .collect::<Vec<_>>()
            };
            key.grants = names.iter().flat_map(on).collect();
        }
        Bound::Owner => {
            let made = proto::CreatePrincipalRequest {
                parent: "workspaces/system".to_owned(),
                principal_id: format!("owner-{number}"),
                principal: Some(proto::Principal {
                    kind: proto::PrincipalKind::Service.into(),
                    confined_to: strings(&names.each_ref().map(std::string::String::as_str)),
                    ..Default::default()
                }),
                ..Default::default()
            };
            let made = world.root.admin.create_principal(made).await.unwrap().into_inner();
            key.principal = made.principal.unwrap().name;
        }
    }
    key
}
