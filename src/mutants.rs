//! Mistakes of the protocol that can be made on purpose, in a build for that (feature
//! `mutants`): what must catch them is shown to catch them. In any other build there are none.

/// A mistake, by the rule that it leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// An entry counts from the end of its read on, not from before it.
    FillUnchecked,
    /// Who joins a read takes its result, however old.
    UncheckedJoiner,
    /// A lease begins when the answer is here, not before the question was sent.
    LeaseFromReceipt,
    /// Changes are acknowledged before they are applied.
    AckBeforeApply,
    /// A change returns at once.
    NoWait,
    /// Answers are given whatever the lease.
    NoLeaseCheck,
    /// A replica that was evicted keeps what it has cached.
    KeepCache,
}

/// Whether this mistake is made: the environment names it.
#[cfg(feature = "mutants")]
pub(crate) fn on(mutant: Mutant) -> bool {
    use std::sync::LazyLock;
    static MADE: LazyLock<String> = LazyLock::new(crate::config::mutant);
    let name = match mutant {
        Mutant::FillUnchecked => "fill-unchecked",
        Mutant::UncheckedJoiner => "unchecked-joiner",
        Mutant::LeaseFromReceipt => "lease-from-receipt",
        Mutant::AckBeforeApply => "ack-before-apply",
        Mutant::NoWait => "no-wait",
        Mutant::NoLeaseCheck => "no-lease-check",
        Mutant::KeepCache => "keep-cache",
    };
    *MADE == name
}

/// Whether this mistake is made: none is.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn on(_: Mutant) -> bool {
    false
}
