//! What the store promises. Every behaviour is written for any database, and runs on
//! each kind; what only a file can do is in `store/file.rs`, what only a server can in
//! `store/server.rs`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "store/batches.rs"]
mod batches;
#[path = "store/checkpoints.rs"]
mod checkpoints;
#[path = "store/database.rs"]
mod database;
#[path = "store/events.rs"]
mod events;
#[path = "store/file.rs"]
mod file;
#[path = "store/finding.rs"]
mod finding;
#[path = "postgres/database.rs"]
mod fresh;
#[path = "store/grace.rs"]
mod grace;
#[path = "store/groups.rs"]
mod groups;
#[path = "store/groups_on_a_server.rs"]
mod groups_on_a_server;
#[path = "store/line.rs"]
mod line;
#[path = "store/listing.rs"]
mod listing;
#[path = "store/log.rs"]
mod log;
#[path = "store/migrations.rs"]
mod migrating;
#[path = "store/mutations.rs"]
mod mutations;
#[path = "store/records.rs"]
mod records;
#[path = "store/replicas.rs"]
mod replicas;
#[path = "store/sample.rs"]
mod sample;
#[path = "store/server.rs"]
mod server;
#[path = "store/tampering.rs"]
mod tampering;
#[path = "store/together.rs"]
mod together;
#[path = "store/under.rs"]
mod under;
#[path = "store/usage.rs"]
mod usage;
#[path = "store/usage_on_a_server.rs"]
mod usage_on_a_server;

/// Makes a test of each behaviour for each kind of database.
macro_rules! conformance {
    ($($part:ident: $($behaviour:ident)+;)+) => {
        mod sqlite {
            use crate::database::Sqlite;
            $(
                mod $part {
                    use super::*;
                    $(
                        #[tokio::test(flavor = "multi_thread")]
                        async fn $behaviour() {
                            crate::$part::$behaviour(&Sqlite::new()).await;
                        }
                    )+
                }
            )+
        }
        mod postgres {
            use crate::database::Postgres;
            $(
                mod $part {
                    use super::*;
                    $(
                        #[tokio::test(flavor = "multi_thread")]
                        async fn $behaviour() {
                            crate::$part::$behaviour(&Postgres::new().await).await;
                        }
                    )+
                }
            )+
        }
    };
}

conformance! {
    records:
        what_is_written_is_read_back_in_every_field
        a_change_moves_revision_and_update_time_alone
        what_is_not_there_is_not_found
        a_name_is_taken_once
        a_change_of_another_revision_is_refused
        a_guard_of_another_revision_refuses_the_change
        what_needs_a_record_that_is_not_there_is_refused
        a_refused_change_leaves_nothing
        a_request_is_remembered_until_it_expires
        a_request_that_changed_nothing_is_remembered_once
        a_closed_store_is_unavailable;
    listing:
        identifiers_are_listed_bytewise_in_pages
        keys_are_listed_by_time_and_identifier
        titles_are_sorted_bytewise
        pages_join_to_the_whole_list_in_both_directions
        the_search_in_titles_takes_every_character_literally
        what_no_text_can_hold_is_not_found
        keys_are_filtered_by_each_property
        states_change_at_the_very_moment
        a_scope_is_found_as_long_as_it_is_granted
        secrets_are_told_newest_first;
    finding:
        an_unknown_digest_finds_nothing
        a_key_is_found_with_all_that_it_rests_on
        a_replaced_secret_finds_its_key_and_says_since_when
        every_change_is_seen_at_once
        a_policy_whose_number_was_given_again_is_not_taken_for_the_one_before
        a_policy_that_would_be_refused_today_is_still_answered_by
        a_policy_of_another_history_is_not_answered_by
        what_cannot_be_read_is_corrupt_and_not_quoted;
    events:
        events_are_filtered_and_paged
        the_longest_actor_is_logged_and_its_requests_are_remembered
        an_empty_log_is_whole
        a_long_log_is_whole
        an_edit_is_found
        a_removed_event_is_found
        a_renumbered_event_is_found
        an_added_event_is_found
        a_changed_counter_is_found;
    checkpoints:
        a_log_goes_on_from_each_of_its_heads
        an_end_cut_off_with_care_is_found_by_a_checkpoint
        a_log_written_anew_is_found_by_a_checkpoint
        the_newest_checkpoint_is_kept_and_goes_on_from_the_one_before
        a_newer_checkpoint_that_came_meanwhile_stays
        no_checkpoint_is_signed_of_a_log_that_does_not_go_on
        a_file_that_is_not_to_be_relied_on_is_left_as_it_is;
    tampering:
        a_changed_event_is_found
        a_deleted_event_is_found
        events_in_another_order_are_found
        an_inserted_event_is_found
        a_log_that_is_cut_off_is_found;
    mutations:
        ten_thousand_changes_of_eight_callers_are_one_event_each;
    together:
        revisions_have_no_gaps
        a_request_is_done_once
        one_of_many_changes_of_a_revision_is_made
        a_change_is_made_although_nobody_waits_for_it;
    groups:
        changes_that_wait_are_made_together_each_for_itself
        what_the_database_refuses_is_refused_alone
        a_request_that_changed_nothing_is_one_of_its_group
        an_expired_request_is_replaced_amid_a_group
        a_key_with_very_many_scopes_is_written
        a_store_closed_while_changes_wait_says_truly_which_were_made;
    batches:
        changes_are_made_together_with_an_event_each
        none_is_made_where_one_is_refused
        each_is_judged_by_what_was_there_before_all
        all_or_none_holds_amid_a_group_also_where_the_database_refuses
        keys_are_read_by_their_names;
    under:
        live_keys_of_all_workspaces_are_read_in_parts
        keys_that_ended_or_are_of_another_policy_are_not_read
        workspaces_are_read_by_name_and_policy
        the_newest_change_is_of_whatever_is_in_the_workspaces
        keys_are_read_that_changed_since_themselves_or_their_surroundings
        a_guard_of_all_that_is_under_a_policy_refuses_the_change
        a_guard_of_the_keys_of_a_principal_is_of_them_alone;
    usage:
        counts_are_added_up_over_sources_and_batches
        a_batch_of_one_row_or_none_is_added
        a_batch_of_many_rows_is_added_to_the_last_of_them
        a_batch_that_comes_again_is_not_added_again
        what_a_rule_of_the_database_refuses_is_refused_for_good
        a_last_use_by_a_clock_that_was_wrong_is_put_right
        sources_that_ended_are_forgotten_after_a_week
        what_a_newer_version_counts_is_left_out
        hours_that_ended_longer_ago_than_they_are_kept_are_forgotten
        steps_are_hours_or_days_within_the_range
        the_most_used_keys_come_first
        the_last_use_of_a_secret_is_the_greatest
        unused_keys_are_found_to_the_very_moment
        keys_with_an_old_secret_are_found_to_the_very_moment
        many_sources_add_the_same_rows_at_once;
    grace:
        both_secrets_work_until_the_grace_ends_and_the_old_one_never_after_it
        without_a_grace_the_old_secret_stops_at_once
        rotated_during_a_grace_a_key_has_two_secrets_at_the_most
        revoking_during_a_grace_ends_both_secrets_at_once
        a_grace_is_no_longer_than_the_policy_allows_now;
    migrating:
        the_schema_goes_up_down_and_up
        what_is_in_a_change_is_not_lost_on_the_way_back
        a_newer_schema_is_refused_by_name
        another_keyring_is_refused
        a_keyring_that_lacks_what_secrets_need_is_refused_even_where_the_notes_are_lost;
}
