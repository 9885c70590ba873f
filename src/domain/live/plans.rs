//! What limits a key: found when it is compiled, and not again with each call.

use super::LiveKey;
use crate::domain::{
    key::Key,
    limit::{Charge, Marks},
    policy::{CompiledPolicy, Plan},
    workspace::Workspace,
};

/// The places of its plans in the policy, and what stands for it where its calls are counted.
#[derive(Debug)]
pub(super) struct Plans {
    /// The key's plan; the workspace's where it has none or the policy lost it.
    own: Option<u32>,
    /// The workspace's.
    common: Option<u32>,
    marks: Marks,
}

impl Plans {
    pub(super) fn new(key: &Key, workspace: &Workspace, policy: &CompiledPolicy) -> Self {
        let plans = &policy.document().plans;
        // No memory has room for more plans than have a number.
        let places = || (0_u32..).zip(plans);
        let place =
            |name: &str| places().find(|(_, plan)| plan.name == name).map(|(place, _)| place);
        let common = place(&workspace.plan);
        Self { own: place(&key.plan).or(common), common, marks: Marks::of(&key.name) }
    }

    pub(super) fn marks(&self) -> Marks {
        self.marks
    }
}

impl LiveKey {
    /// What a request of this class and cost takes: of the limits of the key's plan, or of the
    /// workspace's where it has none or the policy lost it, and of the ceiling in the
    /// workspace's plan. A cost of 0 is 1. `tells`: whether it is to be said what is left.
    pub fn charge<'a>(&'a self, class: &'a str, cost: u64, tells: bool) -> Charge<'a> {
        let Plans { own, common, marks } = self.plans;
        let plans = &self.policy().document().plans;
        let plan = |place: Option<u32>| -> Option<&'a Plan> {
            place.and_then(|place| plans.get(usize::try_from(place).ok()?))
        };
        Charge {
            key: self.name(),
            marks,
            key_limits: plan(own).map_or(&[], |plan| &plan.key_limits),
            workspace_limits: plan(common).map_or(&[], |plan| &plan.workspace_limits),
            class,
            cost: cost.max(1),
            tells,
        }
    }
}

#[cfg(test)]
mod tests;
