//! The columns of a look-up, read one after the other in the order in which they are selected: to
//! find each of fifty by its name takes longer than to read it.

use sea_orm::{DbErr, QueryResult, TryGetable};

use super::super::entity::{key, principal, workspace};

/// A row, and where in it we are.
pub(super) struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl<'a> Columns<'a> {
    pub(super) fn of(row: &'a QueryResult) -> Self {
        Self { row, next: 0 }
    }

    /// The next one.
    pub(super) fn take<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let place = self.next;
        self.next += 1;
        self.row.try_get_by_index(place)
    }

    pub(super) fn key(&mut self) -> Result<key::Model, DbErr> {
        Ok(key::Model {
            workspace: self.take()?,
            id: self.take()?,
            title: self.take()?,
            title_folded: self.take()?,
            key_type: self.take()?,
            principal: self.take()?,
            grants: self.take()?,
            constraint_patterns: self.take()?,
            allowed_cidrs: self.take()?,
            expire_time: self.take()?,
            revoke_time: self.take()?,
            labels: self.take()?,
            plan: self.take()?,
            minting_key: self.take()?,
            revision: self.take()?,
            create_time: self.take()?,
            update_time: self.take()?,
        })
    }

    pub(super) fn workspace(&mut self) -> Result<workspace::Model, DbErr> {
        Ok(workspace::Model {
            id: self.take()?,
            title: self.take()?,
            policy: self.take()?,
            suspended: self.take()?,
            plan: self.take()?,
            revision: self.take()?,
            create_time: self.take()?,
            update_time: self.take()?,
        })
    }

    /// The owner, whose columns are all null where there is none.
    pub(super) fn principal(&mut self) -> Result<Option<principal::Model>, DbErr> {
        /// Those after the first.
        const OTHERS: usize = 10;
        let Some(workspace) = self.take()? else {
            self.next += OTHERS;
            return Ok(None);
        };
        Ok(Some(principal::Model {
            workspace,
            id: self.take()?,
            title: self.take()?,
            kind: self.take()?,
            role: self.take()?,
            confined_to: self.take()?,
            disabled: self.take()?,
            deleted: self.take()?,
            revision: self.take()?,
            create_time: self.take()?,
            update_time: self.take()?,
        }))
    }
}
