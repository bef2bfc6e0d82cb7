"""What a proven activity changes, by what the node knows of the peer now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from federation import decisions
from federation.decisions import (
    AnsweredBefore,
    ApplyPage,
    ChangeKeys,
    ChangeTrust,
    KeepMessage,
    Standing,
    decide,
)
from federation.documents import (
    NoticeType,
    Page,
    PageFault,
    Removal,
    build_message,
    build_notice,
    build_withdrawal,
    parse_message,
    parse_notice,
    parse_page,
)
from federation.documents.actor_update import ActorUpdate
from federation.errors import (
    NotPermittedError,
    RateLimitError,
    SignatureInvalidError,
)
from federation.inbox import Activity, ProvenActivity
from federation.limits import ACTIVITIES_DAILY_MAX, MESSAGES_DAILY_MAX, QUOTA_WAIT
from federation.trust import TrustAction, TrustEvent, TrustState
from tests.unit.federation.nodes import NOW, Node


def proven(sender: Node, content: Activity, action: TrustAction) -> ProvenActivity:
    return ProvenActivity(sender.known(), action, content)


def page_of(sender: Node, count: int) -> Page:
    entries = [sender.signed_entry() for _ in range(count)]
    return parse_page(sender.page(*entries), peer=sender.known())


def message_of(sender: Node, receiver: Node) -> Any:
    built = build_message(sender.message(receiver), signer=sender.signer, created=NOW)
    return parse_message(built.document, peer=sender.known(), address=receiver.address)


def notice_of(sender: Node, receiver: Node, kind: NoticeType) -> Any:
    built = build_notice(
        sender.notice(receiver, kind), signer=sender.signer, created=NOW
    )
    return parse_notice(built.document, peer=sender.known(), address=receiver.address)


def withdrawal_of(sender: Node, entry_id: str) -> Removal:
    built = build_withdrawal(
        sender.withdrawal(entry_id), signer=sender.signer, created=NOW
    )
    return Removal(built.document)


ACTIONS = {
    NoticeType.ACCEPT: TrustAction.NOTICE_ACCEPT,
    NoticeType.REJECT: TrustAction.NOTICE_REJECT,
    NoticeType.LEAVE: TrustAction.NOTICE_LEAVE,
}


def test_page_is_applied_unchanged(optence: Node) -> None:
    page = page_of(optence, 2)
    decision = decide(
        proven(optence, page, TrustAction.PUSH_PAGE), Standing(peer=optence.known())
    )
    assert isinstance(decision, ApplyPage)
    assert decision.page is page
    assert decision.reason


def test_trust_is_asked_again_as_it_is_now(optence: Node, swissmem: Node) -> None:
    paused = Standing(peer=optence.known(TrustState.PAUSED))
    for content, action in (
        (page_of(optence, 1), TrustAction.PUSH_PAGE),
        (message_of(optence, swissmem), TrustAction.MESSAGE),
    ):
        with pytest.raises(NotPermittedError) as caught:
            decide(proven(optence, content, action), paused)
        assert caught.value.code == "partnership-paused"


def test_what_took_effect_before_is_answered_and_changes_nothing(
    optence: Node, swissmem: Node
) -> None:
    """Also if the state would not permit it any more."""
    message = message_of(optence, swissmem)
    standing = Standing(
        peer=optence.known(TrustState.ENDED),
        answered_before=True,
        activities_today=MESSAGES_DAILY_MAX,
    )
    decision = decide(proven(optence, message, TrustAction.MESSAGE), standing)
    assert isinstance(decision, AnsweredBefore)


def test_message_is_kept_until_the_days_quota(optence: Node, swissmem: Node) -> None:
    message = proven(optence, message_of(optence, swissmem), TrustAction.MESSAGE)
    below = Standing(peer=optence.known(), activities_today=MESSAGES_DAILY_MAX - 1)
    assert isinstance(decide(message, below), KeepMessage)
    reached = Standing(peer=optence.known(), activities_today=MESSAGES_DAILY_MAX)
    with pytest.raises(RateLimitError) as caught:
        decide(message, reached)
    assert caught.value.code == "quota-exceeded"
    assert caught.value.members == {"retry_after": int(QUOTA_WAIT.total_seconds())}


def test_leave_passes_where_messages_wait(optence: Node, swissmem: Node) -> None:
    leave = notice_of(optence, swissmem, NoticeType.LEAVE)
    activity = proven(optence, leave, TrustAction.NOTICE_LEAVE)
    busy = Standing(peer=optence.known(), activities_today=MESSAGES_DAILY_MAX)
    decision = decide(activity, busy)
    assert isinstance(decision, ChangeTrust)
    assert decision.event is TrustEvent.THEY_LEFT
    full = Standing(peer=optence.known(), activities_today=ACTIVITIES_DAILY_MAX)
    with pytest.raises(RateLimitError):
        decide(activity, full)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (NoticeType.ACCEPT, TrustEvent.THEY_CONFIRMED),
        (NoticeType.REJECT, TrustEvent.THEY_REFUSED),
    ],
)
def test_answer_to_our_request(
    optence: Node, swissmem: Node, kind: NoticeType, event: TrustEvent
) -> None:
    notice = notice_of(optence, swissmem, kind)
    activity = proven(optence, notice, ACTIONS[kind])
    waiting = optence.known(TrustState.WAITING)
    decision = decide(activity, Standing(peer=waiting, request_id=notice.object))
    assert isinstance(decision, ChangeTrust)
    assert decision.event is event
    with pytest.raises(NotPermittedError) as caught:
        decide(activity, Standing(peer=waiting, request_id="another"))
    assert caught.value.code == "unknown-request"


def test_repeated_confirmation_changes_nothing(optence: Node, swissmem: Node) -> None:
    notice = notice_of(optence, swissmem, NoticeType.ACCEPT)
    activity = proven(optence, notice, TrustAction.NOTICE_ACCEPT)
    active = Standing(peer=optence.known(), request_id=notice.object)
    assert isinstance(decide(activity, active), AnsweredBefore)


class TestQuota:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decisions, "ENTRIES_HELD_MAX", 5)
        monkeypatch.setattr(decisions, "ENTRIES_REMEMBERED_MAX", 8)

    def decided(self, optence: Node, page: Page, **known: Any) -> list[bool]:
        """Which items of a page are kept out."""
        standing = Standing(peer=optence.known(), **known)
        activity = proven(optence, page, TrustAction.PUSH_PAGE)
        decision = decide(activity, standing)
        assert isinstance(decision, ApplyPage)
        kept = [item.entry_id for item in decision.page.items]
        assert kept == [item.entry_id for item in page.items]
        faults = [item.content for item in decision.page.items]
        return [isinstance(each, PageFault) for each in faults]

    def test_new_entries_beyond_it_are_kept_out(self, optence: Node) -> None:
        page = page_of(optence, 4)
        assert self.decided(optence, page, entries_remembered=3) == [
            False,
            False,
            True,
            True,
        ]

    def test_known_entries_still_change(self, optence: Node) -> None:
        page = page_of(optence, 4)
        known = frozenset(item.entry_id for item in page.items[2:])
        assert self.decided(
            optence, page, entries_remembered=5, known_entries=known
        ) == [True, True, False, False]

    def test_what_was_kept_out_does_not_slip_in_as_a_change(
        self, optence: Node
    ) -> None:
        page = page_of(optence, 1)
        known = frozenset({page.items[0].entry_id})
        assert self.decided(
            optence, page, entries_remembered=6, known_entries=known, kept_out=known
        ) == [True]

    def beyond(self, optence: Node, page: Page, **known: Any) -> ApplyPage:
        decision = decide(
            proven(optence, page, TrustAction.PUSH_PAGE),
            Standing(peer=optence.known(), **known),
        )
        assert isinstance(decision, ApplyPage)
        return decision

    def test_ids_beyond_those_remembered_leave_the_page_and_are_named(
        self, optence: Node
    ) -> None:
        page = page_of(optence, 4)
        decision = self.beyond(optence, page, entries_remembered=5)
        ids = [item.entry_id for item in page.items]
        assert [item.entry_id for item in decision.page.items] == ids[:3]
        (lost,) = decision.not_remembered
        assert (lost.entry_id, lost.version) == (ids[3], page.items[3].version)
        assert lost.reason.startswith("quota-exceeded: ")
        assert decision.page.last == page.last

    def test_withdrawals_pass_behind_what_is_not_remembered(
        self, optence: Node
    ) -> None:
        """Of what is known; of what is not there is nothing to take back."""
        entries = [optence.signed_entry() for _ in range(3)]
        held, unknown = entries[0].document, entries[1].document
        page = parse_page(
            optence.page(
                entries[2],
                withdrawal_of(optence, str(held["id"])),
                withdrawal_of(optence, str(unknown["id"])),
            ),
            peer=optence.known(),
        )
        decision = self.beyond(
            optence,
            page,
            entries_remembered=8,
            known_entries=frozenset({str(held["id"])}),
        )
        assert [item.entry_id for item in decision.page.items] == [held["id"]]
        assert [lost.entry_id for lost in decision.not_remembered] == [
            entries[2].document["id"]
        ]
        assert decision.page.only_withdraws

    def test_changes_of_known_ones_pass_also_then(self, optence: Node) -> None:
        page = page_of(optence, 2)
        known = frozenset(item.entry_id for item in page.items)
        assert self.decided(
            optence, page, entries_remembered=8, known_entries=known
        ) == [False, False]


@pytest.mark.parametrize("end", ["expires", "revoked"])
def test_a_key_that_ended_meanwhile_counts_no_more(
    optence: Node, swissmem: Node, end: str
) -> None:
    changes: dict[str, Any] = {end: NOW}
    ended = replace(optence.keys[0], **changes)
    now = Standing(peer=replace(optence.known(), keys=(ended,)))
    for content, action in (
        (page_of(optence, 1), TrustAction.PUSH_PAGE),
        (message_of(optence, swissmem), TrustAction.MESSAGE),
        (notice_of(optence, swissmem, NoticeType.LEAVE), TrustAction.NOTICE_LEAVE),
    ):
        with pytest.raises(SignatureInvalidError) as caught:
            decide(proven(optence, content, action), now)
        # Not `unknown-key`: a partner that is ending would take that for the end.
        assert caught.value.code == "key-ended"


def test_no_quota_holds_a_revocation_up(optence: Node, swissmem: Node) -> None:
    """Whoever has stolen the key could use the quota up."""
    used_up = Standing(peer=optence.known(), activities_today=ACTIVITIES_DAILY_MAX)
    told = ActorUpdate(
        id=optence.activity_id(),
        actor=optence.actor,
        recipient=swissmem.address.actor,
        published=NOW,
    )
    with pytest.raises(RateLimitError):
        decide(proven(optence, told, TrustAction.UPDATE_ACTOR), used_up)
    keys = (replace(optence.keys[0], revoked=NOW),)
    revoking = replace(told, actor=replace(optence.actor, keys=keys))
    decision = decide(proven(optence, revoking, TrustAction.UPDATE_ACTOR), used_up)
    assert isinstance(decision, ChangeKeys)
