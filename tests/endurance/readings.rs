//! Readings: they show every change that had returned before they were asked for.

use std::time::{Duration, SystemTime};

use keyward::proto;
use tonic::{Code, Status};

use crate::{caller::Caller, load::World, questions::pick, random::Random, world::Tenant};

/// How much of lists is read at once.
const PAGE: i32 = 50;
/// What usage is asked for: longer than any run.
const USED_WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// Every state that a key may be in.
pub(crate) const STATES: [proto::KeyState; 3] =
    [proto::KeyState::Active, proto::KeyState::Expired, proto::KeyState::Revoked];

/// What is never to be answered of something that was made: that it is not there.
fn there<T>(world: &World, what: &str, read: Result<T, Status>) -> Result<T, Status> {
    if let Err(status) = &read
        && status.code() == Code::NotFound
    {
        world.tally.violation(format!("{what} is gone: {status:?}"));
    }
    read
}

pub(crate) async fn key(
    world: &World,
    mut caller: Caller,
    random: &mut Random,
) -> Result<(), Status> {
    let (key, _) = pick(world, random);
    let returned = key.own.returned();
    let request = proto::GetKeyRequest { name: key.name() };
    let found = there(world, &key.name(), caller.admin.get_key(request).await)?.into_inner();
    if found.revision < returned {
        let revision = found.revision;
        world.tally.violation(format!("{} was read as of {revision}, not {returned}", key.name()));
    }
    Ok(())
}

/// A tenant by chance.
fn tenant<'a>(world: &'a World, random: &mut Random) -> &'a Tenant {
    &world.tenants[random.below(world.tenants.len())]
}

pub(crate) async fn keys(
    world: &World,
    mut caller: Caller,
    random: &mut Random,
) -> Result<(), Status> {
    let request = proto::ListKeysRequest {
        parent: tenant(world, random).name(),
        page_size: PAGE,
        states: STATES.map(i32::from).to_vec(),
        order_by: "create_time desc".to_owned(),
        ..Default::default()
    };
    let listed = caller.admin.list_keys(request).await?.into_inner().keys;
    if listed.is_empty() {
        world.tally.violation("a workspace of keys has none".to_owned());
    }
    Ok(())
}

pub(crate) async fn events(
    world: &World,
    mut caller: Caller,
    random: &mut Random,
) -> Result<(), Status> {
    let parent = tenant(world, random).name();
    let request = proto::ListEventsRequest { parent, page_size: PAGE, ..Default::default() };
    let events = caller.admin.list_events(request).await?.into_inner().events;
    if events.is_empty() || !events.is_sorted_by(|one, next| one.revision < next.revision) {
        world.tally.violation("the events of a workspace are none or in no order".to_owned());
    }
    Ok(())
}

pub(crate) async fn identify(
    world: &World,
    mut caller: Caller,
    random: &mut Random,
) -> Result<(), Status> {
    let (key, secret) = pick(world, random);
    let request = proto::IdentifyKeyRequest { secret: secret.text.clone() };
    let found = there(world, &key.name(), caller.admin.identify_key(request).await)?.into_inner();
    if found.key.is_none_or(|found| found.name != key.name()) {
        world.tally.violation(format!("the secret of {} is another's", key.name()));
    }
    Ok(())
}

pub(crate) async fn usage(
    world: &World,
    mut caller: Caller,
    random: &mut Random,
) -> Result<(), Status> {
    used(&mut caller, tenant(world, random).name()).await.map(drop)
}

/// How many calls are kept of a workspace or key.
pub(crate) async fn used(caller: &mut Caller, name: String) -> Result<i64, Status> {
    let start_time = Some((SystemTime::now() - USED_WITHIN).into());
    let end_time = Some((SystemTime::now() + USED_WITHIN).into());
    let request = proto::GetUsageRequest { name, start_time, end_time, ..Default::default() };
    let usage = caller.admin.get_usage(request).await?.into_inner();
    Ok(usage.points.iter().flat_map(|point| &point.counts).map(|count| count.calls).sum())
}
