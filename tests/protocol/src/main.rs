//! A model of the protocol between replicas, "log, lease, barrier", checked in every state it can
//! reach.
//!
//! It promises: once a change has returned to its caller, no replica answers from before it; and a
//! replica answers what it has cached without asking anybody. Three things make that so.
//!
//! - The **log**. Each change takes the next revision under a lock that is held until its commit
//!   is visible, so a replica that reads the log in order misses nothing. An event raises the
//!   *minimum* of its key, and a cached entry counts only if its *stamp*, the revision applied
//!   before it was read, is at least that.
//! - The **lease**. One statement fetches events, acknowledges what has been applied, and renews
//!   the lease; without a valid lease a replica answers nothing.
//! - The **barrier**. A change returns when every replica has acknowledged it, or after the time
//!   in which any lease without it must have ended.
//!
//! # Where to read
//!
//! | file | part |
//! |---|---|
//! | `clock` | ticks, leases, how long a mutation waits |
//! | `database` | the counter, the log, the rows of the replicas, the fail-over |
//! | `mutation` | commit, wait, eviction, retry |
//! | `replica` | cache, loads, stamps, incarnations |
//! | `link` | the one statement, the join |
//! | `state`, `action`, `model` | all of it at one moment, every step, and how they fit together |
//! | `invariants` | I1–I6, and what must be possible |
//! | `mutants` | M1–M22: each is one rule left out |
//! | `right`, `caught` | the tests |
//!
//! # What is left out, and why that is sound
//!
//! - **Introspect is not a step.** It reads the deadline of the lease, checks the stamp, and last
//!   asks the clock. So whatever it answers could be answered at the moment of the check, with the
//!   lease as it was: time that passes after it only ends that lease. I1 therefore asks, in each
//!   state, what *could* be answered. This needs the deadline to be read first; M18 reads it last.
//! - **A statement happens at once**, since a row lock or a snapshot makes it so. What is not so
//!   is in two steps: the join, whose snapshot is older than its commit, and M1.
//! - **c is the commit.** COMMIT returns later, and then the mutation only waits for longer. An
//!   answer lost, a process killed and a deadline too short are one step: the caller does not
//!   know.
//! - **Doorbells and polling** are one: a renewal may be sent at any moment, or never.
//! - **`lease_seq`** is whether it has changed since it was noted, and the eviction names the
//!   incarnation, for a new row may count from zero. **A nonce** is which history it comes from.
//! - **A stamp and its read** are one step: an earlier stamp counts for less. An entry keeps the
//!   snapshot of its read, which tells how old it is; no replica looks at it.
//! - **The writer's own cache** is not told before the others: raising a minimum early makes
//!   nothing usable. Nor is its own row skipped, as the barrier does for a change that was noted
//!   here: until the log brings it the minimum holds, and the next life, which forgets that, has
//!   no lease before a renewal that was sent after the commit.
//! - **Shards, expiry, database time, bounded staleness** are not here. A collision of shards
//!   reloads too often.
//!
//! `link` says which delays are left out. States that differ in names alone count as one.
//!
//! # Bounds
//!
//! Two replicas. One mutation for each key, retried any number of times. Leases and waits of two
//! ticks. At most one fail-over, which loses the newest commit if it has not returned, with what
//! was acknowledged after it; the promise needs synchronous commits where there are standbys, and
//! M21 shows what else could be lost. Everybody may stop, leave, be evicted and join any number of
//! times, and any answer may be lost or late.
//!
//! | run | states |
//! |---|---|
//! | two replicas, one key, loads, a fail-over | 690,915 |
//! | two replicas, two keys, no loads | 1,710,300 |
//!
//! Two keys with a fail-over hold as well, in 7,215,640 states, which is too long for every run.
//!
//! A mistake is looked for breadth first, so what is found is the shortest way to break the
//! invariant.

#![expect(clippy::indexing_slicing, reason = "tests, with arrays of two")]

mod action;
mod caught;
mod clock;
mod database;
mod invariants;
mod link;
mod model;
mod mutants;
mod mutation;
mod replica;
mod right;
mod state;
