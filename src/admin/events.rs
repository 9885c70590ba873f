//! The log of changes.

use super::{Admin, AdminError, EventFilter, Paged, error::settle};
use crate::domain::{
    caller::Caller, event::Event, fault::Faults, name::WorkspaceName, ports::EventQuery,
    system::SystemScope,
};

const READ: SystemScope = SystemScope::EventsRead;

impl Admin {
    /// Lists events, oldest first.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: not allowed, which all events are to a caller bound to some
    /// workspaces; wrong fields; no such workspace.
    pub async fn list_events(
        &self,
        caller: &Caller,
        filter: &EventFilter,
    ) -> Result<Paged<Event>, AdminError> {
        caller.require(READ)?;
        let mut faults = Faults::new();
        let parent = match filter.parent.as_str() {
            "" => {
                caller.reach_all(READ)?;
                None
            }
            text => faults.take("parent", text.parse::<WorkspaceName>()),
        };
        if let Some(parent) = &parent {
            caller.reach(READ, parent)?;
        }
        for (field, description) in &filter.unread {
            faults.note(&**field, description);
        }
        let page = filter.paging.page(&mut faults);
        let page = settle(faults, page)?;
        if let Some(parent) = &parent {
            self.records.workspace(parent).await?.ok_or_else(|| AdminError::not_found(parent))?;
        }
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let query = EventQuery {
            workspace: parent,
            subject: given(&filter.subject),
            actor: given(&filter.actor),
            kinds: filter.kinds.clone(),
            from: filter.from,
            until: filter.until,
        };
        let query = &query;
        let paged = filter.paging.filled(
            &page,
            |event: &Event| event.revision,
            |event| event.deed.before.len() + event.deed.after.len(),
            |_| true,
            |page| async move { self.records.events(query, &page).await },
        );
        Ok(paged.await?)
    }
}
