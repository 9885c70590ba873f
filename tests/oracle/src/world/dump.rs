//! Cases as people read them: only what is there.

use std::fmt::{self, Display, Formatter};

use keyward::domain::{policy::Policy, time::Timestamp};

use super::{Case, NOW, Request};

struct Dump<'a>(&'a Policy);

/// A policy, one line for each thing.
pub(crate) fn of(policy: &Policy) -> impl Display {
    Dump(policy)
}

impl Display for Dump<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(policy) = self;
        let (separator, wildcard) = (policy.resources.separator(), policy.resources.wildcard());
        writeln!(f, "policy: separator {separator}, wildcard {wildcard}")?;
        for scope in &policy.scopes {
            let isolated = if scope.isolated { " (isolated)" } else { "" };
            writeln!(f, "  scope {:?}{isolated} implies {:?}", scope.name, scope.implies)?;
        }
        for rule in &policy.implications {
            writeln!(f, "  rule {:?} implies {:?}", rule.scope, rule.implies)?;
        }
        for preset in &policy.presets {
            writeln!(f, "  preset {:?} lists {:?}", preset.name, preset.scopes)?;
        }
        for role in &policy.roles {
            writeln!(f, "  role {:?} allows {:?}", role.name, role.scopes)?;
        }
        let (hides, unmatched) = (policy.hide_existence, policy.unmatched_resource);
        writeln!(f, "  hides existence: {hides}; unmatched resource: {unmatched:?}")
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { policy, key, principal, suspended, replaced } = self;
        write!(f, "{}key:", Dump(policy))?;
        for grant in &key.grants {
            write!(f, " {:?} on {:?},", grant.scope, grant.resource.as_deref().unwrap_or("all"))?;
        }
        let networks: Vec<String> = key.allowed_cidrs.iter().map(|cidr| cidr.to_string()).collect();
        writeln!(f, " constraint {:?}, networks {networks:?}", key.constraint)?;
        let moments = [("expires", key.expire_time), ("revoked", key.revoke_time)];
        for (what, moment) in moments.into_iter().chain([("replaced", *replaced)]) {
            if let Some(moment) = moment {
                writeln!(f, "  {what} at {}", relative(moment))?;
            }
        }
        if *suspended {
            writeln!(f, "  in a suspended workspace")?;
        }
        if let Some(owner) = principal {
            let disabled = if owner.disabled { ", disabled" } else { "" };
            let (role, confined) = (&owner.role, &owner.confined_to);
            writeln!(f, "  owner with role {role:?}, confined to {confined:?}{disabled}")?;
        }
        Ok(())
    }
}

impl Display for Request {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { now, client, required, resource } = self;
        let now = relative(*now);
        write!(f, "request at {now}: {required:?} on {resource:?} from {client:?}")
    }
}

fn relative(moment: Timestamp) -> String {
    format!("now{:+}", moment.micros() - NOW)
}
