//! Rows: a sentence about a system, and the steps that show that it holds.
//!
//! Each row has a workspace of its own. Its steps run in order, through the API alone, and
//! speak of its keys by their titles; where only one is made, it needs no title.

mod catalogue;
mod key;
mod run;
mod verdict;

pub(crate) use catalogue::{Line, catalogue};
pub(crate) use key::{Life, Mint, key};
pub(crate) use run::{check, failures};
pub(crate) use verdict::{Refusal, Verdict};

use keyward::{
    domain::secret::{KeyVersion, Keyring, Prefix, SigningKey},
    proto::{DenyReason, KeyState, PrincipalKind, WarningCode},
};
use ring::rand::SystemRandom;

/// The seconds of a minute.
pub(crate) const MINUTE: i64 = 60;
/// The seconds of an hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// The seconds of a day.
pub(crate) const DAY: i64 = 24 * HOUR;

/// The secret is none that works, for whatever reason that is not told.
pub(crate) const INVALID: Verdict = Verdict::Dead(DenyReason::InvalidKey);

/// The scopes of managed.dev that must be listed literally.
pub(crate) const ISOLATED: &[&str] =
    &["credentials:read", "credentials:write", "exec:raw", "keys:write"];

/// A sentence, and what shows it.
pub(crate) struct Row {
    /// The sentence of the page, or of the reference.
    pub(crate) says: &'static str,
    pub(crate) steps: Vec<Step>,
}

pub(crate) fn row(says: &'static str, steps: impl IntoIterator<Item = Step>) -> Row {
    Row { says, steps: steps.into_iter().collect() }
}

/// A warning's code and field.
pub(crate) type Told = (WarningCode, &'static str);

/// One step of a row.
pub(crate) enum Step {
    /// Somebody who owns keys is made.
    Owner { id: &'static str, kind: PrincipalKind, role: &'static str, confined: &'static str },
    /// A key is made; what is expected of it stands in it.
    Made(Box<Mint>),
    /// A key is not made, and nothing is changed.
    Refused(Box<Mint>, Refusal),
    /// A request with a key's secret is decided.
    Asked(Ask, Verdict),
    /// What a key may do where no resource is named, with everything implied.
    May { key: &'static str, scopes: Vec<String> },
    /// A key is changed, after its warnings were told without a change.
    Edited { key: &'static str, fields: &'static [&'static str], to: Box<Mint> },
    /// A key is not rotated with such a grace, in seconds.
    NotRotated { key: &'static str, grace: i64, why: Refusal },
    /// A key is not changed.
    Kept { key: &'static str, fields: &'static [&'static str], to: Box<Mint>, why: Refusal },
    /// Something else happens.
    Act(Act),
    /// The titles that a list gives, oldest first.
    Listed { states: &'static [KeyState], query: &'static str, titles: &'static [&'static str] },
    /// The state that a key is read in.
    Stands { key: &'static str, state: KeyState },
    /// The scopes that a key is stored with, sorted.
    Holds { key: &'static str, scopes: Vec<String> },
    /// The secret of a key is in nothing that is answered after the key was made.
    Hidden { key: &'static str },
    /// The newest event is of this key and has its title.
    Logged { key: &'static str },
}

/// What happens to a key, its owner, its workspace or its policy.
pub(crate) enum Act {
    Revoke(&'static str),
    /// As whoever says nothing of a grace.
    Rotate(&'static str),
    /// The old secret shall work for so many seconds.
    RotateWith(&'static str, i64),
    Role(&'static str, &'static str),
    Disable(&'static str),
    /// A preset of the policy lists other scopes from now on. The policy is shared: this
    /// is for a table of one row.
    Preset(&'static str, &'static [&'static str]),
}

impl Act {
    pub(crate) fn happens(self) -> Step {
        Step::Act(self)
    }
}

/// A request that a backend received.
#[derive(Clone, Default)]
pub(crate) struct Ask {
    pub(crate) key: &'static str,
    /// In place of a key's secret.
    pub(crate) secret: Option<String>,
    /// How many rotations ago the secret was the newest.
    pub(crate) ago: usize,
    /// What is done to the secret before it is sent.
    pub(crate) altered: Option<fn(&str) -> String>,
    pub(crate) required: &'static [&'static str],
    pub(crate) resource: &'static str,
    pub(crate) client: &'static str,
    /// Whether the backend is bound to another workspace.
    pub(crate) elsewhere: bool,
}

impl Ask {
    pub(crate) fn on(self, resource: &'static str) -> Self {
        Self { resource, ..self }
    }

    pub(crate) fn from(self, client: &'static str) -> Self {
        Self { client, ..self }
    }

    pub(crate) fn with(self, key: &'static str) -> Self {
        Self { key, ..self }
    }

    /// With the secret that the newest one replaced.
    pub(crate) fn replaced(self) -> Self {
        self.ago(1)
    }

    /// With the secret that was the newest so many rotations ago.
    pub(crate) fn ago(self, ago: usize) -> Self {
        Self { ago, ..self }
    }

    /// With a secret that something was done to.
    pub(crate) fn altered(self, alter: fn(&str) -> String) -> Self {
        Self { altered: Some(alter), ..self }
    }

    pub(crate) fn elsewhere(self) -> Self {
        Self { elsewhere: true, ..self }
    }

    pub(crate) fn gives(self, verdict: Verdict) -> Step {
        Step::Asked(self, verdict)
    }
}

/// A request that requires these scopes.
pub(crate) fn ask(required: &'static [&'static str]) -> Ask {
    Ask { required, ..Ask::default() }
}

/// A request with this text in place of a secret.
pub(crate) fn sent(secret: &'static str) -> Ask {
    Ask { secret: Some(secret.to_owned()), ..Ask::default() }
}

/// A request with a secret of the right form that is none of ours: another signed it.
pub(crate) fn forged(prefix: &str) -> Ask {
    let signer = SigningKey::new(KeyVersion::FIRST, &[7; SigningKey::LEN]);
    let keyring = Keyring::new(vec![signer], KeyVersion::FIRST).unwrap();
    let minted = keyring.mint(&Prefix::parse(prefix).unwrap(), &SystemRandom::new());
    let Ok(minted) = minted else { panic!("no entropy") };
    Ask { secret: Some(minted.secret.reveal()), ..Ask::default() }
}

/// A person with a role.
pub(crate) fn person(id: &'static str, role: &'static str) -> Step {
    Step::Owner { id, kind: PrincipalKind::User, role, confined: "" }
}

/// A team with a role; its keys reach nothing outside `confined`, if that is given.
pub(crate) fn team(id: &'static str, role: &'static str, confined: &'static str) -> Step {
    Step::Owner { id, kind: PrincipalKind::Team, role, confined }
}

/// The steps that show that each request, on its resource, is answered alike.
pub(crate) fn each(
    required: &'static [&'static str],
    resources: &'static [&'static str],
    verdict: Verdict,
) -> impl Iterator<Item = Step> {
    resources.iter().map(move |resource| ask(required).on(resource).gives(verdict))
}
