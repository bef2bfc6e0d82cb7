"""What each decision of the audit log is called, as a sentence about its subject."""

from collections.abc import Mapping
from typing import Final

# `{subject}` is the partner's, person's or organisation's name, an entry's title, or
# the number of a key. Who decided stands beside the sentence.
AUDIT_SENTENCES: Final[Mapping[str, str]] = {
    # partnerships
    "they_requested": "{subject} used our code and asked to become a partner.",
    "we_requested": "The code of {subject} was accepted.",
    "we_confirmed": "The request of {subject} was confirmed.",
    "we_refused": "The request of {subject} was refused.",
    "they_confirmed": "{subject} confirmed the partnership.",
    "they_refused": "{subject} refused our request.",
    "compared": "The check number was compared with {subject}.",
    "we_paused": "The partnership with {subject} was paused.",
    "we_resumed": "The partnership with {subject} was resumed.",
    "we_ended": "The partnership with {subject} was ended.",
    "we_stayed": "The end of the partnership with {subject} was taken back.",
    "we_closed": "The partnership with {subject} was closed without confirmation.",
    "they_left": "{subject} ended the partnership.",
    "withdrawals_done": "The end of the partnership with {subject} is complete.",
    "copies_removed": "The copies of the entries of {subject} were removed.",
    "we_hid": "The entries of {subject} were hidden from our members.",
    "we_showed": "The entries of {subject} were shown to our members again.",
    "we_purged": "The copies of the entries of {subject} were purged.",
    "we_released": "What is for all partner clusters was released to {subject}.",
    "we_fetched": "The entries of {subject} were fetched anew.",
    "we_told_uncompared": "{subject} was told our entries without a comparison.",
    "policy_out": "The rules for what {subject} gets were set.",
    "policy_in": "The rules for what is taken from {subject} were set.",
    "policy_out_ended": "The rules for what {subject} gets have ended.",
    "policy_in_ended": "The rules for what is taken from {subject} have ended.",
    "key_changed": "The key of {subject} came into question; nothing flows any more.",
    "key_confirmed": "The key of {subject} was compared and confirmed.",
    "key_announced": "{subject} announced a new key.",
    "key_retired": "{subject} retired a key.",
    "key_revoked": "{subject} revoked a key.",
    "renamed": "{subject} changed its name.",
    # members
    "person_added": "{subject} became a member.",
    "person_left": "{subject} left the cluster.",
    "role_changed": "The role of {subject} was changed.",
    "consent_given": "It was recorded that {subject} agreed to be shown to partners.",
    "consent_withdrawn": "The consent of {subject} was withdrawn.",
    "personal_data_exported": "The data stored about {subject} were taken away.",
    "identity_revealed": "In a conversation about “{subject}” somebody gave the name.",
    "members_imported": "Members were imported.",
    # audiences
    "organisation_identified": "It was recorded what {subject} is known by.",
    "group_made": "A group of members was made.",
    "group_changed": "A group of members was changed.",
    "group_removed": "A group of members was dissolved.",
    "kind_audience_set": "Default and maximum of an audience were set.",
    "organisation_ceiling_set": "What {subject} publishes at most was set.",
    # entries of others
    "entry_withdrawn_by_office": "The office withdrew “{subject}”.",
    "entry_deleted_by_office": "The office deleted “{subject}”.",
    "unaccounted_settled": "An entry that nothing accounted for was decided on.",
    # keys and the node
    "own_key_made": "Our key {subject} was made.",
    "own_key_activated": "Our key {subject} signs from now on.",
    "own_key_retired": "Our key {subject} was retired.",
    "own_key_revoked": "Our key {subject} was revoked.",
    "own_key_saved": "A backup of our key {subject} was made.",
    "closing_down": "The cluster closes down.",
    "restored": "The node was put back from a backup.",
}
