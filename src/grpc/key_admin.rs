//! The service `KeyAdmin`. Each call is handed to the back of the process: its work
//! goes on when its caller goes away, so that a change is never cut in half.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tonic::{Request, Response, Status};

use super::{
    authenticate::caller,
    convert::{event, key, key::request as keys, policy, principal, usage, workspace},
    layers::Ends,
    sparing::Queues,
    status::stopped,
    turns::Turns,
};
use crate::{
    admin::{Admin, AdminError},
    back::Back,
    domain::{caller::Caller, replica::Stopwatch, time::Moment},
    measure::Calls,
    proto::{key_admin_server::KeyAdmin, *},
};

/// How many calls that change something are carried out at once, and how many that do not; others
/// wait for their turn, and must not keep questions of `Introspect` waiting. Apart from each other,
/// for a change may wait for a replica as long as its caller does.
const CALLS_MAX: usize = 64;

/// How much of the time that is left is kept for the answer to reach its caller: this part, and
/// not more than that.
const ANSWER_PART: u32 = 10;
const ANSWER_TIME_MAX: Duration = Duration::from_millis(100);

/// The service over the use cases.
pub struct KeyAdminService {
    admin: Arc<Admin>,
    back: Back,
    stopwatch: Arc<dyn Stopwatch>,
    queues: Queues,
}

impl KeyAdminService {
    /// The service over these use cases, carried out there, with places for so many calls at once; they wait so long for their turn at the most, and `calls`
    /// counts those that waited longer.
    pub fn new(
        admin: Arc<Admin>,
        back: Back,
        stopwatch: Arc<dyn Stopwatch>,
        places: usize,
        wait_max: Duration,
        calls: &Arc<Calls>,
    ) -> Self {
        Self { admin, back, stopwatch, queues: Queues::new(places, CALLS_MAX, wait_max, calls) }
    }

    /// Where its calls wait, for who refuses those that would wait in vain.
    #[must_use]
    pub fn queues(&self) -> Queues {
        self.queues.clone()
    }

    /// Until when the caller of a request waits for what it can still hear.
    fn patience<M>(&self, request: &Request<M>) -> Option<Moment> {
        let Ends(end) = request.extensions().get()?;
        let left = end.saturating_duration_since(Instant::now());
        let heard = left.saturating_sub((left / ANSWER_PART).min(ANSWER_TIME_MAX));
        Some(self.stopwatch.now().after(heard))
    }

    /// Carries out a use case in the name of the caller, when its turn comes among these.
    async fn call<M, T, F>(
        &self,
        turns: &Turns,
        request: Request<M>,
        act: impl FnOnce(Arc<Admin>, Caller, M) -> F,
    ) -> Result<Response<T>, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, AdminError>> + Send + 'static,
    {
        let left = request.extensions().get::<Ends>();
        let left = left.map(|Ends(end)| end.saturating_duration_since(Instant::now()));
        let place = turns.take(left).await?;
        // Asked once there is a place: what was revoked while the call waited counts.
        let caller = caller(&request).await?;
        let caller = match self.patience(&request) {
            Some(moment) => caller.until(moment),
            None => caller,
        };
        let work = act(Arc::clone(&self.admin), caller, request.into_inner());
        let kept = async move {
            let outcome = work.await;
            drop(place);
            outcome
        };
        let outcome = self.back.run(kept).await.map_err(stopped)?;
        outcome.map(Response::new).map_err(Status::from)
    }
}

/// What an RPC answers.
type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl KeyAdmin for KeyAdminService {
    async fn create_policy(
        &self,
        request: Request<CreatePolicyRequest>,
    ) -> Answer<CreatePolicyResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin.create_policy(&caller, &policy::create(message)).await.map(policy::created)
        })
        .await
    }

    async fn get_policy(&self, request: Request<GetPolicyRequest>) -> Answer<Policy> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            admin.get_policy(&caller, &message.name).await.map(policy::policy)
        })
        .await
    }

    async fn list_policies(
        &self,
        request: Request<ListPoliciesRequest>,
    ) -> Answer<ListPoliciesResponse> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            admin.list_policies(&caller, &policy::list(message)).await.map(policy::listed)
        })
        .await
    }

    async fn update_policy(
        &self,
        request: Request<UpdatePolicyRequest>,
    ) -> Answer<UpdatePolicyResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin.update_policy(&caller, &policy::update(message)).await.map(policy::updated)
        })
        .await
    }

    async fn create_workspace(
        &self,
        request: Request<CreateWorkspaceRequest>,
    ) -> Answer<CreateWorkspaceResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin
                .create_workspace(&caller, &workspace::create(message))
                .await
                .map(workspace::created)
        })
        .await
    }

    async fn get_workspace(&self, request: Request<GetWorkspaceRequest>) -> Answer<Workspace> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            admin.get_workspace(&caller, &message.name).await.map(workspace::workspace)
        })
        .await
    }

    async fn list_workspaces(
        &self,
        request: Request<ListWorkspacesRequest>,
    ) -> Answer<ListWorkspacesResponse> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            admin.list_workspaces(&caller, &workspace::list(message)).await.map(workspace::listed)
        })
        .await
    }

    async fn update_workspace(
        &self,
        request: Request<UpdateWorkspaceRequest>,
    ) -> Answer<UpdateWorkspaceResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin
                .update_workspace(&caller, &workspace::update(message))
                .await
                .map(workspace::updated)
        })
        .await
    }

    async fn suspend_workspace(
        &self,
        request: Request<SuspendWorkspaceRequest>,
    ) -> Answer<Workspace> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin
                .suspend_workspace(&caller, &workspace::suspend(message), true)
                .await
                .map(workspace::workspace)
        })
        .await
    }

    async fn resume_workspace(
        &self,
        request: Request<ResumeWorkspaceRequest>,
    ) -> Answer<Workspace> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin
                .suspend_workspace(&caller, &workspace::resume(message), false)
                .await
                .map(workspace::workspace)
        })
        .await
    }

    async fn create_principal(
        &self,
        request: Request<CreatePrincipalRequest>,
    ) -> Answer<CreatePrincipalResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin
                .create_principal(&caller, &principal::create(message))
                .await
                .map(principal::created)
        })
        .await
    }

    async fn get_principal(&self, request: Request<GetPrincipalRequest>) -> Answer<Principal> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            admin.get_principal(&caller, &message.name).await.map(principal::principal)
        })
        .await
    }

    async fn list_principals(
        &self,
        request: Request<ListPrincipalsRequest>,
    ) -> Answer<ListPrincipalsResponse> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            let (parent, paging) = principal::list(message);
            admin.list_principals(&caller, &parent, &paging).await.map(principal::listed)
        })
        .await
    }

    async fn update_principal(
        &self,
        request: Request<UpdatePrincipalRequest>,
    ) -> Answer<UpdatePrincipalResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin
                .update_principal(&caller, &principal::update(message))
                .await
                .map(principal::updated)
        })
        .await
    }

    async fn disable_principal(
        &self,
        request: Request<DisablePrincipalRequest>,
    ) -> Answer<Principal> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin
                .disable_principal(&caller, &principal::disable(message), true)
                .await
                .map(principal::principal)
        })
        .await
    }

    async fn enable_principal(
        &self,
        request: Request<EnablePrincipalRequest>,
    ) -> Answer<Principal> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin
                .disable_principal(&caller, &principal::enable(message), false)
                .await
                .map(principal::principal)
        })
        .await
    }

    async fn delete_principal(
        &self,
        request: Request<DeletePrincipalRequest>,
    ) -> Answer<DeletePrincipalResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            admin.delete_principal(&caller, &principal::delete(message)).await?;
            Ok(DeletePrincipalResponse {})
        })
        .await
    }

    async fn create_key(&self, request: Request<CreateKeyRequest>) -> Answer<CreateKeyResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            let done = admin.create_key(&caller, &keys::create(message)).await?;
            Ok(keys::created(done, admin.now()))
        })
        .await
    }

    async fn batch_create_keys(
        &self,
        request: Request<BatchCreateKeysRequest>,
    ) -> Answer<BatchCreateKeysResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            let (asked, turn) = (keys::batch_create(message), tokio::task::yield_now);
            let done = admin.batch_create_keys(&caller, &asked, turn).await?;
            Ok(keys::batch_created(done, admin.now()))
        })
        .await
    }

    async fn get_key(&self, request: Request<GetKeyRequest>) -> Answer<Key> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            let done = admin.get_key(&caller, &message.name).await?;
            Ok(key::key(done, admin.now()))
        })
        .await
    }

    async fn list_keys(&self, request: Request<ListKeysRequest>) -> Answer<ListKeysResponse> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            let done = admin.list_keys(&caller, &keys::list(message)).await?;
            Ok(keys::listed(done, admin.now()))
        })
        .await
    }

    async fn update_key(&self, request: Request<UpdateKeyRequest>) -> Answer<UpdateKeyResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            let done = admin.update_key(&caller, &keys::update(message)).await?;
            Ok(keys::updated(done, admin.now()))
        })
        .await
    }

    async fn rotate_key(&self, request: Request<RotateKeyRequest>) -> Answer<RotateKeyResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            let done = admin.rotate_key(&caller, &keys::rotate(message)).await?;
            Ok(keys::rotated(done, admin.now()))
        })
        .await
    }

    async fn revoke_key(&self, request: Request<RevokeKeyRequest>) -> Answer<Key> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            let done = admin.revoke_key(&caller, &keys::revoke(message)).await?;
            Ok(key::key(done, admin.now()))
        })
        .await
    }

    async fn batch_revoke_keys(
        &self,
        request: Request<BatchRevokeKeysRequest>,
    ) -> Answer<BatchRevokeKeysResponse> {
        self.call(&self.queues.changes, request, |admin, caller, message| async move {
            let done = admin.batch_revoke_keys(&caller, &keys::batch_revoke(message)).await?;
            Ok(keys::batch_revoked(done, admin.now()))
        })
        .await
    }

    async fn identify_key(
        &self,
        request: Request<IdentifyKeyRequest>,
    ) -> Answer<IdentifyKeyResponse> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            let done = admin.identify_key(&caller, &message.secret).await?;
            Ok(keys::identified(done, admin.now()))
        })
        .await
    }

    async fn get_usage(&self, request: Request<GetUsageRequest>) -> Answer<GetUsageResponse> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            let name = message.name.clone();
            let done = admin.get_usage(&caller, &usage::get(message)).await?;
            Ok(usage::got(done, &name))
        })
        .await
    }

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Answer<ListEventsResponse> {
        self.call(&self.queues.readings, request, |admin, caller, message| async move {
            admin.list_events(&caller, &event::list(message)).await.map(event::listed)
        })
        .await
    }
}
