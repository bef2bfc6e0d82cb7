"""Set up a node in a folder: settings, key, database, office, first administrator.

An interrupted set-up leaves a mark in the folder; the next one starts over. The mark
is written first and removed last, and it names the node, so that rows that already
reached a shared database are recognised as leftovers of the same attempt.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete

from federation.documents.actor import Card
from federation.ids import BaseUrl, NodeAddress, random_id
from federation.keys import SigningKey
from federation.ports import Clock, RandomSource
from node.config import (
    CONFIG_FILE,
    UNFINISHED_FILE,
    NodeConfig,
    check_settings,
    render_config,
)
from node.durable_files import sync_folder
from node.errors import (
    ConfigInvalidError,
    ConflictError,
    InputFault,
    InvalidInputError,
    UnavailableError,
)
from node.instance_lock import acquire
from node.keys.ring import KeyRing
from node.members.model import Organisation, Person, Role
from node.node_key import KEY_FILE, create_key
from node.partners.own_actor import note_changed
from node.ports import NodeContext
from node.sentence import Sentence, system_reason
from node.signin.links import LinkPurpose, issue_link
from node.storage.database import (
    SQLITE_FILE,
    Database,
    Transaction,
    open_database,
)
from node.storage.members import insert_organisation, insert_person
from node.storage.node_keys import insert_key
from node.storage.node_state import NodeState, load_node_state, store_node_state
from node.storage.schema import migrate
from node.storage.tables import (
    node_keys,
    node_state,
    organisations,
    persons,
    sign_in_links,
)

_OWNER_FOLDER: Final = 0o700
_OWNER_FILE: Final = 0o600
_EPOCH_BYTES: Final = 16
_FIRST_INCARNATION: Final = 1
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_EMAIL_CHARACTERS_MAX: Final = 254
_OFFICE_NAMES: Final = {"de": "Geschäftsstelle", "en": "Office"}
_DATABASE_FILES: Final = (SQLITE_FILE, f"{SQLITE_FILE}-wal", f"{SQLITE_FILE}-shm")
_OWN_PREFIX: Final = "node."
_OF_THE_DISK: Final = "lost+found"
# Settings as `spalier init` calls them.
_INPUT_NAMES: Final = {"base_url": "url"}


@dataclass(frozen=True, slots=True)
class Initialised:
    """A node that was set up.

    Attributes:
        actor: Address of the node's actor.
        fingerprint: Of the node's key, to compare by telephone.
        admin_link: Opens the administrator's first sign-in, once, for
            `node.signin.links.LIFETIMES`.
    """

    node_id: str
    base_url: str
    actor: str
    fingerprint: str
    admin_email: str
    admin_link: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the administrator asked for, checked."""

    config: NodeConfig
    settings: Mapping[str, Any]
    email: str
    office_name: str
    card: Mapping[str, Any]
    node_id: str
    leftover_ids: tuple[str, ...]


async def initialise(  # noqa: PLR0913 - each is one answer of the administrator
    folder: Path,
    *,
    base_url: str,
    name: str,
    office_email: str,
    clock: Clock,
    random: RandomSource,
    office_name: str | None = None,
    default_language: str = "de",
    listen: tuple[str, int] | None = None,
    allow_loopback_http: bool = False,
    demo: bool = False,
    card: Mapping[str, Any] | None = None,
    database_url: str = "",
) -> Initialised:
    """Set up a node in `folder`, which may exist but holds no node yet.

    Args:
        folder: Where the node lives; created with mode 0700.
        base_url: Public address; changes only by `spalier move-origin`.
        name: Name of the cluster.
        office_email: Of the first person, who becomes node administrator.
        clock: The time.
        random: Source of the key, the ids and the link.
        office_name: Name of that person; `Geschäftsstelle` if left out.
        default_language: `de` or `en`.
        listen: Host and port; a loopback `base_url` listens on its own port.
        allow_loopback_http: For the demo and for tests.
        demo: Mark every page as invented data.
        card: Facts about the cluster, keys as in `federation.documents.Card`.
        database_url: Empty for SQLite in the folder.

    Raises:
        InvalidInputError: Input that cannot work, every fault at once.
        ConflictError: There is a node, or the database belongs to one.
        UnavailableError: The folder or the database cannot be written.
    """
    settings = _settings(
        base_url=base_url,
        name=name,
        default_language=default_language,
        listen=listen,
        allow_loopback_http=allow_loopback_http,
        demo=demo,
        database_url=database_url,
    )
    config = _checked(settings, email=office_email, card=card or {})
    _make_folder(folder)
    with acquire(folder), _naming(folder):
        leftover_ids = _clear_leftovers(folder)
        wish = _Wish(
            config=config,
            settings=settings,
            email=office_email.strip().lower(),
            office_name=(office_name or _OFFICE_NAMES[default_language]).strip(),
            card=dict(card or {}),
            node_id=random_id(random),
            leftover_ids=leftover_ids,
        )
        key, link = await _build(folder, wish, clock=clock, random=random)
    return Initialised(
        node_id=wish.node_id,
        base_url=config.base_url,
        actor=NodeAddress(BaseUrl(config.base_url)).actor,
        fingerprint=key.public_key.fingerprint,
        admin_email=wish.email,
        admin_link=link,
    )


async def _build(
    folder: Path, wish: _Wish, *, clock: Clock, random: RandomSource
) -> tuple[SigningKey, str]:
    """Make everything; return the key and the administrator's link."""
    # From here until the mark is gone the folder counts as unfinished.
    _mark(folder, (*wish.leftover_ids, wish.node_id))
    key = create_key(folder, random)
    _write(folder / CONFIG_FILE, render_config(wish.settings))
    try:
        link = await _fill_database(folder, wish, key, clock=clock, random=random)
    except ConflictError:
        # The database refused us: nothing of ours is in it.
        _clear_leftovers(folder)
        (folder / UNFINISHED_FILE).unlink()
        raise
    sync_folder(folder)
    (folder / UNFINISHED_FILE).unlink()
    sync_folder(folder)
    return key, link


def _settings(
    *,
    base_url: str,
    name: str,
    default_language: str,
    listen: tuple[str, int] | None,
    allow_loopback_http: bool,
    demo: bool,
    database_url: str,
) -> dict[str, Any]:
    """Return the settings to write, by dotted path."""
    settings: dict[str, Any] = {
        "base_url": base_url,
        "name": name,
        "default_language": default_language,
    }
    if demo:
        settings["demo"] = True
        # A demonstration shows at once what a real node shows at the next full hour.
        settings["chiffre.delay_hours"] = 0
    if allow_loopback_http:
        settings["network.allow_loopback_http"] = True
    if database_url:
        settings["database.url"] = database_url
    own_port = re.fullmatch(r"http://127\.0\.0\.1:(\d{1,5})", base_url)
    if listen is None and own_port:
        listen = ("127.0.0.1", int(own_port[1]))
    if listen is not None:
        settings["listen.host"], settings["listen.port"] = listen
    return settings


def _checked(
    settings: Mapping[str, Any], *, email: str, card: Mapping[str, Any]
) -> NodeConfig:
    faults: list[InputFault] = []
    try:
        config = check_settings(settings)
    except ConfigInvalidError as error:
        config = None
        faults += [
            InputFault(_INPUT_NAMES.get(fault.path, fault.path), fault.message)
            for fault in error.faults
        ]
    address = email.strip()
    if len(address) > _EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(address):
        faults.append(
            InputFault(
                "office",
                "The office needs an e-mail address, for example "
                "office@cluster.example.",
            )
        )
    known = {field.name for field in fields(Card)}
    faults += [
        InputFault(f"card.{key}", "The cluster's card has no such field.")
        for key in sorted(set(card) - known)
    ]
    if faults or config is None:
        raise InvalidInputError("The node cannot be set up like this.", faults=faults)
    return config


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=_OWNER_FOLDER, parents=True, exist_ok=True)
        strangers = sorted(
            path.name
            for path in folder.iterdir()
            if not path.name.startswith(_OWN_PREFIX) and path.name != _OF_THE_DISK
        )
        if not strangers:
            folder.chmod(_OWNER_FOLDER)
    except OSError as error:
        raise _folder_unusable(folder, error) from error
    if strangers:
        # Its mode would change: nobody wants that for /tmp or a home.
        raise InvalidInputError(
            Sentence(
                "The folder {folder} is not empty: it holds {name}.",
                folder=folder,
                name=strangers[0],
            ),
            code="folder-not-empty",
            path=str(folder),
            hint="A node needs a folder of its own.",
        )


@contextlib.contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """Let every failure of the file system name the folder."""
    try:
        yield
    except OSError as error:
        raise _folder_unusable(folder, error) from error


def _folder_unusable(folder: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        Sentence(
            "The folder {folder} cannot be used: {reason}.",
            folder=folder,
            reason=system_reason(error),
        ),
        code="folder-unusable",
        path=str(folder),
        hint="Choose a folder that you may write to.",
    )


def _clear_leftovers(folder: Path) -> tuple[str, ...]:
    """Remove what interrupted set-ups left, but the mark; return their node ids.

    Nothing is ever removed without its mark: a lone key may be all that is left
    of a node that partners trust.
    """
    mark = folder / UNFINISHED_FILE
    node_files = (KEY_FILE, CONFIG_FILE, *_DATABASE_FILES)
    if not mark.exists():
        present = [name for name in node_files if (folder / name).exists()]
        if present:
            raise ConflictError(
                Sentence(
                    "There is a node in {folder} already ({names}).",
                    folder=folder,
                    names=", ".join(present),
                ),
                code="already-initialised",
                path=str(folder),
                hint="Choose another folder, or start this node: spalier serve",
            )
        return ()
    for name in node_files:
        (folder / name).unlink(missing_ok=True)
    try:
        ids = json.loads(mark.read_text(encoding="utf-8"))["node_ids"]
    except (ValueError, KeyError, TypeError):
        return ()
    return tuple(text for text in ids if isinstance(text, str))


def _mark(folder: Path, node_ids: tuple[str, ...]) -> None:
    """Say who is at work, in one step: an older mark must not get lost."""
    new = folder / f"{UNFINISHED_FILE}.new"
    new.unlink(missing_ok=True)
    _write(new, json.dumps({"node_ids": node_ids}))
    new.replace(folder / UNFINISHED_FILE)
    sync_folder(folder)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    sync_folder(path.parent)


async def _fill_database(
    folder: Path, wish: _Wish, key: SigningKey, *, clock: Clock, random: RandomSource
) -> str:
    if not wish.config.database.url:
        # Made here for its mode, which SQLite's log files take over.
        _write(folder / SQLITE_FILE, "")
    database = open_database(wish.config.database.url, folder=folder)
    try:
        await migrate(database)
        address = NodeAddress(BaseUrl(wish.config.base_url))
        context = NodeContext(
            config=wish.config,
            clock=clock,
            random=random,
            database=database,
            address=address,
            keys=KeyRing.of_one(address, key, created_at=clock.now()),
            node_id=wish.node_id,
        )
        return await _store_first_rows(database, wish, context)
    finally:
        await database.close()


async def _store_first_rows(
    database: Database, wish: _Wish, context: NodeContext
) -> str:
    now = context.clock.now()
    epoch = context.random.bytes(_EPOCH_BYTES).hex()
    config = wish.config
    office = Organisation(
        id=random_id(context.random), name=config.name, is_office=True
    )
    admin = Person(
        id=random_id(context.random),
        organisation_id=office.id,
        organisation_name=office.name,
        email=wish.email,
        name=wish.office_name,
        role=Role.NODE_ADMIN,
        language=config.default_language,
    )
    state = NodeState(
        node_id=wish.node_id,
        base_url=config.base_url,
        name=config.name,
        default_language=config.default_language,
        epoch=epoch,
        incarnation=_FIRST_INCARNATION,
        card=wish.card,
        created_at=now,
    )

    async def work(tx: Transaction) -> str:
        await _refuse_foreign(tx, wish)
        await store_node_state(tx, state)
        await insert_organisation(tx, office, now=now)
        await insert_person(tx, admin, now=now)
        await insert_key(tx, context.keys.active)
        await note_changed(tx, context)
        return await issue_link(
            tx, context, person_id=admin.id, purpose=LinkPurpose.FIRST_PASSWORD
        )

    return await database.write(work)


async def _refuse_foreign(tx: Transaction, wish: _Wish) -> None:
    """Let a database through that is empty or holds our interrupted attempt."""
    found = await load_node_state(tx)
    if found is None:
        return
    if found.node_id not in wish.leftover_ids:
        raise ConflictError(
            Sentence(
                "The database belongs to the node {base_url} ({name}).",
                base_url=found.base_url,
                name=found.name,
            ),
            code="database-in-use",
            path="database.url",
            hint="Give each node a database of its own.",
        )
    for table in (sign_in_links, node_keys, persons, organisations, node_state):
        await tx.execute(delete(table))
